//! The time, as AWS's protocol writes it. Read for the expiry of tokens, the dates of keys and time
//! stamps; nothing else ages.

use std::time::{Duration, SystemTime};

/// The time since 1970.
pub(crate) fn now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}
