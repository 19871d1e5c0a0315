//! How far an import is, on a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::client::stderr;

/// Shows how far an import is, if standard error is a terminal.
pub(super) struct Progress {
    bar: ProgressBar,
    begin: Instant,
}

const WITH_SIZE: &str = "{bar:30} {percent:>3}%  {msg}, {eta} left";
const WITHOUT_SIZE: &str = "{spinner} {msg}";

impl Progress {
    /// Begins, for a file of this many bytes, if that is known.
    pub(super) fn begin(size: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr());
        let template = if size.is_some() { WITH_SIZE } else { WITHOUT_SIZE };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message("0 records");
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, begin: Instant::now() }
    }

    /// Shows that so many bytes and records are done.
    pub(super) fn advance(&self, bytes: u64, records: u64) {
        let seconds = self.begin.elapsed().as_secs_f64().max(0.001);
        let rate = records as f64 / seconds;
        self.bar.set_position(bytes);
        self.bar.set_message(format!("{records} records, {rate:.0}/s"));
    }

    /// Writes a line above.
    pub(super) fn line(&self, text: &str) {
        self.bar.suspend(|| stderr::line(text));
    }

    /// Removes itself from the terminal.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
