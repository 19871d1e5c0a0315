//! Logs panics.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic, thread,
};

/// Logs panics from now on. By default a panic is printed to standard error, which blocks the thread
/// if nobody reads that, and which is no line of the log.
pub(crate) fn log() {
    panic::set_hook(Box::new(|info| {
        let backtrace = Backtrace::capture();
        let is_captured = backtrace.status() == BacktraceStatus::Captured;
        tracing::error!(
            panic = info.payload_as_str(),
            location = info.location().map(tracing::field::display),
            thread = thread::current().name(),
            backtrace = is_captured.then(|| tracing::field::display(&backtrace)),
            "a thread panicked"
        );
    }));
}
