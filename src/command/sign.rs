//! `countersign sign`.

use std::path::PathBuf;

use countersign_common::{ImageRef, Timestamp, publication::PublicationDate};
use countersign_sign::{
    Dating, Made, Means, Outcome, Plan, Record, Request, SignError, plan, plan_publication,
    sign_image,
};
use serde::Serialize;

use super::signing::{self, Order, Workshop};
use crate::{
    arguments::{Common, Output, Sign},
    exit::Exit,
    files, network,
    output::{self, Stop},
    places::{self, Located},
};
use countersign_trust_roots::Role;

pub(crate) async fn run(arguments: &Sign, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    let located = places::locate(&arguments.images, arguments.timeout).await?;
    let request = Request::new(network::annotations(&arguments.annotations)?)
        .map_err(|error| Stop::new(Exit::Usage, &error))?;
    let request = match arguments.supported_until {
        Some(until) => request.supported_until(until),
        None => request,
    };
    let order = Order {
        keys: &arguments.signers.keys,
        algorithm: arguments.signers.algorithm,
        stamps: &arguments.stamps,
        governed: &arguments.governed,
        network: &arguments.network,
        timeout: arguments.timeout,
        roles: &[Role::Sign, Role::Publish],
    };
    let workshop = Workshop::open(&order, &located, common, now).await?;
    let results = workshop
        .each(&located, common, async |image, means| {
            if arguments.dry_run {
                let plans = plans(image, &request, means, now).await?;
                return Ok(Done::Planned(Box::new(plans)));
            }
            let outcome = sign_image(image, &request, means, workshop.occasion()).await?;
            Ok(Done::Signed(Box::new(outcome)))
        })
        .await;
    let records: Vec<&Record> = results
        .iter()
        .filter_map(|(_, result)| result.as_ref().ok()?.record())
        .collect();
    let told = tell_build(&records);
    let mut worst = Exit::Done;
    for (one, result) in results {
        worst = worst.max(report(one, result, common)?);
    }
    // What was signed is reported whatever became of the build system's file.
    told.map(|()| worst)
}

/// What became of one image.
enum Done {
    Planned(Box<Plans>),
    Signed(Box<Outcome>),
}

/// What would be signed.
#[derive(Serialize)]
struct Plans {
    #[serde(flatten)]
    signature: Plan,
    publication: Plan,
}

impl Done {
    fn record(&self) -> Option<&Record> {
        match self {
            Self::Planned(_) => None,
            Self::Signed(outcome) => Some(outcome.signature.record()),
        }
    }
}

/// Nobody is asked for a stamp: it would be old before anything is signed.
async fn plans(
    image: &ImageRef,
    request: &Request,
    means: Means<'_>,
    now: Timestamp,
) -> Result<Plans, SignError> {
    let image = means.registry.resolve(image).await?;
    let key = means.signer.key();
    let date = match means.dating {
        Dating::Claimed => PublicationDate::Claimed(now),
        Dating::Proven(_) => PublicationDate::Stamped(Vec::new()),
    };
    Ok(Plans {
        signature: plan(&image, key, request)?,
        publication: plan_publication(&image, key, request, date)?,
    })
}

fn report(one: &Located, result: Result<Done, SignError>, common: &Common) -> Result<Exit, Stop> {
    match result {
        Ok(Done::Planned(plans)) => match common.output {
            Output::Json => output::print_json(&one.document(&plans))?,
            Output::Text => {
                output::print(&format!("{}\n{}", plans.signature, plans.publication))?;
            }
        },
        Ok(Done::Signed(outcome)) => match common.output {
            Output::Json => output::print_json(&one.document(&outcome))?,
            Output::Text if common.quiet => {}
            Output::Text => output::print(&text(&outcome, one))?,
        },
        Err(error) => return signing::failed(one, &error, common),
    }
    Ok(Exit::Done)
}

fn text(outcome: &Outcome, one: &Located) -> String {
    let publication = outcome.publication.record();
    let again = match &outcome.publication {
        Made::AlreadySigned(_) => "already, ",
        Made::Signed(_) => "",
    };
    format!(
        "{}  publication  {}\n  published    {again}{}\n",
        signing::text(&outcome.signature, ("signed", "signature"), one),
        publication.manifest,
        signing::when(publication),
    )
}

/// Tells a GitHub Actions job the digests, for its later steps: of one image by name, of several as a list.
fn tell_build(records: &[&Record]) -> Result<(), Stop> {
    let path = std::env::var_os("GITHUB_OUTPUT").filter(|path| !path.is_empty());
    let (Some(path), false) = (path, records.is_empty()) else {
        return Ok(());
    };
    let list: Vec<_> = records
        .iter()
        .map(|record| serde_json::json!({ "digest": record.digest, "signature": record.manifest }))
        .collect();
    let mut text = format!("signatures={}\n", serde_json::Value::from(list));
    // Several keys of one image have one digest, and the first its signature.
    if let [record, others @ ..] = records
        && others.iter().all(|other| other.image == record.image)
    {
        text = format!(
            "{text}digest={}\nsignature={}\n",
            record.digest, record.manifest
        );
    }
    files::append(&PathBuf::from(path), &text)
}
