//! The whole of `countersign sign` and `countersign attest` for one image.

use countersign_common::{
    Digest, Limits, PinnedImage, RegistryWriter, Signer, Timestamp,
    predicate::{Predicate, PredicateType},
    publication::PublicationDate,
};
use countersign_trust_roots::{TimeRules, document};
use futures_util::future;
use serde::Serialize;

use crate::{
    Dating, Plan, Record, Refusal, Request, SealError, Sealed, Sighted, SignError, SignedDate,
    SignedPlan, attach,
    existing::Existing,
    plan::{plan, plan_attestation, plan_publication, sign},
    seal, self_check,
    sighted::{self, Listing},
    stamping::rules,
};

/// How often a document is begun again whose stamps lie too far apart.
const ATTEMPTS: usize = 3;

/// What became of an image.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Outcome {
    /// The signature of the image.
    #[serde(flatten)]
    pub signature: Made,
    /// Its publication.
    pub publication: Made,
}

/// What became of one document.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Made {
    /// An equivalent one was there; nothing was signed or written.
    AlreadySigned(Record),
    /// Signed, and it lies beside the image.
    Signed(Record),
}

impl Made {
    /// The document.
    pub fn record(&self) -> &Record {
        match self {
            Self::AlreadySigned(record) | Self::Signed(record) => record,
        }
    }
}

/// What became of an attestation.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attested {
    /// The attestation.
    #[serde(flatten)]
    pub made: Made,
    /// The manifests of the attestations that it replaces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<Digest>,
}

/// What is attested.
#[derive(Clone, Debug)]
pub struct Attestation {
    /// What kind of thing it says.
    pub kind: PredicateType,
    /// What it says.
    pub predicate: Predicate,
    /// What becomes of those of the same kind and key.
    pub earlier: Earlier,
}

/// What becomes of earlier attestations of the same kind, by the same key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Earlier {
    /// They stay.
    Kept,
    /// They are removed, after the new one is there.
    Replaced,
}

/// What signing works with, the same for each of many images.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Where images are.
    pub registry: &'a dyn RegistryWriter,
    /// Who signs.
    pub signer: &'a dyn Signer,
    /// How dates are shown.
    pub dating: Dating<'a>,
}

/// When an image is signed, and who hears of it.
#[derive(Clone, Copy)]
pub struct Occasion<'a> {
    /// The moment that the attached manifest shows, and that a date is claimed to be. Proof of nothing.
    pub now: Timestamp,
    /// Hears of each signature as soon as it exists: whatever becomes of it afterwards, the key was used.
    pub signed: &'a (dyn Fn(&SignedPlan) + Sync),
}

/// Signs an image and publishes it, unless both is done already.
///
/// The first publication stays: doing it again makes no image younger.
pub async fn sign_image(
    image: &PinnedImage,
    request: &Request,
    means: Means<'_>,
    occasion: Occasion<'_>,
) -> Result<Outcome, SignError> {
    let listing = sighted::list(image, means.registry).await;
    sign_listed(image, listing, (request, means, occasion)).await
}

/// The same of an image whose listing is there.
pub async fn sign_sighted(
    Sighted { image, listing }: Sighted,
    request: &Request,
    means: Means<'_>,
    occasion: Occasion<'_>,
) -> Result<Outcome, SignError> {
    sign_listed(&image, listing, (request, means, occasion)).await
}

async fn sign_listed(
    image: &PinnedImage,
    listing: Listing,
    (request, means, occasion): (&Request, Means<'_>, Occasion<'_>),
) -> Result<Outcome, SignError> {
    // Neither is longer than a publication may be; what is must not use up what may be fetched.
    let limits = Limits {
        bundle: request.limits().publication,
        ..*request.limits()
    };
    let mut existing = Existing::collect(image, listing, means.registry, &limits).await?;
    let key = means.signer.key();
    let signature = plan(image, key, request)?;
    let signed = existing.signature(&signature, means.dating);
    let unstamped = PublicationDate::Stamped(Vec::new());
    let published = existing.publication(
        &plan_publication(image, key, request, unstamped)?,
        means.dating,
    );
    let published = match published {
        Some((_, until)) if request.support_ends().is_some() && request.support_ends() != until => {
            return Err(Refusal::PublicationDiffers {
                digest: image.digest().clone(),
                published: until,
            }
            .into());
        }
        published => published.map(|(record, _)| record),
    };
    let missing = usize::from(signed.is_none()) + usize::from(published.is_none());
    existing.check_room(image, missing).map_err(Refusal::from)?;
    let work = Work { means, occasion };
    let signature = async {
        match signed {
            Some(record) => Ok(Document::There(Box::new(record))),
            None => work.make(signature).await,
        }
    };
    let publication = async {
        match published {
            Some(record) => Ok(Document::There(Box::new(record))),
            None => {
                work.make_dated(|inside| plan_publication(image, key, request, inside.date()))
                    .await
            }
        }
    };
    let (signature, publication) = future::try_join(signature, publication).await?;
    let sealed: Vec<_> = [&signature, &publication]
        .into_iter()
        .filter_map(Document::sealed)
        .collect();
    attach(&sealed, means.registry).await?;
    Ok(Outcome {
        signature: signature.made(),
        publication: publication.made(),
    })
}

