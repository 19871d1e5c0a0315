//! The TLS handshake.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use telemetry::{
    PeerIdentity, Throttle,
    metrics::{HandshakeResult, ListenerMetrics},
};
use tls::{BUFFER_LIMIT, ListenerTls};
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::{TlsAcceptor, rustls::ServerConnection, server::TlsStream};

use crate::{
    clients::Client,
    opened::{HttpVersion, Opened, Security},
    peers::Resource,
    quota::{Exhausted, Quota, QuotaPermit},
};

/// The shortest interval between two log lines about failed handshakes, and between two about those that took too long.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// HTTP/2 in ALPN.
const H2: &[u8] = b"h2";

/// Opens the connections of a listener with TLS.
#[derive(Debug)]
pub(crate) struct Handshakes {
    tls: ListenerTls,
    is_http2_only: bool,
    quota: Arc<Quota>,
    metrics: ListenerMetrics,
    failures: Throttle,
    timeouts: Throttle,
}

/// What a listener with TLS accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandshakeLimits {
    pub(crate) is_http2_only: bool,
    /// The most connections. Half of them may be without a complete handshake.
    pub(crate) max_connections: usize,
    /// The part of that which one client address may have, in percent.
    pub(crate) share_percent: u8,
}

impl Handshakes {
    pub(crate) fn new(
        tls: ListenerTls,
        limits: HandshakeLimits,
        metrics: ListenerMetrics,
    ) -> Arc<Self> {
        let HandshakeLimits { is_http2_only, max_connections, share_percent } = limits;
        let most = (max_connections / 2).max(1);
        let quota = Quota::new(Resource::Handshakes, most, share_percent);
        let throttle = || Throttle::new(LOG_INTERVAL);
        let (failures, timeouts) = (throttle(), throttle());
        Arc::new(Self { tls, is_http2_only, quota, metrics, failures, timeouts })
    }

    /// Returns what a handshake needs.
    ///
    /// # Errors
    /// If too many are not complete, in all or of this client.
    pub(crate) fn admit(&self, client: &Client) -> Result<QuotaPermit, Exhausted> {
        let mut permit = self.quota.permit(client);
        let admitted = permit.grow(1);
        if admitted.is_err() {
            self.metrics.handshake_ended(HandshakeResult::Refused);
        }
        admitted.map(|()| permit)
    }

    /// Completes a handshake, for which the client may take any time. Returns `None` if it fails, which is
    /// logged. Dropping the future closes the connection.
    pub(crate) async fn complete(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        _permit: QuotaPermit,
    ) -> Option<Opened<TlsStream<TcpStream>>> {
        // The certificates of a connection are those at its beginning.
        let acceptor = TlsAcceptor::from(self.tls.config(self.is_http2_only));
        let limit = |session: &mut ServerConnection| session.set_buffer_limit(Some(BUFFER_LIMIT));
        let stream = match acceptor.accept_with(stream, limit).await {
            Ok(stream) => stream,
            Err(error) => {
                self.metrics.handshake_ended(HandshakeResult::Failed);
                self.log_failure(peer, &error);
                return None;
            }
        };
        self.metrics.handshake_ended(HandshakeResult::Completed);
        let (_, session) = stream.get_ref();
        let version = match session.alpn_protocol() {
            Some(H2) => HttpVersion::Http2,
            // HTTP/2 over TLS must be negotiated (RFC 9113, 3.2).
            None if self.is_http2_only => {
                tracing::debug!(%peer, "TLS connection closed: the client did not negotiate HTTP/2");
                return None;
            }
            _ => HttpVersion::Http1,
        };
        let identity = tls::peer_name(session.peer_certificates()).map(PeerIdentity::new);
        Some(Opened { stream, version, security: Some(Security { identity }) })
    }

    /// Notes that a client has taken too long. That is worth a line: with a proxy that loses packets, or one that waits for
    /// the other end to begin, nobody gets further.
    pub(crate) fn time_out(&self, peer: SocketAddr) {
        self.metrics.handshake_ended(HandshakeResult::TimedOut);
        match self.timeouts.allow(Instant::now().into_std()) {
            Some(suppressed) => tracing::info!(%peer, suppressed, "TLS handshake timed out"),
            None => tracing::debug!(%peer, "TLS handshake timed out"),
        }
    }

    /// A client that does not accept the listener's certificate, or whose own is not accepted, is worth a
    /// line. Scanners cause others, too, so there are few. Connections that are only closed, as by probes,
    /// are none of these.
    fn log_failure(&self, peer: SocketAddr, error: &io::Error) {
        let is_refusal = error.kind() == io::ErrorKind::InvalidData;
        match is_refusal.then(|| self.failures.allow(Instant::now().into_std())).flatten() {
            Some(suppressed) => {
                tracing::info!(%peer, %error, suppressed, "TLS handshake failed");
            }
            None => tracing::debug!(%peer, %error, "TLS handshake failed"),
        }
    }
}
