//! Who is asked for time stamps when something is signed, and what their stamps must come to.

use std::sync::LazyLock;

use countersign_common::{
    Signature, Task, TimestampAuthority,
    time_authority::{Error, Failure},
};
use countersign_trust_roots::TimeRules;
use futures_util::future;

/// How the date of what is signed is shown.
#[derive(Clone, Copy)]
pub enum Dating<'a> {
    /// By the signer's word alone. Everybody is told so, and nobody who demands proof accepts it.
    Claimed,
    /// By time stamps.
    Proven(&'a Stamping),
}

/// The authorities that stamp, all of them each time and in parallel.
pub struct Stamping {
    authorities: Vec<Box<dyn TimestampAuthority>>,
    rules: TimeRules,
    fewer: Fewer,
}

/// What becomes of stamps by fewer authorities than there must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fewer {
    /// They will do, if there is one at least.
    Accepted,
    /// They will not.
    Refused,
}

impl Stamping {
    /// Asks these authorities, each of which must give a stamp, and all together so many; and checks what they say by the
    /// rules of verifiers, as far as these are known here. `None` if there is nobody to ask and nobody wanted.
    ///
    /// [`Error::TooFew`] before anything is asked or signed, if they are too few.
    pub fn new(
        (authorities, collect): (Vec<Box<dyn TimestampAuthority>>, usize),
        rules: TimeRules,
        fewer: Fewer,
    ) -> Result<Option<Self>, Error> {
        // A publication that hangs on one operator must not come to be unsaid.
        if authorities.len() < collect && fewer == Fewer::Refused {
            return Err(Error::TooFew {
                asked: authorities.len(),
                wanted: collect,
            });
        }
        Ok((!authorities.is_empty()).then_some(Self {
            authorities,
            rules,
            fewer,
        }))
    }

    /// Stamps that lie inside what will be signed.
    pub(crate) async fn before(&self) -> Result<Vec<Vec<u8>>, Failure> {
        self.collect(|authority| authority.before()).await
    }

    /// Stamps of a signature.
    pub(crate) async fn after(&self, signature: &Signature) -> Result<Vec<Vec<u8>>, Failure> {
        self.collect(|authority| authority.after(signature)).await
    }

    async fn collect<'a>(
        &'a self,
        ask: impl Fn(&'a dyn TimestampAuthority) -> Task<'a, Result<Vec<u8>, Failure>>,
    ) -> Result<Vec<Vec<u8>>, Failure> {
        let asked = self
            .authorities
            .iter()
            .map(|authority| ask(authority.as_ref()));
        let mut stamps = Vec::new();
        let mut first = None;
        for answer in future::join_all(asked).await {
            match answer {
                Ok(stamp) => stamps.push(stamp),
                // An authority that lies is worse than one that is away: nobody should go on without a look at it.
                Err(refused @ Failure::Refusal(_)) => return Err(refused),
                Err(Failure::Error(error)) => first = first.or(Some(error)),
            }
        }
        match first {
            Some(first) if self.fewer == Fewer::Refused || stamps.is_empty() => Err(Error::Fewer {
                got: stamps.len(),
                wanted: self.authorities.len(),
                first: Box::new(first),
            }
            .into()),
            _ => Ok(stamps),
        }
    }
}

/// What verifiers make of stamps, as far as it is known here.
pub(crate) fn rules(dating: Dating<'_>) -> &TimeRules {
    static NOBODY: LazyLock<TimeRules> = LazyLock::new(TimeRules::none);
    match dating {
        Dating::Claimed => &NOBODY,
        Dating::Proven(stamping) => &stamping.rules,
    }
}
