//! What is said on standard error while working, a line an event.
//!
//! Of libraries' own events only those of this product are shown: others might tell a URL that is a credential.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::arguments::{Common, LogFormat};

/// The target of the one line for each signature, which joins to the key service's own audit log.
pub(crate) const SIGNATURE: &str = "countersign::signature";

pub(crate) fn start(common: &Common) {
    let level = match (common.quiet, common.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, _) => LevelFilter::INFO,
    };
    let signature = if common.quiet {
        LevelFilter::OFF
    } else {
        LevelFilter::INFO
    };
    let targets = Targets::new()
        .with_target("countersign", level)
        .with_target(SIGNATURE, signature);
    let registry = tracing_subscriber::registry().with(targets);
    match common.log_format {
        LogFormat::Json => registry
            .with(
                fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_writer(std::io::stderr),
            )
            .init(),
        LogFormat::Text => registry
            .with(fmt::layer().with_ansi(false).with_writer(std::io::stderr))
            .init(),
    }
}
