//! Connections that are open: those of plaintext at once, those of TLS after the handshake.

use telemetry::PeerIdentity;

/// A connection on which requests may arrive.
#[derive(Debug)]
pub(crate) struct Opened<I> {
    pub(crate) stream: I,
    pub(crate) version: HttpVersion,
    /// `None` for plaintext.
    pub(crate) security: Option<Security>,
}

/// What TLS has found out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Security {
    /// Whom the client's certificate is for, if it has one.
    pub(crate) identity: Option<PeerIdentity>,
}

/// Which version of HTTP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpVersion {
    /// That of which the first bytes are.
    OfFirstBytes,
    /// HTTP/1.1, as ALPN says.
    Http1,
    /// HTTP/2, as ALPN says.
    Http2,
}

impl<I> Opened<I> {
    /// Returns a connection without TLS.
    pub(crate) fn plain(stream: I) -> Self {
        Self { stream, version: HttpVersion::OfFirstBytes, security: None }
    }
}
