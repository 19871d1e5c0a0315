//! Connections over real sockets: peers that are gone or no longer read, and the maximum age.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use caseload_serving::{ClientRules, ConnectionOptions, Endpoint, Limits, MaxAge, Protocol, serve};
use clap::Parser;
use http::{Request, Response};
use hyper::body::{Body, Bytes, Frame, Incoming};
use runtime::CancellationToken;
use telemetry::metrics::ListenerMetrics;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tower::service_fn;

const PREFACE_AND_SETTINGS: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// How long anything may take on a busy machine before a test fails.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Clients that are not told apart.
fn clients() -> ClientRules {
    ClientRules {
        trusted_proxies: "none".parse().unwrap(),
        forwarded_for: http::header::FORWARDED,
        share_percent: 100,
    }
}

const PROTOCOL: Protocol = Protocol {
    is_http2_only: false,
    max_head_bytes: 16 * 1024,
    max_streams: 16,
    max_ended_streams: Some(16),
    ping_interval: Duration::from_millis(100),
    ping_timeout: Duration::from_millis(100),
};

#[derive(Parser)]
struct Options {
    #[command(flatten)]
    connections: ConnectionOptions,
}

fn limits() -> Limits {
    let long = Duration::from_secs(3600);
    Options::parse_from([""]).connections.limits(long, long)
}

/// A running server.
struct Server {
    addr: SocketAddr,
    /// Completes once all connections are closed.
    serving: JoinHandle<()>,
    shutdown: CancellationToken,
}

impl Server {
    /// Starts a server that answers every request with the body that `respond` returns.
    async fn start<B, F>(
        limits: Limits,
        respond: impl Fn() -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = B> + Send,
        B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let service = service_fn(move |_: Request<Incoming>| {
            let respond = respond.clone();
            async move { Ok::<_, Infallible>(Response::new(respond().await)) }
        });
        let shutdown = CancellationToken::new();
        let accepting = shutdown.clone().cancelled_owned();
        let endpoint = Endpoint {
            protocol: PROTOCOL,
            limits,
            clients: clients(),
            tls: None,
            is_scarce: || false,
            metrics: ListenerMetrics::default(),
        };
        let serving = tokio::spawn(serve(listener, service, endpoint, accepting));
        Self { addr, serving, shutdown }
    }

    /// Opens a connection and sends a request over HTTP/1.1.
    async fn request(&self) -> TcpStream {
        let mut client = TcpStream::connect(self.addr).await.unwrap();
        send_request(&mut client).await;
        client
    }

    /// Opens connections, one after the other, and uses each until a response says that it is
    /// closed: long enough for connections that were opened before to reach their maximum age,
    /// which may be a fifth greater.
    async fn outlive_connections(&self) {
        for _ in 0..3 {
            use_until_closed(&mut self.request().await).await;
        }
    }
}

async fn send_request(client: &mut TcpStream) {
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
}

/// Reads the head of a response.
async fn read_head(client: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(TIMEOUT, client.read_u8()).await.expect("no response");
        head.push(byte.expect("the connection is closed"));
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    head
}

/// Sends one request after the other, the first of which was sent before, until a response says
/// that the connection is closed.
async fn use_until_closed(client: &mut TcpStream) {
    let last_response = async {
        while !says_close(&read_head(client).await) {
            send_request(client).await;
        }
    };
    timeout(TIMEOUT, last_response).await.expect("no response says `connection: close`");
}

fn says_close(head: &str) -> bool {
    head.lines().any(|line| line == "connection: close")
}

/// Reads until the connection is closed.
async fn read_to_end(client: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = timeout(TIMEOUT, client.read_to_end(&mut bytes)).await;
    let _reset = read.expect("the connection is still open");
    bytes
}

#[tokio::test]
async fn an_http_2_connection_whose_client_does_not_acknowledge_pings_is_closed() {
    let server = Server::start(limits(), async || String::new()).await;
    let mut client = TcpStream::connect(server.addr).await.unwrap();
    client.write_all(PREFACE_AND_SETTINGS).await.unwrap();
    assert!(!read_to_end(&mut client).await.is_empty(), "the server has sent no settings");
}

/// A shutdown would otherwise wait for ever: the response can't be sent to its end.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_whose_client_no_longer_reads_is_closed() {
    let Server { addr, serving, shutdown } =
        Server::start(limits(), async || "x".repeat(64 * 1024 * 1024)).await;
    let mut client = TcpStream::connect(addr).await.unwrap();
    send_request(&mut client).await;
    client.readable().await.unwrap();

    shutdown.cancel();
    timeout(TIMEOUT, serving).await.expect("the connection is still open").unwrap();
}

#[tokio::test]
async fn dropping_the_server_closes_its_connections() {
    let server = Server::start(limits(), async || String::new()).await;
    let mut client = server.request().await;
    client.read_u8().await.unwrap();
    server.serving.abort();
    read_to_end(&mut client).await;
}

const MAX_AGE: Duration = Duration::from_millis(100);

fn limits_with_max_age(grace: Duration) -> Limits {
    Limits { max_age: MaxAge { age: MAX_AGE, grace }, ..limits() }
}

#[tokio::test]
async fn an_http_1_connection_is_closed_with_the_next_response_after_its_max_age() {
    let server = Server::start(limits_with_max_age(TIMEOUT), async || String::new()).await;
    let mut client = server.request().await;
    use_until_closed(&mut client).await;
    assert_eq!(read_to_end(&mut client).await, b"");
}

#[tokio::test]
async fn an_idle_http_1_connection_past_its_max_age_is_open_until_its_next_response() {
    let server = Server::start(limits_with_max_age(TIMEOUT), async || String::new()).await;
    let mut idle = server.request().await;
    assert!(!says_close(&read_head(&mut idle).await));
    server.outlive_connections().await;

    send_request(&mut idle).await;
    assert!(says_close(&read_head(&mut idle).await));
    assert_eq!(read_to_end(&mut idle).await, b"");
}

#[tokio::test]
async fn a_request_that_runs_at_the_max_age_of_its_http_1_connection_is_completed() {
    // Only the first request waits, for a permit.
    let (started, permits) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let server = Server::start(limits_with_max_age(TIMEOUT), {
        let (started, permits) = (Arc::clone(&started), Arc::clone(&permits));
        move || {
            let (started, permits) = (Arc::clone(&started), Arc::clone(&permits));
            async move {
                started.add_permits(1);
                if started.available_permits() == 1 {
                    permits.acquire().await.unwrap().forget();
                }
                String::new()
            }
        }
    })
    .await;
    let mut running = server.request().await;
    while started.available_permits() == 0 {
        tokio::task::yield_now().await;
    }
    server.outlive_connections().await;

    permits.add_permits(1);
    assert!(says_close(&read_head(&mut running).await));
    assert_eq!(read_to_end(&mut running).await, b"");
}

/// A body that never has a frame.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn an_endless_response_over_http_1_is_aborted_when_the_grace_after_the_max_age_is_over() {
    let server = Server::start(limits_with_max_age(MAX_AGE), async || Endless).await;
    let start = Instant::now();
    let mut client = server.request().await;
    assert!(!says_close(&read_head(&mut client).await));
    assert_eq!(read_to_end(&mut client).await, b"");
    // The maximum age is at least nine tenths of what is configured.
    assert!(start.elapsed() >= MAX_AGE * 9 / 10 + MAX_AGE, "{:?}", start.elapsed());
}
