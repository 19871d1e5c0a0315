//! Connections that are slow, idle, too many, or speak nonsense.

use std::net::SocketAddr;

use reqwest::header::HeaderMap;
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, time::timeout};

use super::{ask, assert_serves, connect, gateway, read_to_end};
use crate::support::{
    App, Reply, Session,
    polling::{PATIENCE, eventually},
};

/// Opens a connection, sends some bytes, and waits until it is cut off without an answer.
async fn assert_cut_off(to: SocketAddr, bytes: &[u8]) {
    let mut stream = connect(to).await;
    stream.write_all(bytes).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert_eq!(String::from_utf8_lossy(&answer), "", "after {bytes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_come_to_its_end_is_waited_for_so_long_and_no_longer() {
    let app = App::start().await;
    let http_addr = gateway(&app, &["--header-timeout", "200ms"]).await;
    for bytes in [
        &b""[..],
        b"P",
        b"POST /livez HTTP/1.1\r\nhost: a\r\nx-a: b",
        // Of HTTP/2: half of the preface.
        b"PRI * HTTP/2.0\r\n",
    ] {
        assert_cut_off(http_addr, bytes).await;
    }
    // Also where there was a request before.
    let mut stream = connect(http_addr).await;
    ask(&mut stream).await;
    stream.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, b"");
    assert_serves(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_now_and_then_does_not_keep_a_connection() {
    let app = App::start().await;
    let http_addr = gateway(&app, &["--header-timeout", "200ms"]).await;
    let mut stream = connect(http_addr).await;
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\nx-a: ").await.unwrap();
    eventually("the end", async || stream.write_all(b"b").await.is_err().then_some(())).await;
    assert_serves(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_rests_is_closed_in_the_end() {
    let app = App::start().await;
    let http_addr = gateway(&app, &["--idle-timeout", "200ms"]).await;
    let mut stream = connect(http_addr).await;
    ask(&mut stream).await;
    assert_eq!(read_to_end(&mut stream).await, b"");

    // HTTP/2 too, where it is told first.
    let tcp = connect(http_addr).await;
    let (mut requests, connection) = h2::client::handshake(tcp).await.unwrap();
    let request = http::Request::get("http://a/livez").body(()).unwrap();
    let (answer, _) = requests.send_request(request, true).unwrap();
    let connection = tokio::spawn(connection);
    assert_eq!(answer.await.unwrap().status(), 200);
    timeout(PATIENCE, connection).await.expect("an end").unwrap().unwrap();
}

/// Neither time-out is for requests that run, however long.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_runs_is_not_cut_off() {
    let app = App::start().await;
    let args = ["--header-timeout", "300ms", "--idle-timeout", "300ms"];
    let http_addr = gateway(&app, &args).await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let request = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(format!("http://{http_addr}{}", app.batch_path()))
        .bearer_auth(app.key.expose())
        .json(&json!({"tasks": [{"description": "a"}]}));
    let call = tokio::spawn(Reply::of(request));
    session.await_blocked(1);

    // Others that begin later are cut off meanwhile, one after the other.
    for _ in 0..3 {
        assert_cut_off(http_addr, b"GET /").await;
    }
    session.unlock();

    assert_eq!(call.await.unwrap().status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_large_is_refused_by_http_and_what_fits_by_the_service() {
    const KIB: usize = 1024;
    let app = App::start().await;
    let send = async |name: &str, size: usize| {
        let value = "k".repeat(size);
        app.post().header(name, value).body("{}").send().await.unwrap().status().as_u16()
    };
    assert_eq!(send("x-other", 17 * KIB).await, 431);
    assert_eq!(send("x-other", 400 * KIB).await, 431);
    // What one program takes, the next one takes too.
    let token = async |size: usize| {
        let path = app.batch_path();
        let request = app.request(reqwest::Method::POST, &path).json(&json!({"tasks": []}));
        Reply::of(request.header("x-user-token", "k".repeat(size))).await
    };
    let reply = token(15 * KIB).await;
    assert_eq!((reply.status.as_u16(), reply.faults()), (401, vec!["KEY_INVALID -".to_owned()]));

    // The same in many small headers.
    let many = |count: usize| -> HeaderMap {
        let name = |n: usize| format!("x-{n}").parse().unwrap();
        (0..count).map(|n| (name(n), "a".parse().unwrap())).collect()
    };
    let send = async |headers| app.post().headers(headers).body("{}").send().await.unwrap();
    assert_eq!(send(many(80)).await.status(), 400);
    assert_eq!(send(many(200)).await.status(), 431);
    assert_serves(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_2_and_grpc_a_head_that_is_too_large_ends_no_other_request() {
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
    assert_serves(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_too_many_is_closed_at_once_until_there_is_room_again() {
    let app = App::start().await;
    let http_addr = gateway(&app, &["--max-connections", "2"]).await;
    let mut first = connect(http_addr).await;
    ask(&mut first).await;
    let mut second = connect(http_addr).await;
    ask(&mut second).await;

    assert_eq!(read_to_end(&mut connect(http_addr).await).await, b"");

    // Those that were there are served on.
    ask(&mut first).await;
    drop(second);
    eventually("room", async || {
        let answer = reqwest::get(format!("http://{http_addr}/livez")).await;
        answer.is_ok_and(|answer| answer.status() == 200).then_some(())
    })
    .await;
    ask(&mut first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_and_half_requests_harm_nobody() {
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
        // Data for no request, header bytes that decode to nothing, a window of nothing, a
        // setting out of bounds, a frame that is too long.
        frame(0, 1, b"data"),
        frame(1, 5, &[0xff; 64]),
        frame(8, 0, &[0; 4]),
        frame(4, 0, &[0, 5, 0, 0, 0, 0]),
        frame(1, 0, &[0; 20_000]),
    ];
    for addr in [app.http_addr, app.grpc_addr] {
        for bytes in &table {
            let mut stream = connect(addr).await;
            // It may be refused before all is sent.
            let _cut_short = stream.write_all(bytes).await;
            let _gone = stream.shutdown().await;
            let answer = read_to_end(&mut stream).await;
            let answer = String::from_utf8_lossy(&answer);
            assert!(!answer.starts_with("HTTP/1.1 5"), "{bytes:.100?}: {answer}");
        }
    }
    assert_eq!(app.row_counts(), (0, 0));
    assert_serves(&app).await;
}