/// Attests something about an image. What was attested before stays, unless it is to be replaced.
pub async fn attest_image(
    image: &PinnedImage,
    (request, attestation): (&Request, &Attestation),
    means: Means<'_>,
    occasion: Occasion<'_>,
) -> Result<Attested, SignError> {
    let key = means.signer.key();
    let about = (&attestation.kind, &attestation.predicate);
    // Whatever cannot be written is found out before anything is signed.
    let empty = plan_attestation(image, key, about, &[])?;
    let existing = match attestation.earlier {
        Earlier::Kept => None,
        Earlier::Replaced => {
            let limits = Limits {
                bundle: request.limits().attestation,
                ..*request.limits()
            };
            let listing = sighted::list(image, means.registry).await;
            let mut existing = Existing::collect(image, listing, means.registry, &limits).await?;
            if let Some(refusal) = existing.unlisted.take() {
                return Err(Refusal::from(refusal).into());
            }
            existing.check_room(image, 1).map_err(Refusal::from)?;
            Some(existing)
        }
    };
    let work = Work { means, occasion };
    let document = work
        .make_dated(|inside| plan_attestation(image, key, about, inside.stamps()))
        .await?;
    attach(document.sealed().as_slice(), means.registry).await?;
    let made = document.made();
    let mut replaced = Vec::new();
    let earlier = existing
        .iter()
        .flat_map(|existing| existing.attestations(&empty));
    for manifest in earlier.filter(|manifest| manifest.digest != made.record().manifest) {
        remove(image, means.registry, manifest).await?;
        replaced.push(manifest.digest.clone());
    }
    Ok(Attested { made, replaced })
}

async fn remove(
    image: &PinnedImage,
    registry: &dyn RegistryWriter,
    manifest: &countersign_common::Descriptor,
) -> Result<(), SignError> {
    let (repository, subject) = (image.repository(), image.digest());
    Ok(registry
        .remove_referrer(repository, subject, &manifest.digest)
        .await?)
}

/// A document that is to lie beside the image in the end.
enum Document {
    New(Box<Sealed>, SignedDate),
    There(Box<Record>),
}

impl Document {
    fn sealed(&self) -> Option<&Sealed> {
        match self {
            Self::New(sealed, _) => Some(sealed),
            Self::There(_) => None,
        }
    }

    fn made(self) -> Made {
        match self {
            Self::New(sealed, date) => Made::Signed(Record::of(&sealed, date)),
            Self::There(record) => Made::AlreadySigned(*record),
        }
    }
}

/// Makes documents, each from its first stamp to what may be attached.
#[derive(Clone, Copy)]
struct Work<'a> {
    means: Means<'a>,
    occasion: Occasion<'a>,
}

/// What shows, inside a document, when it was signed.
enum Inside {
    Claimed(Timestamp),
    Stamps(Vec<Vec<u8>>),
}

impl Inside {
    fn date(&self) -> PublicationDate {
        match self {
            Self::Claimed(time) => PublicationDate::Claimed(*time),
            Self::Stamps(stamps) => PublicationDate::stamped(stamps),
        }
    }

    fn stamps(&self) -> &[Vec<u8>] {
        match self {
            Self::Claimed(_) => &[],
            Self::Stamps(stamps) => stamps,
        }
    }
}

impl Work<'_> {
    /// A document with nothing inside it that depends on the time.
    async fn make(&self, plan: Plan) -> Result<Document, SignError> {
        let sealed = self.sealed(plan).await?;
        let date = self.check(&sealed)?;
        Ok(Document::New(Box::new(sealed), date))
    }

    /// A document with time stamps inside, which is begun again if its signature came too long after them.
    async fn make_dated(
        &self,
        plan: impl Fn(&Inside) -> Result<Plan, SealError>,
    ) -> Result<Document, SignError> {
        let mut attempt = 1;
        loop {
            let inside = match self.means.dating {
                Dating::Claimed => Inside::Claimed(self.occasion.now),
                Dating::Proven(stamping) => Inside::Stamps(stamping.before().await?),
            };
            let sealed = self.sealed(plan(&inside)?).await?;
            let checked = self.check(&sealed);
            if attempt < ATTEMPTS && self.is_slow(&checked) {
                attempt += 1;
                continue;
            }
            let date = checked?;
            return Ok(Document::New(Box::new(sealed), date));
        }
    }

    async fn sealed(&self, plan: Plan) -> Result<Sealed, SignError> {
        let signed = sign(plan, self.means.signer).await?;
        (self.occasion.signed)(&signed);
        let stamps = match self.means.dating {
            Dating::Claimed => Vec::new(),
            Dating::Proven(stamping) => stamping.after(&signed.signed().signature).await?,
        };
        Ok(seal(signed, &stamps, self.occasion.now)?)
    }

    fn check(&self, sealed: &Sealed) -> Result<SignedDate, Refusal> {
        let (bytes, limit) = (sealed.bundle().len(), Limits::TABLE.publication);
        if *sealed.plan().kind() == document::Kind::Publication && bytes > limit {
            return Err(SealError::TooLarge { bytes, limit }.into());
        }
        self_check::check(sealed, self.rules()).map_err(|source| Refusal::SelfCheck { source })
    }

    /// Half of what verifiers accept: a key service that is slow today must not make what is refused tomorrow.
    fn is_slow(&self, checked: &Result<SignedDate, Refusal>) -> bool {
        match checked {
            Ok(date) => date
                .not_before
                .zip(date.not_after)
                .is_some_and(|(begin, end)| end.since(begin) > self.rules().max_interval() / 2),
            Err(Refusal::SelfCheck { source }) => {
                matches!(source, document::Refusal::DateTooImprecise { .. })
            }
            Err(_) => false,
        }
    }

    fn rules(&self) -> &TimeRules {
        rules(self.means.dating)
    }
}
