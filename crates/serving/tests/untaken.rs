//! Clients that do not take their responses: what the responses hold, and how they end.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use caseload_serving::{
    ClientRules, ConnectionOptions, Endpoint, Protocol, hold_until_sent, serve,
};
use clap::Parser;
use h2::{Reason, RecvStream, client::SendRequest};
use http::{HeaderValue, Request, Response};
use hyper::body::{Bytes, Incoming};
use telemetry::metrics::ListenerMetrics;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, timeout},
};
use tower::service_fn;

/// How long anything may take on a busy machine before a test fails.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may leave a part untaken here.
const SEND_TIMEOUT: Duration = Duration::from_millis(200);

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
    max_streams: 256,
    max_ended_streams: Some(16),
    ping_interval: Duration::from_secs(60),
    ping_timeout: Duration::from_secs(60),
};

#[derive(Parser)]
struct Options {
    #[command(flatten)]
    connections: ConnectionOptions,
}

/// A server that answers `GET /SIZE` with so many bytes, and `GET /head/SIZE` with a header of that
/// size. Each response holds a permit.
struct Server {
    addr: SocketAddr,
    permits: Arc<()>,
    is_scarce: Arc<AtomicBool>,
    metrics: ListenerMetrics,
}

impl Server {
    async fn start(send_timeout: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let permits = Arc::new(());
        let is_scarce = Arc::new(AtomicBool::new(false));
        let service = service_fn({
            let permits = Arc::clone(&permits);
            move |request: Request<Incoming>| {
                let response = respond(request.uri().path(), Arc::clone(&permits));
                async { Ok::<_, Infallible>(response) }
            }
        });
        let send_timeout = format!("--send-timeout={}ms", send_timeout.as_millis());
        let long = Duration::from_secs(3600);
        let limits = Options::parse_from(["", &send_timeout]).connections.limits(long, long);
        let is_scarce_now = Arc::clone(&is_scarce);
        let is_scarce_now = move || is_scarce_now.load(Relaxed);
        let metrics = ListenerMetrics::default();
        let endpoint = Endpoint {
            protocol: PROTOCOL,
            limits,
            clients: clients(),
            tls: None,
            is_scarce: is_scarce_now,
            metrics: metrics.clone(),
        };
        tokio::spawn(serve(listener, service, endpoint, std::future::pending()));
        Self { addr, permits, is_scarce, metrics }
    }

    /// Returns how many responses hold their permits.
    fn held(&self) -> usize {
        // The test's, and the service's.
        Arc::strong_count(&self.permits) - 2
    }

