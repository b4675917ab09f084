//! `countersign sign`.

use std::path::PathBuf;

use countersign_common::{ImageRef, PinnedImage, Timestamp, publication::PublicationDate};
use countersign_sign::{
    Dating, Entry, Made, Means, Outcome, Plan, Record, Request, Sighted, SignError, plan,
    plan_publication, sign_image, sign_sighted,
};
use serde::Serialize;

use super::{
    children::{Results, Subject},
    signing::{self, Order, Tools, Workshop},
};
use crate::{
    arguments::{Common, Output, Sign},
    exit::Exit,
    files, network,
    output::{self, Stop},
    places,
};
use countersign_trust_roots::Role;

pub(crate) async fn run(arguments: &Sign, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    let mut places = places::locate(&arguments.images, arguments.timeout).await?;
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
        recursive: arguments.recursive,
        roles: &[Role::Sign, Role::Publish],
    };
    let workshop = Workshop::open(&order, &mut places, common, now).await?;
    let located = &places.located;
    let work = async |image: &PinnedImage, (means, attended): Tools<'_>| {
        if arguments.dry_run {
            let plans = plans(image, &request, means, now)?;
            return Ok(Done::Planned(Box::new(plans)));
        }
        // Who signs the same digest under another name finds what was signed.
        let _turn = workshop
            .turn((image.repository(), image.digest()), attended)
            .await;
        let outcome = sign_image(image, &request, means, workshop.occasion()).await?;
        Ok(Done::Signed(Box::new(outcome)))
    };
    let results = if arguments.recursive {
        workshop.each_with_children(located, common, work).await
    } else {
        let resolved = async |image: &ImageRef, (means, attended): Tools<'_>| {
            let Some(digest) = image.digest().filter(|_| !arguments.dry_run) else {
                let image = means.registry.resolve(image).await?;
                return work(&image, (means, attended)).await;
            };
            // Whose turn it is must be known before it is asked what is signed already.
            let _turn = workshop.turn((image.repository(), digest), attended).await;
            let sighted = Sighted::collect(image, means.registry).await?;
            let outcome = sign_sighted(sighted, &request, means, workshop.occasion()).await?;
            Ok(Done::Signed(Box::new(outcome)))
        };
        workshop.each(located, common, resolved).await
    };
    workshop.tell_lists();
    let told = tell_build(&results);
    let worst = places.report(
        results,
        |(subject, _)| subject.located,
        common.output,
        |(subject, result)| report(&subject, result, common),
    )?;
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
fn plans(
    image: &PinnedImage,
    request: &Request,
    means: Means<'_>,
    now: Timestamp,
) -> Result<Plans, SignError> {
    let key = means.signer.key();
    let date = match means.dating {
        Dating::Claimed => PublicationDate::Claimed(now),
        Dating::Proven(_) => PublicationDate::Stamped(Vec::new()),
    };
    Ok(Plans {
        signature: plan(image, key, request)?,
        publication: plan_publication(image, key, request, date)?,
    })
}

fn report(
    subject: &Subject<'_>,
    result: Result<Done, SignError>,
    common: &Common,
) -> Result<Exit, Stop> {
    match result {
        Ok(Done::Planned(plans)) => match common.output {
            Output::Json => output::print_json(&subject.document(&plans))?,
            Output::Text => {
                let listed = listed(subject.child.as_ref(), ("listed    ", ""));
                output::print(&format!(
                    "{}{listed}\n{}{listed}",
                    plans.signature, plans.publication
                ))?;
            }
        },
        Ok(Done::Signed(outcome)) => match common.output {
            Output::Json => output::print_json(&subject.document(&outcome))?,
            Output::Text if common.quiet => {}
            Output::Text => output::print(&text(&outcome, subject))?,
        },
        Err(error) => return signing::failed(subject, &error, common),
    }
    Ok(Exit::Done)
}

fn text(outcome: &Outcome, subject: &Subject<'_>) -> String {
    let publication = outcome.publication.record();
    let again = match &outcome.publication {
        Made::AlreadySigned(_) => "already, ",
        Made::Signed(_) => "",
    };
    format!(
        "{}  publication  {}\n  published    {again}{}\n{}",
        signing::text(&outcome.signature, ("signed", "signature"), subject.located),
        publication.manifest,
        signing::when(publication),
        listed(subject.child.as_ref(), ("listed      ", "  ")),
    )
}

/// As what a child is listed, and by which index.
fn listed(child: Option<&Entry>, (name, indent): (&str, &str)) -> String {
    child.map_or_else(String::new, |entry| {
        let Entry { index, listed_as } = entry;
        format!("{indent}{name} as {listed_as} by the index {index}\n")
    })
}

/// Tells a GitHub Actions job the digests, for its later steps: of one image by name, of all that was signed as a list.
fn tell_build(results: &Results<'_, Done>) -> Result<(), Stop> {
    let signed: Vec<(&Subject<'_>, &Record)> = results
        .iter()
        .filter_map(|(subject, result)| Some((subject, result.as_ref().ok()?.record()?)))
        .collect();
    let path = std::env::var_os("GITHUB_OUTPUT").filter(|path| !path.is_empty());
    let (Some(path), false) = (path, signed.is_empty()) else {
        return Ok(());
    };
    let list: Vec<_> = signed
        .iter()
        .map(|(_, record)| {
            serde_json::json!({ "digest": record.digest, "signature": record.manifest })
        })
        .collect();
    let mut text = format!("signatures={}\n", serde_json::Value::from(list));
    let asked = signed.iter().filter(|(subject, _)| subject.child.is_none());
    let asked: Vec<&Record> = asked.map(|(_, record)| *record).collect();
    // Several keys of one image have one digest, and the first its signature.
    if let [record, others @ ..] = asked.as_slice()
        && others.iter().all(|other| other.image == record.image)
    {
        text = format!(
            "{text}digest={}\nsignature={}\n",
            record.digest, record.manifest
        );
    }
    files::append(&PathBuf::from(path), &text)
}
