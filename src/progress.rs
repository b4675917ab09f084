//! A progress bar for work on several images that takes longer than a second; on a terminal only.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::arguments::Common;

/// Work shorter than this is done before anybody wonders.
const PATIENCE: Duration = Duration::from_secs(1);

/// Counts images as they are done.
pub(crate) struct Progress {
    bar: ProgressBar,
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
        Self { bar }
    }

    /// One more is done.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
