//! What `sign` and `attest` share: the key, the registry and the authorities they work with, and how they report.

use std::{
    collections::HashMap,
    fmt::Write,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use countersign_common::{
    Algorithm, Digest, Escaped, Explain, ImageRef, Repository, Signer, Timestamp, registry::Blind,
};
use countersign_registry::Client;
use countersign_sign::{
    Dating, Error, Made, Means, Occasion, Record, SignError, SignedPlan, Stamping,
};
use countersign_trust_roots::Role;
use futures_util::{
    StreamExt,
    future::{self, Either},
    stream,
};
use tokio::sync::OwnedMutexGuard;

use super::{
    children::{Results, Subject},
    cosign::Cosign,
};
use crate::{
    arguments::{Common, Governed, Network, Output, Stamps},
    attended::{Attendant, Attended},
    clock::Clock,
    config::Config,
    exit::Exit,
    keys,
    licence::Licence,
    log, network,
    output::{self, Stop},
    pauses::{Begun, Pauses, THROTTLED},
    places::{self, Located, Places},
    progress::Progress,
    stamps,
};

/// Images signed at the same time, of those that are named and of what they list. Amazon ECR takes some ten manifests a
/// second from an account.
pub(super) const PARALLEL: usize = 4;

/// What is the same for each image.
pub(super) struct Workshop {
    pub(super) client: Client,
    signers: Vec<Box<dyn Signer>>,
    stamping: Option<Stamping>,
    timeout: u64,
    now: Timestamp,
    pauses: Pauses,
    attendant: Attendant,
    turns: Mutex<HashMap<(Repository, Digest), Turns>>,
}

/// Those who sign one digest.
type Turns = Arc<tokio::sync::Mutex<()>>;

/// Whoever holds it signs one digest.
pub(super) type Turn = OwnedMutexGuard<()>;

/// With what an image is signed, and who attends to it meanwhile.
pub(super) type Tools<'a> = (Means<'a>, &'a Attended<'a>);

/// What a workshop is opened with, as it was typed.
pub(super) struct Order<'a> {
    pub(super) keys: &'a [String],
    pub(super) algorithm: Option<Algorithm>,
    pub(super) stamps: &'a Stamps,
    pub(super) governed: &'a Governed,
    pub(super) network: &'a Network,
    pub(super) timeout: u64,
    /// Whether what each image lists is signed too.
    pub(super) recursive: bool,
    /// What each image is signed as.
    pub(super) roles: &'static [Role],
}

impl Workshop {
    /// Opens the keys, and finds out who is asked about time, before anything is done. Images that may not be signed by each
    /// of the keys are left out: nothing is done with them.
    pub(super) async fn open(
        order: &Order<'_>,
        places: &mut Places,
        common: &Common,
        now: Timestamp,
    ) -> Result<Self, Stop> {
        let config = Config::read(common.config.as_deref())?;
        let client = network::client(order.network, order.timeout, &config)?;
        let licence = Licence::of(
            order.governed,
            &places::references(&places.located),
            &config,
            (&client, order.timeout, now),
        )
        .await?;
        places.leave_out(|one| {
            licence.check(&one.image)?;
            licence.check_time(order.stamps, &one.image)
        });
        let (mut stamping, mut signers) = (None, Vec::new());
        // Where nothing may be signed, what is missing to do it is nobody's question.
        if !places.located.is_empty() {
            let asking = (&client, order.timeout);
            stamping = match licence.time(order.stamps, &places.located)? {
                Some(rooted) => stamps::rooted(order.stamps, rooted, asking)?,
                None => stamps::stamping(order.stamps, asking, &config)?,
            };
            signers = keys::signers(order.keys, order.algorithm, &config).await?;
        }
        places.leave_out(|one| {
            let mut keys = signers.iter().map(Signer::key);
            keys.try_for_each(|key| licence.admit(&one.image, key, order.roles))
        });
        for signer in &signers {
            if let Some(warning) = outside_of_cosign(signer.key().public_key.algorithm()) {
                tracing::warn!("{warning}");
            }
        }
        let pauses = if order.recursive {
            Pauses::of_families
        } else {
            Pauses::new
        };
        Ok(Self {
            client,
            signers,
            stamping,
            timeout: order.timeout,
            now,
            pauses: pauses(&places.located, order.timeout, PARALLEL),
            attendant: Attendant::new(Arc::new(Blind), 1),
            turns: Mutex::default(),
        })
    }

