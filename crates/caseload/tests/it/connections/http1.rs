//! HTTP/1.1 connections that are slow, idle, too many, or send invalid bytes.

use std::net::SocketAddr;

use reqwest::header::HeaderMap;
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, time::timeout};

use crate::support::{
    App, Reply, Session, http_client,
    polling::{TEST_TIMEOUT, eventually},
    raw_http::{connect, get_livez, read_to_end},
};

/// Opens a connection, sends some bytes, and checks that it is closed without a response.
async fn assert_closed_without_response(to: SocketAddr, bytes: &[u8]) {
    let mut stream = connect(to).await;
    stream.write_all(bytes).await.unwrap();
    let response = read_to_end(&mut stream).await;
    assert_eq!(String::from_utf8_lossy(&response), "", "after {bytes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_with_an_incomplete_head_is_closed_after_the_header_timeout() {
    let app = App::start().await;
    let http_addr = app.start_gateway(&["--header-timeout", "200ms"]).await;
    for bytes in [
        &b""[..],
        b"P",
        b"POST /livez HTTP/1.1\r\nhost: a\r\nx-a: b",
        // Half of the preface of HTTP/2.
        b"PRI * HTTP/2.0\r\n",
    ] {
        assert_closed_without_response(http_addr, bytes).await;
    }
    // Also after an earlier request.
    let mut stream = connect(http_addr).await;
    get_livez(&mut stream).await;
    stream.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, b"");
    app.assert_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn single_bytes_do_not_extend_the_header_timeout() {
    let app = App::start().await;
    let http_addr = app.start_gateway(&["--header-timeout", "200ms"]).await;
    let mut stream = connect(http_addr).await;
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\nx-a: ").await.unwrap();
    eventually("the end of the connection", async || {
        stream.write_all(b"b").await.is_err().then_some(())
    })
    .await;
    app.assert_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_after_the_idle_timeout() {
    let app = App::start().await;
    let http_addr = app.start_gateway(&["--idle-timeout", "200ms"]).await;
    let mut stream = connect(http_addr).await;
    get_livez(&mut stream).await;
    assert_eq!(read_to_end(&mut stream).await, b"");

    // Over HTTP/2 too, where GOAWAY is sent first.
    let tcp = connect(http_addr).await;
    let (mut requests, connection) = h2::client::handshake(tcp).await.unwrap();
    let request = http::Request::get("http://a/livez").body(()).unwrap();
    let (response, _) = requests.send_request(request, true).unwrap();
    let connection = tokio::spawn(connection);
    assert_eq!(response.await.unwrap().status(), 200);
    timeout(TEST_TIMEOUT, connection).await.expect("an end").unwrap().unwrap();
}

/// Neither timeout applies to a request in flight, however long it takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_is_not_cut_off() {
    let app = App::start().await;
    let args = ["--header-timeout", "300ms", "--idle-timeout", "300ms"];
    let http_addr = app.start_gateway(&args).await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let request = http_client()
        .post(format!("http://{http_addr}{}", app.batch_path()))
        .bearer_auth(app.key.expose())
        .json(&json!({"tasks": [{"description": "a"}]}));
    let call = tokio::spawn(Reply::of(request));
    session.await_blocked(1);

    // Meanwhile, connections that were opened later are closed, one after the other.
    for _ in 0..3 {
        assert_closed_without_response(http_addr, b"GET /").await;
    }
    session.unlock();

    assert_eq!(call.await.unwrap().status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_large_gets_431_and_a_smaller_one_reaches_the_server() {
    const KIB: usize = 1024;
    let app = App::start().await;
    let send = async |name: &str, size: usize| {
        let value = "k".repeat(size);
        app.post().header(name, value).body("{}").send().await.unwrap().status().as_u16()
    };
    assert_eq!(send("x-other", 17 * KIB).await, 431);
    assert_eq!(send("x-other", 400 * KIB).await, 431);
    // What the gateway accepts, the server accepts too.
    let token = async |size: usize| {
        let path = app.batch_path();
        let request = app.request(reqwest::Method::POST, &path).json(&json!({"tasks": []}));
        Reply::of(request.header("x-user-token", "k".repeat(size))).await
    };
    let reply = token(15 * KIB).await;
    assert_eq!(
        (reply.status.as_u16(), reply.violations()),
        (401, vec!["KEY_INVALID -".to_owned()])
    );

    // The same with many small headers.
    let many = |count: usize| -> HeaderMap {
        let name = |n: usize| format!("x-{n}").parse().unwrap();
        (0..count).map(|n| (name(n), "a".parse().unwrap())).collect()
    };
    let send = async |headers| app.post().headers(headers).body("{}").send().await.unwrap();
    assert_eq!(send(many(80)).await.status(), 400);
    assert_eq!(send(many(200)).await.status(), 431);
    app.assert_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_2_a_head_that_is_too_large_does_not_affect_other_requests() {
    let app = App::start().await;
    for addr in [app.http_addr, app.grpc_addr] {
        let (requests, connection) = h2::client::handshake(connect(addr).await).await.unwrap();
        tokio::spawn(connection);
        let mut requests = requests.ready().await.unwrap();
        let large = http::Request::post("http://a/livez").header("x-a", "a".repeat(60_000));
        let small = http::Request::get("http://a/livez");
        let (large, _) = requests.send_request(large.body(()).unwrap(), true).unwrap();
        let mut requests = requests.ready().await.unwrap();
        let (small, _) = requests.send_request(small.body(()).unwrap(), true).unwrap();
        assert_eq!(large.await.unwrap().status(), 431, "{addr}");
        assert_eq!(small.await.unwrap().status(), 200, "{addr}");
    }
    app.assert_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_beyond_the_limit_is_closed_until_another_one_ends() {
    let app = App::start().await;
    let http_addr = app.start_gateway(&["--max-connections", "2"]).await;
    let mut first = connect(http_addr).await;
    get_livez(&mut first).await;
    let mut second = connect(http_addr).await;
    get_livez(&mut second).await;

    assert_eq!(read_to_end(&mut connect(http_addr).await).await, b"");

    // The earlier connections still work.
    get_livez(&mut first).await;
    drop(second);
    eventually("a free connection slot", async || {
        let response = reqwest::get(format!("http://{http_addr}/livez")).await;
        response.is_ok_and(|response| response.status() == 200).then_some(())
    })
    .await;
    get_livez(&mut first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_bytes_and_partial_requests_do_not_affect_others() {
    let app = App::start().await;
    let head = format!("POST {} HTTP/1.1\r\nhost: a\r\n", app.batch_path());
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let frame = |kind: u8, flags: u8, payload: &[u8]| {
        let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [preface, &size[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    };
    let table: Vec<Vec<u8>> = vec![
        b"\0".repeat(100_000),
        b"\xff".repeat(100_000),
        b"\r\n".repeat(10_000),
        b"GET".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nhost: a\r\nx-a: \x01\x02\r\n\r\n".to_vec(),
        // A client that speaks TLS.
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        head.clone().into_bytes(),
        format!("{head}content-length: 100\r\n\r\n{{\"tas").into_bytes(),
        format!("{head}content-length: 1\r\ncontent-length: 2\r\n\r\n{{}}").into_bytes(),
        format!("{head}content-length: 99999999999999999999999\r\n\r\n").into_bytes(),
        format!("{head}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n").into_bytes(),
        format!("{head}transfer-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc").into_bytes(),
        preface.to_vec(),
        [&preface[..], &b"x".repeat(10_000)].concat(),
        // DATA on an idle stream, headers that can't be decoded, a window update of 0, a setting
        // out of bounds, a frame that is too long.
        frame(0, 1, b"data"),
        frame(1, 5, &[0xff; 64]),
        frame(8, 0, &[0; 4]),
        frame(4, 0, &[0, 5, 0, 0, 0, 0]),
        frame(1, 0, &[0; 20_000]),
    ];
    for addr in [app.http_addr, app.grpc_addr] {
        for bytes in &table {
            let mut stream = connect(addr).await;
            // The connection may be closed before everything is sent.
            let _cut_short = stream.write_all(bytes).await;
            let _already_closed = stream.shutdown().await;
            let response = read_to_end(&mut stream).await;
            let response = String::from_utf8_lossy(&response);
            assert!(!response.starts_with("HTTP/1.1 5"), "{bytes:.100?}: {response}");
        }
    }
    assert_eq!(app.row_counts(), (0, 0));
    app.assert_serves().await;
}
