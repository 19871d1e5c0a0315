//! Who provides the cryptography, the protocols that are negotiated, and what a connection may buffer.

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, ring};

/// HTTP/2 in ALPN (RFC 7301).
pub(crate) const H2: &[u8] = b"h2";

/// HTTP/1.1 in ALPN.
pub(crate) const HTTP1: &[u8] = b"http/1.1";

/// The most bytes that a connection keeps until they are encrypted, and the most until they are sent. What does not fit
/// waits with whoever produces it.
pub const BUFFER_LIMIT: usize = 64 * 1024;

/// Returns the provider, which all configurations name: rustls has no default that could change with the
/// features of another crate.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(ring::default_provider()));
    Arc::clone(&PROVIDER)
}
