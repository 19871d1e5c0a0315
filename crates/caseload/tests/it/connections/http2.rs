//! HTTP/2 connections of the gateway and the server: handshake, idle timeout, max age, limits.

use std::{net::SocketAddr, time::Duration};

use h2::client::{Builder, SendRequest};
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::support::{
    App,
    http2::{PREFACE, SETTINGS},
    polling::{TEST_TIMEOUT, eventually},
    raw_http::{connect, read_to_end},
};

/// Starts another gateway and another server for an app, both with these options.
async fn gateway_and_server(app: &App, args: &[&str]) -> [SocketAddr; 2] {
    [app.start_gateway(args).await, app.start_server(args).await]
}

/// An HTTP/2 connection, and the task that ends with it.
struct Client {
    requests: SendRequest<bytes::Bytes>,
    end: JoinHandle<Result<(), h2::Error>>,
}

impl Client {
    /// Opens a connection and completes the handshake.
    async fn open(to: SocketAddr, builder: &Builder) -> Self {
        let (requests, connection) = builder.handshake(connect(to).await).await.unwrap();
        Self { requests, end: tokio::spawn(connection) }
    }

    /// Sends a request to which the gateway and the server respond with 200.
    async fn request(&mut self) -> Result<http::Response<h2::RecvStream>, h2::Error> {
        let request = http::Request::get("http://a/livez").body(()).unwrap();
        self.requests.send_request(request, true)?.0.await
    }

    /// Waits until the other end has closed the connection.
    async fn closed(self) -> Result<(), h2::Error> {
        timeout(TEST_TIMEOUT, self.end).await.expect("the connection is still open").unwrap()
    }
}

/// Opens idle connections one after the other, each once the last one was closed: a way to wait for
/// a multiple of the timeout.
async fn await_closed_connections(to: SocketAddr, count: usize) {
    for _ in 0..count {
        read_to_end(&mut connect(to).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_complete_handshake_is_closed_after_the_header_timeout() {
    let app = App::start().await;
    for addr in gateway_and_server(&app, &["--header-timeout", "200ms"]).await {
        for bytes in [
            b"".to_vec(),
            b"PRI * HTTP/2.0\r\n".to_vec(),
            PREFACE.to_vec(),
            // Half of a frame's header, and a SETTINGS frame without its last byte.
            [PREFACE, &SETTINGS[..5]].concat(),
            [PREFACE, b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0"].concat(),
        ] {
            let mut stream = connect(addr).await;
            stream.write_all(&bytes).await.unwrap();
            read_to_end(&mut stream).await;
        }
    }
    app.assert_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn single_bytes_of_the_handshake_do_not_extend_the_header_timeout() {
    let app = App::start().await;
    for addr in gateway_and_server(&app, &["--header-timeout", "300ms"]).await {
        let mut stream = connect(addr).await;
        // The last byte would be sent seconds later.
        for byte in [PREFACE, SETTINGS].concat() {
            if stream.write_all(&[byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        assert!(stream.write_all(b"more").await.is_err(), "{addr}: still open");
    }
    app.assert_serves().await;
}

/// gRPC clients open connections ahead of their calls.
#[tokio::test(flavor = "multi_thread")]
async fn after_the_handshake_the_header_timeout_does_not_apply() {
    let app = App::start().await;
    for addr in gateway_and_server(&app, &["--header-timeout", "500ms"]).await {
        let mut early = Client::open(addr, &Builder::new()).await;
        await_closed_connections(addr, 3).await;
        assert_eq!(early.request().await.unwrap().status(), 200, "{addr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_gets_goaway_and_is_closed() {
    let app = App::start().await;
    for addr in gateway_and_server(&app, &["--idle-timeout", "200ms"]).await {
        let mut used = Client::open(addr, &Builder::new()).await;
        assert_eq!(used.request().await.unwrap().status(), 200, "{addr}");
        // An end without an error was announced by GOAWAY.
        used.closed().await.unwrap();
        Client::open(addr, &Builder::new()).await.closed().await.unwrap();
    }
    app.assert_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_connection_gets_goaway_at_its_max_age() {
    let app = App::start().await;
    for addr in gateway_and_server(&app, &["--max-connection-age", "300ms"]).await {
        let mut client = Client::open(addr, &Builder::new()).await;
        let mut responses = 0;
        // An error means that the connection is being closed.
        while client.request().await.is_ok() {
            responses += 1;
        }
        assert!(responses > 0, "{addr}");
        // The end was announced by GOAWAY.
        client.closed().await.unwrap();
    }
}

/// Its responses and its connection would otherwise be kept for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_its_responses_counts_as_idle() {
    let app = App::start().await;
    for addr in
        gateway_and_server(&app, &["--idle-timeout", "200ms", "--header-timeout", "200ms"]).await
    {
        let mut client = Client::open(addr, Builder::new().initial_window_size(0)).await;
        // A call with an empty message. For the gateway it is an unknown path: a 404 with a body.
        let call = http::Request::post("http://a/grpc.health.v1.Health/Check")
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        let call = client.requests.send_request(call.body(()).unwrap(), false);
        let (response, mut message) = call.unwrap();
        message.send_data(bytes::Bytes::from_static(&[0; 5]), true).unwrap();
        let response = response.await.unwrap();
        assert!(!response.body().is_end_stream(), "{addr}: nothing is left to be read");
        // The connection ends, with or without GOAWAY.
        let _end = client.closed().await;
    }
    app.assert_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_watch_without_updates_is_not_idle() {
    let app = App::start().await;
    let addr = app.start_server(&["--idle-timeout", "400ms", "--header-timeout", "400ms"]).await;
    let channel = Endpoint::try_from(format!("http://{addr}")).unwrap().connect_lazy();
    let mut health = HealthClient::new(channel);
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    while watch.message().await.unwrap().unwrap().status() != ServingStatus::Serving {}
    for _ in 0..3 {
        Client::open(addr, &Builder::new()).await.closed().await.unwrap();
    }
    app.shutdown.cancel();
    let update = watch.message().await.unwrap().unwrap();
    assert_eq!(update.status(), ServingStatus::NotServing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_beyond_the_limit_is_closed_until_another_one_ends() {
    let app = App::start().await;
    for addr in gateway_and_server(&app, &["--max-connections", "2"]).await {
        // The gateway's own connection to its server does not count.
        let mut first = Client::open(addr, &Builder::new()).await;
        let second: TcpStream = connect(addr).await;

        assert_eq!(read_to_end(&mut connect(addr).await).await, b"", "{addr}");

        assert_eq!(first.request().await.unwrap().status(), 200, "{addr}");
        drop(second);
        eventually("a free connection slot", async || {
            let handshake = h2::client::handshake(connect(addr).await).await.ok();
            let (requests, connection) = handshake?;
            let mut client = Client { requests, end: tokio::spawn(connection) };
            client.request().await.ok()
        })
        .await;
        assert_eq!(first.request().await.unwrap().status(), 200, "{addr}");
    }
}
