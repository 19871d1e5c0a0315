//! TLS handshakes: how many there may be, and how they are counted.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{convert::Infallible, fs, net::SocketAddr, sync::Arc, time::Duration};

use caseload_serving::{
    ClientRules, ConnectionOptions, Endpoint, ListenerTls, Protocol, TlsOptions, serve,
};
use clap::Parser;
use http::{Request, Response};
use hyper::body::Incoming;
use runtime::CancellationToken;
use telemetry::metrics::Metrics;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName},
    },
};
use tower::service_fn;

/// How long anything may take on a busy machine before a test fails.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The beginning of a ClientHello.
const START: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

const PROTOCOL: Protocol = Protocol {
    is_http2_only: false,
    max_head_bytes: 16 * 1024,
    max_streams: 16,
    max_ended_streams: Some(16),
    ping_interval: Duration::from_secs(60),
    ping_timeout: Duration::from_secs(60),
};

#[derive(Parser)]
struct Options {
    #[command(flatten)]
    connections: ConnectionOptions,
}

/// A running server with TLS.
struct Server {
    addr: SocketAddr,
    serving: JoinHandle<()>,
    shutdown: CancellationToken,
    metrics: Metrics,
    certificate: CertificateDer<'static>,
    _directory: TempDir,
}

impl Server {
    async fn start(args: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name);
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(path("tls.crt"), issued.cert.pem()).unwrap();
        fs::write(path("tls.key"), issued.signing_key.serialize_pem()).unwrap();
        let connections = Options::parse_from([&[""], args].concat()).connections;
        let tls = TlsOptions {
            tls_cert: Some(path("tls.crt")),
            tls_key: Some(path("tls.key")),
            ..connections.tls.clone()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let service = service_fn(async |_: Request<Incoming>| {
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        let shutdown = CancellationToken::new();
        let metrics = Metrics::new("test", "0");
        let long = Duration::from_secs(3600);
        let endpoint = Endpoint {
            protocol: PROTOCOL,
            limits: connections.limits(long, long),
            clients: ClientRules {
                trusted_proxies: "none".parse().unwrap(),
                forwarded_for: http::header::FORWARDED,
                share_percent: 100,
            },
            tls: ListenerTls::start(&tls).unwrap(),
            is_scarce: || false,
            metrics: metrics.listener("rest"),
        };
        let accepting = shutdown.clone().cancelled_owned();
        let serving = tokio::spawn(serve(listener, service, endpoint, accepting));
        let certificate = issued.cert.der().clone();
        Self { addr, serving, shutdown, metrics, certificate, _directory: directory }
    }

    /// Connects, and completes the handshake.
    async fn connect(&self) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.addr).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        timeout(TIMEOUT, connecting).await.expect("the handshake ends").unwrap()
    }

    /// Connects, and sends some bytes.
    async fn send(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// Returns how many handshakes were completed, failed, took too long, and were refused.
    fn counts(&self) -> [u64; 4] {
        let text = self.metrics.encode().unwrap();
        ["completed", "failed", "timed_out", "refused"].map(|result| {
            let series =
                format!("caseload_tls_handshakes_total{{listener=\"rest\",result=\"{result}\"}} ");
            let line = text.lines().find_map(|line| line.strip_prefix(&*series));
            line.unwrap().parse().unwrap()
        })
    }

    async fn await_counts(&self, expected: [u64; 4]) {
        let counted = async {
            while self.counts() != expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(timeout(TIMEOUT, counted).await.is_ok(), "{:?}, not {expected:?}", self.counts());
    }
}

/// Waits until the other end closes the connection.
async fn await_close(stream: &mut TcpStream) {
    let mut bytes = Vec::new();
    let _reset = timeout(TIMEOUT, stream.read_to_end(&mut bytes)).await.expect("it is open");
}

#[tokio::test]
async fn handshakes_are_counted_by_how_they_end() {
    let server = Server::start(&["--header-timeout=1h"]).await;
    assert_eq!(server.counts(), [0; 4]);
    let mut tls = server.connect().await;
    tls.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut response = Vec::new();
    let _end = timeout(TIMEOUT, tls.read_to_end(&mut response)).await.expect("a response");
    assert!(response.starts_with(b"HTTP/1.1 200 "));
    server.await_counts([1, 0, 0, 0]).await;
    await_close(&mut server.send(b"GET / HTTP/1.1\r\n\r\n").await).await;
    server.await_counts([1, 1, 0, 0]).await;
    drop(server.send(START).await);
    server.await_counts([1, 2, 0, 0]).await;
    // Apart from the others, which may take longer on a busy machine.
    let server = Server::start(&["--header-timeout=500ms"]).await;
    await_close(&mut server.send(START).await).await;
    server.await_counts([0, 0, 1, 0]).await;
}

#[tokio::test]
async fn half_of_the_connections_may_be_in_handshakes_and_their_end_makes_room() {
    let server = Server::start(&["--header-timeout=1h", "--max-connections=5"]).await;
    let _complete = [server.connect().await, server.connect().await];
    server.await_counts([2, 0, 0, 0]).await;
    let mut halves = vec![server.send(START).await, server.send(b"").await];
    await_close(&mut server.send(b"").await).await;
    server.await_counts([2, 0, 0, 1]).await;
    drop(halves.pop());
    server.await_counts([2, 1, 0, 1]).await;
    let _third = server.connect().await;
    server.await_counts([3, 1, 0, 1]).await;
}

#[tokio::test]
async fn handshakes_that_a_shutdown_cuts_off_are_no_failures() {
    let mut server = Server::start(&["--header-timeout=1h"]).await;
    let mut half = server.send(START).await;
    // It is accepted after the other one.
    let _complete = server.connect().await;
    server.await_counts([1, 0, 0, 0]).await;
    server.shutdown.cancel();
    await_close(&mut half).await;
    // The complete one has no request, so it is closed, too.
    timeout(TIMEOUT, &mut server.serving).await.expect("it ends").unwrap();
    assert_eq!(server.counts(), [1, 0, 0, 0]);
}