    /// What the libraries work with.
    fn means<'a>(&'a self, registry: &'a Attended<'_>, signer: &'a dyn Signer) -> Means<'a> {
        Means {
            registry,
            signer,
            dating: self
                .stamping
                .as_ref()
                .map_or(Dating::Claimed, Dating::Proven),
        }
    }

    /// Waits for the turn to sign a digest, which several references may name: in nobody's time.
    pub(super) async fn turn(
        &self,
        (repository, digest): (&Repository, &Digest),
        attended: &Attended<'_>,
    ) -> Turn {
        let key = (repository.clone(), digest.clone());
        let turns = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(key).or_default())
        };
        if let Ok(turn) = Arc::clone(&turns).try_lock_owned() {
            return turn;
        }
        // Whoever waits for another must hold nothing that the other waits for.
        attended.leave().await;
        let _held = attended.clock().hold();
        turns.lock_owned().await
    }

    /// Says once where others can lose what was signed, after it was.
    pub(super) fn tell_lists(&self) {
        for registry in self.client.listed_by_tag() {
            tracing::warn!(
                "{registry} has no referrers API: what is signed there is listed under a tag `sha256-…`, which every signer writes. \
                 Signers of this kind keep each other's entries; another tool that writes the tag in the same second can drop them: \
                 sign an image with one tool at a time, and look with `countersign inspect`"
            );
        }
    }

    pub(super) fn occasion(&self) -> Occasion<'_> {
        Occasion {
            now: self.now,
            signed: &log_signature,
        }
    }

    /// Does something with each image and each key, a few images at a time, each key within its time: first all keys of the
    /// first image.
    pub(super) async fn each<'i, T>(
        &self,
        located: &'i [Located],
        common: &Common,
        work: impl AsyncFn(&ImageRef, Tools<'_>) -> Result<T, SignError>,
    ) -> Results<'i, T> {
        let progress = Progress::of(located.len(), common);
        let with_each_key = async |one: &'i Located| {
            let results =
                self.with_each_key(one, async |tools: Tools<'_>| work(&one.image, tools).await);
            let results = results.await.into_iter();
            progress.step();
            results
                .map(|result| (Subject::asked(one), result))
                .collect()
        };
        let results: Vec<Results<'_, T>> = stream::iter(located)
            .map(with_each_key)
            .buffered(located.len().max(1))
            .collect()
            .await;
        results.into_iter().flatten().collect()
    }

    /// Waits until something may be done with an image.
    pub(super) async fn begin(&self, one: &Located) -> Begun<'_> {
        self.pauses.begin(one, &self.client).await
    }

    /// Does something with each key, where few do at a time.
    pub(super) async fn with_each_key<T>(
        &self,
        one: &Located,
        work: impl AsyncFn(Tools<'_>) -> Result<T, SignError>,
    ) -> Vec<Result<T, SignError>> {
        let mut begun = self.begin(one).await;
        let mut results = Vec::with_capacity(self.signers.len());
        // One after the other: at once, they would write one fallback tag.
        for signer in &self.signers {
            let work = async |attended: &Attended<'_>| {
                work((self.means(attended, signer.as_ref()), attended)).await
            };
            results.push(self.in_turn(&mut begun, one, work).await);
        }
        results
    }

    /// What the work gives, begun anew if its registry asked for a pause that was longer than its time.
    pub(super) async fn in_turn<'a, T>(
        &'a self,
        begun: &mut Begun<'a>,
        one: &Located,
        work: impl AsyncFn(&Attended<'_>) -> Result<T, SignError>,
    ) -> Result<T, SignError> {
        let work = async || {
            let registry = one.registry(&self.client);
            let attended = self.attendant.attend(registry, &one.image);
            self.in_time(attended.clock(), work(&attended)).await
        };
        let of = (one, &self.client);
        self.pauses.work(begun, of, work, is_throttled).await
    }

    /// What the work gives, if it ends within the time for one image.
    async fn in_time<T>(
        &self,
        clock: &Clock,
        work: impl Future<Output = Result<T, SignError>>,
    ) -> Result<T, SignError> {
        let seconds = self.timeout;
        let elapsed = pin!(clock.elapse(Duration::from_secs(seconds)));
        match future::select(pin!(work), elapsed).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(Error::TimedOut { seconds }.into()),
        }
    }
}

