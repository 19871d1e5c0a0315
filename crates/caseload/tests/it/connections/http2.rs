//! HTTP/2 on either door: connections that don't open it, rest, are too many, or take nothing.

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

use super::{assert_serves, connect, gateway, read_to_end, server};
use crate::support::{
    App,
    polling::{PATIENCE, eventually},
};

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame of settings that sets none.
pub(super) const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// Both doors of an app, more of them, with these options.
async fn doors(app: &App, args: &[&str]) -> [SocketAddr; 2] {
    [gateway(app, args).await, server(app, args).await]
}

/// An open connection over HTTP/2, and its end.
struct Client {
    requests: SendRequest<bytes::Bytes>,
    end: JoinHandle<Result<(), h2::Error>>,
}

impl Client {
    async fn open(to: SocketAddr, builder: &Builder) -> Self {
        let (requests, connection) = builder.handshake(connect(to).await).await.unwrap();
        Self { requests, end: tokio::spawn(connection) }
    }

    /// Asks for anything, which has an answer on either door, and returns it.
    async fn ask(&mut self) -> Result<http::Response<h2::RecvStream>, h2::Error> {
        let request = http::Request::get("http://a/livez").body(()).unwrap();
        self.requests.send_request(request, true)?.0.await
    }

    /// Waits until the other end has closed the connection.
    async fn ended(self) -> Result<(), h2::Error> {
        timeout(PATIENCE, self.end).await.expect("the connection is still open").unwrap()
    }
}

/// Opens connections that send nothing until so many were cut off, one after the other.
async fn see_cut_off(to: SocketAddr, count: usize) {
    for _ in 0..count {
        read_to_end(&mut connect(to).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_does_not_open_http_2_in_time_is_cut_off() {
    let app = App::start().await;
    for addr in doors(&app, &["--header-timeout", "200ms"]).await {
        for bytes in [
            b"".to_vec(),
            b"PRI * HTTP/2.0\r\n".to_vec(),
            PREFACE.to_vec(),
            // Half of a frame's head, and settings whose last byte doesn't come.
            [PREFACE, &SETTINGS[..5]].concat(),
            [PREFACE, b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0"].concat(),
        ] {
            let mut stream = connect(addr).await;
            stream.write_all(&bytes).await.unwrap();
            read_to_end(&mut stream).await;
        }
    }
    assert_serves(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_of_the_opening_now_and_then_does_not_keep_a_connection() {
    let app = App::start().await;
    for addr in doors(&app, &["--header-timeout", "300ms"]).await {
        let mut stream = connect(addr).await;
        // Its last byte would come seconds later.
        for byte in [PREFACE, SETTINGS].concat() {
            if stream.write_all(&[byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        assert!(stream.write_all(b"more").await.is_err(), "{addr}: not cut off");
    }
    assert_serves(&app).await;
}

/// Clients of gRPC open connections ahead of their calls.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_has_opened_http_2_is_not_slow_but_idle() {
    let app = App::start().await;
    for addr in doors(&app, &["--header-timeout", "500ms"]).await {
        let mut early = Client::open(addr, &Builder::new()).await;
        see_cut_off(addr, 3).await;
        assert_eq!(early.ask().await.unwrap().status(), 200, "{addr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_rests_is_told_and_closed() {
    let app = App::start().await;
    for addr in doors(&app, &["--idle-timeout", "200ms"]).await {
        let mut used = Client::open(addr, &Builder::new()).await;
        assert_eq!(used.ask().await.unwrap().status(), 200, "{addr}");
        // An end without error is one that was announced.
        used.ended().await.unwrap();
        Client::open(addr, &Builder::new()).await.ended().await.unwrap();
    }
    assert_serves(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_used_makes_way_at_its_age() {
    let app = App::start().await;
    for addr in doors(&app, &["--max-connection-age", "300ms"]).await {
        let mut client = Client::open(addr, &Builder::new()).await;
        let mut answers = 0;
        // An answer that is an error is of the connection's end.
        while client.ask().await.is_ok() {
            answers += 1;
        }
        assert!(answers > 0, "{addr}");
        // It was announced.
        client.ended().await.unwrap();
    }
}

/// Its answers would be kept for it, and its connection, without end.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_of_its_answers_rests() {
    let app = App::start().await;
    for addr in doors(&app, &["--idle-timeout", "200ms", "--header-timeout", "200ms"]).await {
        let mut client = Client::open(addr, Builder::new().initial_window_size(0)).await;
        // A call with an empty message. The gateway doesn't know it, and says so in a body.
        let call = http::Request::post("http://a/grpc.health.v1.Health/Check")
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        let call = client.requests.send_request(call.body(()).unwrap(), false);
        let (answer, mut message) = call.unwrap();
        message.send_data(bytes::Bytes::from_static(&[0; 5]), true).unwrap();
        let answer = answer.await.unwrap();
        assert!(!answer.body().is_end_stream(), "{addr}: nothing is left to be taken");
        // Told or cut off, it is over.
        let _over = client.ended().await;
    }
    assert_serves(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_has_no_news_is_not_idle() {
    let app = App::start().await;
    let addr = server(&app, &["--idle-timeout", "400ms", "--header-timeout", "400ms"]).await;
    let channel = Endpoint::try_from(format!("http://{addr}")).unwrap().connect_lazy();
    let mut health = HealthClient::new(channel);
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    while watch.message().await.unwrap().unwrap().status() != ServingStatus::Serving {}
    for _ in 0..3 {
        Client::open(addr, &Builder::new()).await.ended().await.unwrap();
    }
    app.ending.cancel();
    let news = watch.message().await.unwrap().unwrap();
    assert_eq!(news.status(), ServingStatus::NotServing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_too_many_is_closed_at_once_until_there_is_room_again() {
    let app = App::start().await;
    for addr in doors(&app, &["--max-connections", "2"]).await {
        // The gateway's own way to its server is none of them.
        let mut first = Client::open(addr, &Builder::new()).await;
        let second: TcpStream = connect(addr).await;

        assert_eq!(read_to_end(&mut connect(addr).await).await, b"", "{addr}");

        assert_eq!(first.ask().await.unwrap().status(), 200, "{addr}");
        drop(second);
        eventually("room", async || {
            let handshake = h2::client::handshake(connect(addr).await).await.ok();
            let (requests, connection) = handshake?;
            let mut client = Client { requests, end: tokio::spawn(connection) };
            client.ask().await.ok()
        })
        .await;
        assert_eq!(first.ask().await.unwrap().status(), 200, "{addr}");
    }
}