    /// Waits until so many responses hold their permits.
    async fn await_held(&self, count: usize) {
        let held = async {
            while self.held() != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = timeout(TIMEOUT, held).await;
        assert!(waited.is_ok(), "{} are held, not {count}", self.held());
    }

    /// Waits until so many requests are served, and so many bytes of their responses wait.
    async fn await_counts(&self, streams: i64, bytes: i64) {
        let counts = || (self.metrics.streams().get(), self.metrics.waiting_bytes().get());
        let counted = async {
            while counts() != (streams, bytes) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(timeout(TIMEOUT, counted).await.is_ok(), "{:?}", counts());
    }

    /// Opens an HTTP/2 connection whose streams have this window.
    async fn connect(&self, window: u32) -> Client {
        let stream = TcpStream::connect(self.addr).await.unwrap();
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(window).max_header_list_size(1024 * 1024);
        let (requests, connection) = builder.handshake(stream).await.unwrap();
        Client { requests, connection: tokio::spawn(connection) }
    }
}

fn respond(path: &str, permit: Arc<()>) -> Response<http_body_util::Full<Bytes>> {
    let size = || path.rsplit('/').next().unwrap().parse().unwrap();
    let mut response = Response::new(http_body_util::Full::default());
    if path.starts_with("/head/") {
        let value = HeaderValue::from_str(&"x".repeat(size())).unwrap();
        response.headers_mut().insert("large", value);
    } else {
        *response.body_mut() = vec![b'x'; size()].into();
    }
    hold_until_sent(&mut response, permit);
    response
}

/// A client whose windows grow only when it says so.
struct Client {
    requests: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Client {
    /// Makes a request and waits for the head of the response. Returns its body.
    async fn get(&mut self, path: &str) -> RecvStream {
        let request = Request::get(format!("http://a{path}")).body(()).unwrap();
        self.requests = self.requests.clone().ready().await.unwrap();
        let (response, _) = self.requests.send_request(request, true).unwrap();
        let response = timeout(TIMEOUT, response).await.expect("no response").unwrap();
        assert_eq!(response.status(), 200);
        response.into_body()
    }

    async fn get_many(&mut self, path: &str, count: usize) -> Vec<RecvStream> {
        let mut bodies = Vec::new();
        for _ in 0..count {
            bodies.push(self.get(path).await);
        }
        bodies
    }
}

/// Reads a body to its end, as fast as it comes. Returns its size.
async fn read(body: &mut RecvStream) -> Result<usize, h2::Error> {
    let mut size = 0;
    let read = async {
        while let Some(data) = body.data().await {
            let data = data?;
            size += data.len();
            body.flow_control().release_capacity(data.len())?;
        }
        Ok::<_, h2::Error>(())
    };
    timeout(TIMEOUT, read).await.expect("the body does not end")?;
    Ok(size)
}

/// Reads what the window has room for. Returns the reason for which the stream was reset.
async fn reset_reason(body: &mut RecvStream) -> Reason {
    read_without_window(body).await.expect("the stream ended").reason().expect("no reset")
}

/// Reads what the window has room for. Returns the error with which the stream ended, if any.
async fn read_without_window(body: &mut RecvStream) -> Option<h2::Error> {
    loop {
        match timeout(TIMEOUT, body.data()).await.expect("the stream is still open") {
            Some(Ok(_)) => {}
            Some(Err(error)) => return Some(error),
            None => return None,
        }
    }
}

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_permit_is_held_until_the_client_has_taken_the_response_or_is_gone() {
    let server = Server::start(LONG).await;
    // Sizes that exceed the window by themselves, that fill it, and that fit.
    for (window, size, left) in
        [(0, 1, 8), (0, 300_000, 8), (10, 11, 8), (10, 300_000, 8), (10, 10, 0)]
    {
        let mut client = server.connect(window).await;
        let bodies = client.get_many(&format!("/{size}"), 8).await;
        server.await_held(left).await;
        drop(bodies);
        server.await_held(0).await;
        // The body must not be dropped: that resets its stream.
        let _body = client.get(&format!("/{size}")).await;
        server.await_held(left.min(1)).await;
        client.connection.abort();
        server.await_held(0).await;
    }
}

#[tokio::test]
async fn requests_and_the_bytes_of_their_responses_are_counted_until_they_are_taken_or_given_up() {
    let server = Server::start(LONG).await;
    server.await_counts(0, 0).await;
    let mut client = server.connect(1000).await;
    let mut bodies = client.get_many("/50000", 2).await;
    server.await_counts(2, 100_000).await;
    drop(bodies.pop());
    server.await_counts(1, 50_000).await;
    assert_eq!(read(&mut bodies[0]).await.unwrap(), 50_000);
    server.await_counts(0, 0).await;
    let _body = client.get("/50000").await;
    server.await_counts(1, 50_000).await;
    client.connection.abort();
    server.await_counts(0, 0).await;
}

/// The limit for a part is a second where permits are scarce, which a busy machine may need for some windows. So no time
/// passes here.
#[tokio::test(start_paused = true)]
async fn a_response_of_any_size_is_taken_through_a_window_of_any_size() {
    let _clock = StandingClock::start();
    let server = Server::start(LONG).await;
    for size in [0, 1, 100, 16 * 1024, 16 * 1024 + 1, 300_000] {
        for is_scarce in [false, true] {
            server.is_scarce.store(is_scarce, Relaxed);
            for window in [100, 65_535] {
                let mut client = server.connect(window).await;
                let mut body = client.get(&format!("/{size}")).await;
                assert_eq!(read(&mut body).await.unwrap(), size);
                while server.held() > 0 {
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

/// Keeps a paused clock from advancing, which it does whenever all tasks wait; but not for longer than anything may
/// take: then timeouts end the test.
struct StandingClock {
    _end: std::sync::mpsc::Sender<()>,
}

impl StandingClock {
    fn start() -> Self {
        let (end, ended) = std::sync::mpsc::channel();
        // The clock does not advance by itself while such a task runs.
        tokio::task::spawn_blocking(move || ended.recv_timeout(TIMEOUT));
        Self { _end: end }
    }
}

#[tokio::test]
async fn a_response_that_is_not_taken_is_reset_after_the_limit_and_its_connection_goes_on() {
    let server = Server::start(SEND_TIMEOUT).await;
    for (window, size) in [(0, 1), (0, 300_000), (1, 300_000), (65_535, 65_536)] {
        let start = Instant::now();
        let mut client = server.connect(window).await;
        for mut body in client.get_many(&format!("/{size}"), 8).await {
            assert_eq!(reset_reason(&mut body).await, Reason::CANCEL, "{window} {size}");
        }
        assert!(start.elapsed() >= SEND_TIMEOUT);
        server.await_held(0).await;
        // A response without a body needs no window.
        let _body = client.get("/0").await;
        assert!(!client.connection.is_finished());
    }
}

/// The end of a small body is not withheld, so its stream can't be reset by itself.
#[tokio::test]
async fn a_connection_on_which_a_small_response_is_partly_taken_is_closed_after_the_limit() {
    let server = Server::start(SEND_TIMEOUT).await;
    let mut client = server.connect(1).await;
    let mut body = client.get("/2").await;
    server.await_held(1).await;
    assert!(read_without_window(&mut body).await.is_some());
    server.await_held(0).await;
    timeout(TIMEOUT, client.connection).await.expect("the connection is open").unwrap().ok();
}

#[tokio::test]
async fn while_permits_are_scarce_a_response_is_reset_after_a_second() {
    let server = Server::start(LONG).await;
    let mut client = server.connect(0).await;
    let bodies = client.get_many("/300000", 8).await;
    server.await_held(8).await;
    server.is_scarce.store(true, Relaxed);
    for mut body in bodies {
        assert_eq!(reset_reason(&mut body).await, Reason::CANCEL);
    }
    server.await_held(0).await;

    // Also a small one, of which the client takes a part.
    let mut client = server.connect(1).await;
    let mut body = client.get("/2").await;
    assert_eq!(reset_reason(&mut body).await, Reason::CANCEL);
    server.await_held(0).await;
    let _body = client.get("/0").await;
}

#[tokio::test]
async fn a_connection_over_http_1_whose_client_does_not_read_is_closed_after_the_limit() {
    let server = Server::start(SEND_TIMEOUT).await;
    let mut client = TcpStream::connect(server.addr).await.unwrap();
    // More than the system's buffers take.
    client.write_all(b"GET /67108864 HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    server.await_held(1).await;
    server.await_held(0).await;
    let mut bytes = Vec::new();
    let read = timeout(TIMEOUT, client.read_to_end(&mut bytes)).await;
    let _reset = read.expect("the connection is still open");
    assert!(bytes.len() < 67_108_864);
}

#[tokio::test]
async fn a_large_head_holds_its_permit_until_it_is_written() {
    let server = Server::start(SEND_TIMEOUT).await;
    let mut client = server.connect(65_535).await;
    let _body = client.get("/head/10000").await;
    server.await_held(0).await;

    // A client that reads nothing: its requests are answered until the system's buffers are full.
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    let mut block = vec![0x82, 0x86, 0x04, 13];
    block.extend(b"/head/1000000");
    block.extend([0x01, 1, b'a']);
    for id in (1..=101_u32).step_by(2) {
        bytes.extend([0, 0, u8::try_from(block.len()).unwrap(), 1, 5]);
        bytes.extend(id.to_be_bytes());
        bytes.extend(&block);
    }
    stream.write_all(&bytes).await.unwrap();
    let some_are_held = async {
        while server.held() < 10 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(TIMEOUT, some_are_held).await.expect("no head is held");
    server.await_held(0).await;
}
