//! `countersign policy check`, `test` and `explain`.

pub(super) mod check;
mod explain;
mod rule;

use countersign_common::{Code, Explain, Timestamp};
use countersign_registry::Client;
use countersign_verify::Asked;

use super::verify;
use crate::{
    arguments::{Common, Governed, Network, Policy, PolicyTest},
    cache,
    config::Config,
    exit::Exit,
    judge::{self, Begin, Court, Judge, Needed, Summons, When},
    network,
    output::Stop,
    places,
    policy_file::{self, PolicyFile},
};

pub(crate) async fn run(arguments: &Policy, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    match arguments {
        Policy::Check(check) => check::check(check, common, now).await,
        Policy::Test(test) => self::test(test, common, now).await,
        Policy::Explain(explain) => explain::explain(explain, common, now).await,
    }
}

/// The policy that was named or configured; there must be one.
pub(super) fn found(governed: &Governed, config: &Config) -> Result<PolicyFile, Stop> {
    policy_file::find(governed, config)?.ok_or_else(|| Stop::new(Exit::Usage, &NoPolicy))
}

/// Convenes a court that leaves no trace.
async fn court(
    file: PolicyFile,
    needed: Needed<'_>,
    (governed, network, timeout): (&Governed, &Network, u64),
    (config, asked): (&Config, Asked),
    (when, system): (When, Timestamp),
) -> Result<(Court, Client), Stop> {
    let client = network::client(network, timeout, config)?;
    let summons = Summons {
        client: &client,
        timeout,
        state_dir: governed.state_dir.as_deref(),
        begin: Begin::Not,
        when,
        system,
    };
    let court = Court::convene(file, needed, asked, summons).await?;
    Ok((court, client))
}

async fn test(arguments: &PolicyTest, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    let places = places::locate(&arguments.images, arguments.timeout).await?;
    let images = places::references(&places.located);
    let config = Config::read(common.config.as_deref())?;
    let file = found(&arguments.governed, &config)?;
    let when = arguments.at.map_or(When::Now, When::AsOf);
    let stand_in = arguments.demonstration.stand_in();
    let (court, client) = court(
        file,
        Needed::For(&images),
        (&arguments.governed, &arguments.network, arguments.timeout),
        (&config, judge::nothing_besides(stand_in)),
        (when, now),
    )
    .await?;
    let client = cache::lend(client, &arguments.caching);
    let judge = Judge::Policy(Box::new(court));
    let bounds = (arguments.timeout, common);
    let verdicts = verify::judged(&judge, &places.located, (&client, bounds), (when, now)).await;
    let answers = verify::answers(&places, &verdicts);
    verify::show(&answers, common)?;
    Ok(verify::worst(&answers))
}

/// There is no policy to look at.
#[derive(Debug)]
struct NoPolicy;

impl std::fmt::Display for NoPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no policy is named, and none is beside the configuration")
    }
}

impl Explain for NoPolicy {
    fn code(&self) -> Code {
        Code::new("policy-missing")
    }

    fn remedy(&self) -> String {
        "name one with `--policy FILE`, or write `policy.toml` beside the configuration file"
            .to_owned()
    }
}