fn is_throttled<T>(result: &Result<T, SignError>) -> bool {
    result.as_ref().err().map(Explain::code) == Some(THROTTLED)
}

/// What cosign makes of signatures by a key, unless it verifies them with the key's public half as it is.
pub(super) fn outside_of_cosign(algorithm: Algorithm) -> Option<String> {
    match Cosign::of(algorithm) {
        Cosign::AsItIs => None,
        Cosign::Never => Some(format!(
            "cosign does not verify signatures by `{algorithm}` with a public key; Countersign does"
        )),
        Cosign::With(hash) => Some(format!(
            "cosign verifies signatures by `{algorithm}` only with `--signature-digest-algorithm {hash}`, or by the key's KMS name"
        )),
    }
}

/// Says why an image was not signed, or something that it lists.
pub(super) fn failed(
    subject: &Subject<'_>,
    error: &SignError,
    common: &Common,
) -> Result<Exit, Stop> {
    let image = &subject.image;
    let named = subject.located.shown(image);
    let exit = match error {
        SignError::Error(_) => Exit::Undecided,
        SignError::Refusal(_) => Exit::Refused,
    };
    output::note(
        output::explanation(
            "error",
            error.code(),
            &format!("{named}: {error}"),
            &error.remedy(),
        )
        .trim_end(),
    );
    if common.output == Output::Json {
        let stop = Stop::new(exit, error);
        output::print_json(&subject.document(
            serde_json::json!({ "outcome": "failed", "image": image, "error": stop.document() }),
        ))?;
    }
    Ok(exit)
}

/// A document for people: what became of it, of what, with which key, and where it is.
pub(super) fn text(made: &Made, (word, noun): (&str, &str), one: &Located) -> String {
    let record = made.record();
    let word = match made {
        Made::AlreadySigned(_) => format!("already {word}"),
        Made::Signed(_) => word.to_owned(),
    };
    let layout = one.layout();
    let layout = layout.map_or_else(String::new, |layout| format!("  layout       {layout}\n"));
    format!(
        "{}\n{layout}  digest       {}\n  key          {} ({}…)\n  {noun:<11}  {}\n",
        output::coloured(&format!("{word}: {}", record.image), Exit::Done),
        record.digest,
        Escaped(&record.key),
        record.key_id.short(),
        record.manifest,
    )
}

/// When a document was signed, for people; nothing if nothing is known.
pub(super) fn when(record: &Record) -> String {
    let mut text = String::new();
    let date = &record.date;
    if let Some((begin, end)) = date.not_before.zip(date.not_after) {
        let (begin, end) = (begin.to_rfc3339(), end.to_rfc3339());
        let _ = write!(text, "between {begin} and {end}, by time stamps");
    } else if let Some(claimed) = date.claimed_at {
        let _ = write!(text, "{claimed}, which is claimed and not proven");
    }
    text
}

/// The one line that says what was signed; a key service's own log says only who and when, and the request joins them.
fn log_signature(signed: &SignedPlan) {
    let plan = signed.plan();
    tracing::info!(
        target: log::SIGNATURE,
        image = %plan.image(),
        subject = %plan.subject().digest,
        predicate_type = plan.predicate_type(),
        signed = %plan.signed_digest(),
        key = %plan.key().name,
        request_id = signed.signed().request_id.as_deref(),
        "signed"
    );
}
