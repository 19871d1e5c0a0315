//! An attempt that has failed, and when the service asks to repeat it.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use tonic::Status;

use crate::failure::Failure;

/// An attempt that has failed.
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    /// How long the response asks to wait before another attempt; zero if it does not say.
    pub(crate) pause: Duration,
}

impl Failed {
    pub(crate) fn of_status(status: &Status) -> Self {
        let pushback = status.metadata().get("grpc-retry-pushback-ms");
        let millis = pushback.and_then(|millis| millis.to_str().ok()?.parse().ok());
        let pause = Duration::from_millis(millis.unwrap_or_default());
        Self { failure: Failure::of_status(status), pause }
    }

    /// Adds the protocol, for the report.
    pub(crate) fn over(self, protocol: &str) -> Self {
        Self { failure: self.failure.over(protocol), ..self }
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self { failure, pause: Duration::ZERO }
    }
}

/// Returns how long a response over HTTP asks to wait; zero if it does not say.
pub(crate) fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or_default())
}
