//! `countersign sign`.

use std::{path::PathBuf, time::Duration};

use countersign_common::{
    Algorithm, Explain, ImageRef, RegistryWriter, Signer, Timestamp, registry,
};
use countersign_sign::{
    Error, Occasion, Outcome, Plan, Record, Request, SignError, plan, sign_image,
};
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
    let request = Request::new(network::annotations(&arguments.annotations)?)
        .map_err(|error| Stop::new(Exit::Usage, &error))?;
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
    let records: Vec<&Record> = results
        .iter()
        .filter_map(|result| result.as_ref().ok()?.record())
        .collect();
    let told = tell_build(&records);
    let mut worst = Exit::Done;
    for (image, result) in images.iter().zip(results) {
        worst = worst.max(report(image, result, common)?);
    }
    // What was signed is reported whatever became of the build system's file.
    told.map(|()| worst)
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

impl Done {
    fn record(&self) -> Option<&Record> {
        match self {
            Self::Planned(_) => None,
            Self::Signed(outcome) => Some(outcome.record()),
        }
    }
}

impl Job<'_> {
    async fn plan(&self, image: &ImageRef) -> Result<Done, SignError> {
        let image = self.registry.resolve(image).await?;
        let plan = plan(&image, self.signer.key(), self.request)?;
        Ok(Done::Planned(Box::new(plan)))
    }

    async fn sign(&self, image: &ImageRef) -> Result<Done, SignError> {
        let occasion = Occasion {
            now: self.now,
            signed: &log_signature,
        };
        let outcome = sign_image(image, self.registry, self.signer, self.request, occasion).await?;
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
        Ok(Done::Signed(outcome)) => match common.output {
            Output::Json => output::print_json(&outcome)?,
            Output::Text if common.quiet => {}
            Output::Text => output::print(&text(&outcome))?,
        },
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
        let stop = Stop::new(exit, error);
        output::print_json(
            &serde_json::json!({ "outcome": "failed", "image": image, "error": stop.document() }),
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
    if let [record] = records {
        text = format!(
            "{text}digest={}\nsignature={}\n",
            record.digest, record.manifest
        );
    }
    files::append(&PathBuf::from(path), &text)
}
