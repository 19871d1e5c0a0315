//! The TLS handshake.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use telemetry::{PeerIdentity, Throttle};
use tls::ListenerTls;
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::opened::{HttpVersion, Opened, Security};

/// The shortest interval between two log lines about failed handshakes.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// HTTP/2 in ALPN.
const H2: &[u8] = b"h2";

/// Opens the connections of a listener with TLS.
#[derive(Debug)]
pub(crate) struct Handshakes {
    tls: ListenerTls,
    is_http2_only: bool,
    failures: Throttle,
}

impl Handshakes {
    pub(crate) fn new(tls: ListenerTls, is_http2_only: bool) -> Arc<Self> {
        Arc::new(Self { tls, is_http2_only, failures: Throttle::new(LOG_INTERVAL) })
    }

    /// Completes a handshake, for which the client may take any time. Returns `None` if it fails, which is
    /// logged.
    pub(crate) async fn complete(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<Opened<TlsStream<TcpStream>>> {
        // The certificates of a connection are those at its beginning.
        let acceptor = TlsAcceptor::from(self.tls.config(self.is_http2_only));
        let stream = match acceptor.accept(stream).await {
            Ok(stream) => stream,
            Err(error) => {
                self.log_failure(peer, &error);
                return None;
            }
        };
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
