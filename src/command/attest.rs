//! `countersign attest`.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use countersign_common::{
    Code, Escaped, Explain, Limits, Timestamp, json::JsonError, predicate::Predicate,
};
use countersign_sign::{Attestation, Attested, Earlier, Request, SignError, attest_image};

use super::{
    children::Subject,
    signing::{self, Order, Workshop},
};
use crate::{
    arguments::{Attest, Common, Output},
    exit::Exit,
    files,
    output::{self, Stop},
    places::{self, Located},
};
use countersign_trust_roots::Role;

pub(crate) async fn run(arguments: &Attest, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    let mut places = places::locate(&arguments.images, arguments.timeout).await?;
    let request = Request::new(BTreeMap::new()).map_err(|error| Stop::new(Exit::Usage, &error))?;
    let attestation = Attestation {
        kind: arguments.kind.clone(),
        predicate: predicate(arguments)?,
        earlier: if arguments.replace {
            Earlier::Replaced
        } else {
            Earlier::Kept
        },
    };
    let order = Order {
        keys: &arguments.signers.keys,
        algorithm: arguments.signers.algorithm,
        stamps: &arguments.stamps,
        governed: &arguments.governed,
        network: &arguments.network,
        timeout: arguments.timeout,
        recursive: false,
        roles: &[Role::Sign],
    };
    let workshop = Workshop::open(&order, &mut places, common, now).await?;
    let results = workshop
        .each(&places.located, common, async |image, (means, attended)| {
            let about = (&request, &attestation);
            let image = means.registry.resolve(image).await?;
            // Who attests the same digest under another name replaces what was attested, and not what was there before both.
            let _turn = workshop
                .turn((image.repository(), image.digest()), attended)
                .await;
            attest_image(&image, about, means, workshop.occasion()).await
        })
        .await;
    workshop.tell_lists();
    places.report(
        results,
        |(subject, _)| subject.located,
        common.output,
        |(subject, result)| report(&subject, result, common),
    )
}

/// The file, within the limit of what verifiers fetch: base64 and the bundle around it come on top.
fn predicate(arguments: &Attest) -> Result<Predicate, Stop> {
    let limit = Limits::TABLE.attestation / 16 * 10;
    let bytes = files::read_within(&arguments.predicate, limit as u64)?;
    Predicate::parse(&bytes, &Limits::TABLE).map_err(|source| {
        let path = arguments.predicate.display().to_string();
        Stop::new(Exit::Usage, &PredicateInvalid { path, source })
    })
}

fn report(
    subject: &Subject<'_>,
    result: Result<Attested, SignError>,
    common: &Common,
) -> Result<Exit, Stop> {
    match result {
        Ok(attested) => match common.output {
            Output::Json => output::print_json(&subject.document(&attested))?,
            Output::Text if common.quiet => {}
            Output::Text => output::print(&text(&attested, subject.located))?,
        },
        Err(error) => return signing::failed(subject, &error, common),
    }
    Ok(Exit::Done)
}

fn text(attested: &Attested, one: &Located) -> String {
    let record = attested.made.record();
    let mut text = signing::text(&attested.made, ("attested", "attestation"), one);
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<11}  {value}");
    };
    line("type", &Escaped(&record.predicate_type).to_string());
    let when = signing::when(record);
    line(
        "signed",
        if when.is_empty() {
            "at a time that nothing proves"
        } else {
            &when
        },
    );
    for replaced in &attested.replaced {
        line("removed", &replaced.to_string());
    }
    text
}

/// The file is nothing that can be attested.
#[derive(Debug)]
struct PredicateInvalid {
    path: String,
    source: JsonError,
}

impl fmt::Display for PredicateInvalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is not one JSON object that verifiers would read: {}",
            Escaped(&self.path),
            self.source
        )
    }
}

impl Explain for PredicateInvalid {
    fn code(&self) -> Code {
        Code::new("predicate-invalid")
    }

    fn remedy(&self) -> String {
        "give a file with one JSON object, without two members of one name".to_owned()
    }
}
