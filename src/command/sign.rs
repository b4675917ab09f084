//! `countersign sign`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use countersign_common::{
    Algorithm, Explain, ImageRef, RegistryWriter, Signer, Timestamp, registry,
};
use countersign_sign::{Error, Outcome, Plan, Record, Request, SignError, plan, sign_image};
use futures_util::{StreamExt, stream};

use crate::{
    arguments::{Common, Output, Sign},
    exit::Exit,
    files, keys, log, network,
    output::{self, Stop},
    progress::Progress,
};

/// Images signed at the same time. Amazon ECR takes some ten manifests a second from an account.
const PARALLEL: usize = 4;

pub(crate) async fn run(arguments: &Sign, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    let images = network::images(&arguments.images)?;
    let annotations: BTreeMap<String, String> = arguments.annotations.iter().cloned().collect();
    let request = Request::new(annotations).map_err(|error| Stop::new(Exit::Usage, &error))?;
    let signer = keys::signer(&arguments.key, arguments.algorithm).await?;
    if signer.key().public_key.algorithm() == Algorithm::EcdsaP384Sha384 {
        tracing::warn!(
            "signatures by a P-384 key use SHA-384; cosign verifies them by its KMS name, not by a public key file"
        );
    }
    let registry = network::client(&arguments.network, arguments.timeout)?;
    let job = Job {
        registry: &registry,
        signer: signer.as_ref(),
        request: &request,
        now,
    };
    let progress = Progress::of(images.len(), common);
    let limit = Duration::from_secs(arguments.timeout);
    let work = async |image: &ImageRef| {
        let result = if arguments.dry_run {
            tokio::time::timeout(limit, job.plan(image)).await
        } else {
            tokio::time::timeout(limit, job.sign(image)).await
        };
        progress.step();
        result.unwrap_or_else(|_| Err(timed_out(image, arguments.timeout)))
    };
    let results: Vec<_> = stream::iter(&images)
        .map(work)
        .buffered(PARALLEL)
        .collect()
        .await;
    drop(progress);
    let mut worst = Exit::Done;
    for (image, result) in images.iter().zip(results) {
        worst = worst.max(report(image, result, common)?);
    }
    Ok(worst)
}

/// What is the same for each image.
struct Job<'a> {
    registry: &'a dyn RegistryWriter,
    signer: &'a dyn Signer,
    request: &'a Request,
    now: Timestamp,
}

/// What became of one image.
enum Done {
    Planned(Box<Plan>),
    Signed(Box<Outcome>),
}

impl Job<'_> {
    async fn plan(&self, image: &ImageRef) -> Result<Done, SignError> {
        let image = self.registry.resolve(image).await?;
        let plan = plan(&image, self.signer.key(), self.request)?;
        Ok(Done::Planned(Box::new(plan)))
    }

    async fn sign(&self, image: &ImageRef) -> Result<Done, SignError> {
        let outcome = sign_image(image, self.registry, self.signer, self.request, self.now).await?;
        Ok(Done::Signed(Box::new(outcome)))
    }
}

fn timed_out(image: &ImageRef, seconds: u64) -> SignError {
    let repository = image.repository();
    SignError::Error(Error::Registry(registry::Error::TimedOut {
        registry: repository.registry(),
        path: repository.path().to_owned(),
        seconds,
    }))
}

fn report(
    image: &ImageRef,
    result: Result<Done, SignError>,
    common: &Common,
) -> Result<Exit, Stop> {
    match result {
        Ok(Done::Planned(plan)) => match common.output {
            Output::Json => output::print_json(&plan)?,
            Output::Text => output::print(&plan.to_string())?,
        },
        Ok(Done::Signed(outcome)) => {
            if let Outcome::Signed(record) = outcome.as_ref() {
                log_signature(record);
            }
            tell_build(outcome.record())?;
            match common.output {
                Output::Json => output::print_json(&outcome)?,
                Output::Text if common.quiet => {}
                Output::Text => output::print(&text(&outcome))?,
            }
        }
        Err(error) => return failed(image, &error, common),
    }
    Ok(Exit::Done)
}

fn failed(image: &ImageRef, error: &SignError, common: &Common) -> Result<Exit, Stop> {
    let exit = match error {
        SignError::Error(_) => Exit::Undecided,
        SignError::Refusal(_) => Exit::Refused,
    };
    output::note(
        output::explanation(
            "error",
            error.code(),
            &format!("{image}: {error}"),
            &error.remedy(),
        )
        .trim_end(),
    );
    if common.output == Output::Json {
        let error = serde_json::json!({ "code": error.code(), "message": error.to_string(), "remedy": error.remedy() });
        output::print_json(
            &serde_json::json!({ "outcome": "failed", "image": image, "error": error }),
        )?;
    }
    Ok(exit)
}

fn text(outcome: &Outcome) -> String {
    let (word, record) = match outcome {
        Outcome::AlreadySigned(record) => ("already signed", record),
        Outcome::Signed(record) => ("signed", record),
    };
    format!(
        "{}\n  digest     {}\n  key        {} ({}…)\n  signature  {}\n",
        output::coloured(&format!("{word}: {}", record.image), Exit::Done),
        record.digest,
        countersign_common::Escaped(&record.key),
        record.key_id.short(),
        record.manifest,
    )
}

/// The one line that says what was signed; a key service's own log says only who and when, and the request joins them.
fn log_signature(record: &Record) {
    tracing::info!(
        target: log::SIGNATURE,
        image = %record.image,
        subject = %record.digest,
        predicate_type = record.predicate_type,
        signed = %record.signed_digest,
        key = %record.key,
        request_id = record.request_id.as_deref().unwrap_or_default(),
        "signed"
    );
}

/// Tells a GitHub Actions job the digests, for its later steps.
fn tell_build(record: &Record) -> Result<(), Stop> {
    match std::env::var_os("GITHUB_OUTPUT").filter(|path| !path.is_empty()) {
        Some(path) => {
            let text = format!("digest={}\nsignature={}\n", record.digest, record.manifest);
            files::append(&PathBuf::from(path), &text)
        }
        None => Ok(()),
    }
}
