//! Which connection a request came on.

use std::sync::atomic::{AtomicU64, Ordering};

use http::Extensions;

/// The number of the connection that a request came on. Every request has it as an extension, so that
/// services can limit what one connection uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// Returns the connection of a request with these extensions; the same for all requests that came
    /// on none.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or_default()
    }

    /// Returns a number that no other connection of this process has or had.
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}
