//! Logs that connections can't be made.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use diesel::r2d2::{self, HandleError};

/// The shortest time between two lines about failed connections: a line for each attempt of each
/// connection would bury all others.
const LOG_INTERVAL: Duration = Duration::from_secs(5);

/// Logs errors with `tracing`; r2d2's own handler uses another log.
#[derive(Debug, Default)]
pub(super) struct LogErrors {
    last: Mutex<Option<Instant>>,
}

impl HandleError<r2d2::Error> for LogErrors {
    fn handle_error(&self, error: r2d2::Error) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= LOG_INTERVAL) {
            tracing::warn!(%error, "no connection to the database");
            *last = Some(Instant::now());
        }
    }
}
