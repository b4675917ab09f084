//! Lets no signature out that does not fit its key.

use countersign_common::{
    Signer, Task,
    signer::{Failure, Refusal, Signed, SigningKey},
};

/// A signer whose every signature was verified with its own public key before anybody sees it.
///
/// A key service that hashes twice, answers with another key's signature or has a broken chip is found out here, not by
/// the users of an image.
#[derive(Clone, Debug)]
pub struct SelfChecked<S>(S);

impl<S: Signer> SelfChecked<S> {
    /// Wraps a signer.
    pub fn new(signer: S) -> Self {
        Self(signer)
    }
}

impl<S: Signer> Signer for SelfChecked<S> {
    fn key(&self) -> &SigningKey {
        self.0.key()
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Task<'a, Result<Signed, Failure>> {
        Box::pin(async move {
            let signed = self.0.sign(message).await?;
            let key = self.key();
            key.public_key
                .verify(message, &signed.signature)
                .map_err(|_| Refusal::SelfCheckFailed {
                    key: key.name.clone(),
                })?;
            Ok(signed)
        })
    }
}
