//! How many signatures may still be tried.

use super::Refusal;

/// Bounds the work that evidence can cause: each try of a signature is taken from it.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    left: usize,
}

impl Budget {
    /// Room for this many tries.
    pub fn of(limit: usize) -> Self {
        Self { limit, left: limit }
    }

    /// Takes one try.
    pub(super) fn signature(&mut self) -> Result<(), Refusal> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or(Refusal::SignaturesTooMany { limit: self.limit })?;
        Ok(())
    }
}
