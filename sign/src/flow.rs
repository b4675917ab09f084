//! The whole of `countersign sign` for one image.

use countersign_common::{ImageRef, RegistryWriter, Signer, Timestamp};
use serde::Serialize;

use crate::{Record, Request, SignError, attach, existing, plan, seal, sign};

/// What became of an image.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// An equivalent signature was there; nothing was signed or written.
    AlreadySigned(Record),
    /// Signed, and the signature lies beside the image.
    Signed(Record),
}

impl Outcome {
    /// The signature.
    pub fn record(&self) -> &Record {
        match self {
            Self::AlreadySigned(record) | Self::Signed(record) => record,
        }
    }
}

/// When an image is signed, and who hears of it.
#[derive(Clone, Copy)]
pub struct Occasion<'a> {
    /// The moment that the attached manifest shows. A hint for people, and signed by nobody.
    pub now: Timestamp,
    /// Hears of each signature as soon as it exists: whatever becomes of it afterwards, the key was used.
    pub signed: &'a (dyn Fn(&Record) + Sync),
}

/// Signs an image, unless it is signed so already.
///
/// The reference is resolved once; from then on only its digest is used.
pub async fn sign_image(
    image: &ImageRef,
    registry: &dyn RegistryWriter,
    signer: &dyn Signer,
    request: &Request,
    occasion: Occasion<'_>,
) -> Result<Outcome, SignError> {
    let image = registry.resolve(image).await?;
    let plan = plan(&image, signer.key(), request)?;
    if let Some(record) = existing::find(&plan, registry, request.limits()).await? {
        return Ok(Outcome::AlreadySigned(record));
    }
    let sealed = seal(sign(plan, signer).await?, occasion.now)?;
    let record = Record::of(&sealed);
    (occasion.signed)(&record);
    attach(&sealed, registry).await?;
    Ok(Outcome::Signed(record))
}
