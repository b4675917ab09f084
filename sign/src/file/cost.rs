//! What opening a key file may cost. Asked before anything is derived: the file itself says how much memory and time it
//! takes to open it, and whoever wrote it may be nobody's friend.

use std::num::NonZeroU32;

use super::KeyFileError;

/// 128 bytes of memory each: 128 MiB. cosign takes half of it.
const BLOCKS: u64 = 1 << 20;
/// What is walked through at once, and then once more: 8 MiB, for it all lies in memory beside the other.
const LANES: u64 = 1 << 16;
/// How often that memory is walked through.
const PASSES: u64 = 4;
/// Ten seconds; a sixteenth of it is what is recommended today.
const ITERATIONS: u32 = 10_000_000;
/// For another use of the parameters than ours.
const UNUSED_LENGTH: usize = 32;

/// The parameters of scrypt, if they are affordable.
pub(super) fn scrypt(n: u64, r: u32, p: u32) -> Result<scrypt::Params, KeyFileError> {
    let blocks = n.checked_mul(u64::from(r));
    let lanes = u64::from(r) * u64::from(p);
    let walked = blocks.and_then(|blocks| blocks.checked_mul(u64::from(p)));
    let affordable = n.is_power_of_two()
        && n > 1
        && lanes <= LANES
        && blocks.is_some_and(|blocks| blocks <= BLOCKS)
        && walked.is_some_and(|walked| walked <= BLOCKS * PASSES);
    u8::try_from(n.trailing_zeros())
        .ok()
        .filter(|_| affordable)
        .and_then(|log_n| scrypt::Params::new(log_n, r, p, UNUSED_LENGTH).ok())
        .ok_or(KeyFileError::Cost)
}

/// The iterations of PBKDF2, if they are affordable.
pub(super) fn pbkdf2(iterations: u32) -> Result<NonZeroU32, KeyFileError> {
    NonZeroU32::new(iterations)
        .filter(|iterations| iterations.get() <= ITERATIONS)
        .ok_or(KeyFileError::Cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_is_bounded_before_it_is_paid() {
        for (n, r, p) in [
            (1 << 14, 8, 5),
            (1 << 15, 8, 1),
            (1 << 16, 8, 1),
            (1 << 17, 8, 4),
            (2, 1, 1),
            (2, 1 << 8, 1 << 8),
        ] {
            scrypt(n, r, p).unwrap();
        }
        for (n, r, p) in [
            (1 << 18, 8, 1),
            (1 << 17, 9, 1),
            (1 << 17, 8, 5),
            (1 << 63, 8, 1),
            (1 << 20, u32::MAX, 1),
            (2, 1, u32::MAX),
            (2, 1 << 15, 63),
            (2, 1 << 8, (1 << 8) + 1),
            (65_535, 8, 1),
            (0, 8, 1),
            (1, 8, 1),
            (65_536, 0, 1),
            (65_536, 8, 0),
        ] {
            let error = scrypt(n, r, p).unwrap_err();
            assert!(matches!(error, KeyFileError::Cost), "{n} {r} {p}");
        }
        for iterations in [1, 2_048, 10_000_000] {
            pbkdf2(iterations).unwrap();
        }
        for iterations in [0, 10_000_001, u32::MAX] {
            pbkdf2(iterations).unwrap_err();
        }
    }
}
