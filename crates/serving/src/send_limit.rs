//! How long a client may leave a part of a response untaken.

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::metrics::gauge::Gauge;
use telemetry::Throttle;
use tokio::time::Instant;

/// The limit while the endpoint is short of what responses hold.
const SCARCE_TIMEOUT: Duration = Duration::from_secs(1);

/// The shortest interval between two log lines about responses that were not taken.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The limit for the responses of one endpoint: how long a client may leave a part of a response
/// untaken before the response is reset. While the endpoint is short of what responses hold, such
/// as permits or memory, it is a second at most: clients that do not read then make room for those
/// that do. Clones share it.
#[derive(Clone)]
pub(crate) struct SendLimit(Arc<Inner>);

struct Inner {
    timeout: Duration,
    is_scarce: Box<dyn Fn() -> bool + Send + Sync>,
    waiting_bytes: Gauge,
    resets: Throttle,
}

impl SendLimit {
    /// Returns a limit. `is_scarce` must be cheap. The bytes that wait are counted in `waiting_bytes`.
    pub(crate) fn new(
        timeout: Duration,
        is_scarce: impl Fn() -> bool + Send + Sync + 'static,
        waiting_bytes: Gauge,
    ) -> Self {
        let (is_scarce, resets) = (Box::new(is_scarce), Throttle::new(LOG_INTERVAL));
        Self(Arc::new(Inner { timeout, is_scarce, waiting_bytes, resets }))
    }

    /// Returns the number of bytes of responses that wait until their clients take them.
    pub(crate) fn waiting_bytes(&self) -> &Gauge {
        &self.0.waiting_bytes
    }

    /// Returns whether the endpoint is short of what responses hold.
    pub(crate) fn is_scarce(&self) -> bool {
        (self.0.is_scarce)()
    }

    /// Returns whether a part was left for too long.
    pub(crate) fn is_over(&self, untaken_for: Duration) -> bool {
        untaken_for >= self.0.timeout || (untaken_for >= SCARCE_TIMEOUT && self.is_scarce())
    }

    /// Returns how often to check a part that is left.
    pub(crate) fn check_interval(&self) -> Duration {
        self.0.timeout.min(SCARCE_TIMEOUT) / 2
    }

    /// Logs that a response was given up.
    pub(crate) fn log_reset(&self, what: &'static str, untaken_for: Duration) {
        if let Some(suppressed) = self.0.resets.allow(Instant::now().into_std()) {
            let untaken_ms = u64::try_from(untaken_for.as_millis()).unwrap_or(u64::MAX);
            let is_scarce = self.is_scarce();
            tracing::warn!(untaken_ms, is_scarce, suppressed, "{what}: its client does not read");
        }
    }
}

impl fmt::Debug for SendLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SendLimit").field(&self.0.timeout).finish()
    }
}
