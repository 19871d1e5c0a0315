//! The clock that tells the server when a call was sent.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::LazyLock,
    time::Instant,
};

use http::HeaderValue;
use proto::wire::SentAt;

/// The clock of this process: its name, and when it started.
static CLOCK: LazyLock<(u64, Instant)> =
    LazyLock::new(|| (RandomState::new().hash_one(()), Instant::now()));

/// Returns the current time, as the value of the header `caseload-sent-at`.
pub(super) fn now() -> Option<HeaderValue> {
    let (clock, start) = *CLOCK;
    let micros = u64::try_from(start.elapsed().as_micros()).ok()?;
    HeaderValue::try_from(SentAt { clock, micros }.to_string()).ok()
}
