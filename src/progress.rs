//! A progress bar for work on several images that takes longer than a second; on a terminal only.
//!
//! Once layers are read it counts their bytes instead: how many there will be nobody knows before each image was judged.

use std::{io::IsTerminal, sync::Once, time::Duration};

use countersign_common::registry::{Looking, Onlooker};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::arguments::Common;

/// Work shorter than this is done before anybody wonders.
const PATIENCE: Duration = Duration::from_secs(1);

/// Counts images as they are done.
pub(crate) struct Progress {
    bar: ProgressBar,
    layers: Once,
}

impl Progress {
    pub(crate) fn of(images: usize, common: &Common) -> Self {
        let bar = ProgressBar::with_draw_target(Some(images as u64), ProgressDrawTarget::hidden());
        if let Ok(style) =
            ProgressStyle::with_template("{wide_bar} {pos} of {len} images, {eta} left")
        {
            bar.set_style(style);
        }
        if std::io::stderr().is_terminal() && !common.quiet {
            let shown = bar.clone();
            tokio::spawn(async move {
                tokio::time::sleep(PATIENCE).await;
                if !shown.is_finished() {
                    shown.set_draw_target(ProgressDrawTarget::stderr());
                    shown.enable_steady_tick(Duration::from_millis(200));
                }
            });
        }
        Self {
            bar,
            layers: Once::new(),
        }
    }

    /// One more is done.
    pub(crate) fn step(&self) {
        if !self.layers.is_completed() {
            self.bar.inc(1);
        }
    }
}

/// Bytes of layers.
impl Onlooker for Progress {
    fn see(&self, bytes: &[u8]) {
        self.layers.call_once(|| {
            self.bar.unset_length();
            self.bar.reset();
            if let Ok(style) = ProgressStyle::with_template(
                "{spinner} {decimal_bytes} of layers read, {decimal_bytes_per_sec}",
            ) {
                self.bar.set_style(style);
            }
        });
        self.bar.inc(bytes.len() as u64);
    }

    fn looking(&self) -> Looking {
        Looking::Brief
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
