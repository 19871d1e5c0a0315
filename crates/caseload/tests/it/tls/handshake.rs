//! The handshake: versions of TLS, and of HTTP.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    client::{Client, VERSIONS, exchange},
    files::{Files, borrowed, listeners},
};
use crate::support::{App, Authority, raw_http::read_to_end};

/// Returns the protocol that a listener agrees to and speaks, of those that a client offers.
async fn spoken(client: &Client, to: SocketAddr) -> Option<&'static str> {
    let stream = client.connect(to).await.ok()?;
    let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    if agreed.as_deref() == Some(b"h2") {
        let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        // What a server of gRPC says to it does not matter here.
        let request = http::Request::get("https://localhost/livez").body(()).unwrap();
        requests.send_request(request, true).unwrap().0.await.unwrap();
        drop(requests);
        connection.await.unwrap().unwrap();
        return Some("h2");
    }
    let request = "GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let response = exchange(stream, request).await.ok()?;
    assert!(response.starts_with("HTTP/1.1 "), "{response}");
    Some("http/1.1")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_version_of_tls_is_spoken_and_alpn_chooses_that_of_http() {
    let app = App::start().await;
    let files = Files::create();
    let [grpc, rest] = listeners(&app, &files.listener(&[])).await;
    let args = files.listener(&["--connect"]);
    let with_browsers = app.start_server(&borrowed(&args)).await;
    let (both, http1, h2) = (&["h2", "http/1.1"][..], &["http/1.1"][..], &["h2"][..]);
    for version in VERSIONS {
        for (addr, protocols, expected) in [
            (rest, both, Some("h2")),
            (rest, h2, Some("h2")),
            (rest, http1, Some("http/1.1")),
            (rest, &[], Some("http/1.1")),
            (rest, &["spdy/3"], None),
            (grpc, both, Some("h2")),
            (grpc, h2, Some("h2")),
            (grpc, http1, None),
            (grpc, &[], None),
            (with_browsers, h2, Some("h2")),
            (with_browsers, http1, Some("http/1.1")),
        ] {
            let client = Client::of(&files).version(version).protocols(protocols);
            assert_eq!(spoken(&client, addr).await, expected, "{version:?} {protocols:?}");
        }
    }
    app.assert_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_speaks_plaintext_or_trusts_another_authority_is_not_served() {
    let app = App::start().await;
    let files = Files::create();
    for addr in listeners(&app, &files.listener(&[])).await {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");

        let namesake = Authority::create("Acme").certificate();
        let error = Client::trusting(namesake).protocols(&["h2"]).connect(addr).await.unwrap_err();
        assert!(error.to_string().contains("BadSignature"), "{error}");
        // Others are served.
        let mut stream = Client::of(&files).protocols(&["h2"]).connect(addr).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), 0, "the length of a frame");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_in_responses_have_the_scheme_that_the_caller_used() {
    let app = App::start().await;
    let files = Files::create();
    let [_, rest] = listeners(&app, &files.listener(&[])).await;
    let body = r#"{"description":"a"}"#;
    let request = format!(
        "POST /api/v2/cases/{}/tasks HTTP/1.1\r\nhost: localhost:{}\r\nconnection: close\r\n\
         authorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        app.case_id,
        rest.port(),
        app.key.expose(),
        body.len(),
    );
    let stream = Client::of(&files).connect(rest).await.unwrap();
    let response = exchange(stream, &request).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 201 "), "{response}");
    let location = format!("\r\nlocation: https://localhost:{}/api/v2/", rest.port());
    assert!(response.contains(&location), "{response}");
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_told_to_use_tls_for_as_long_as_configured() {
    let app = App::start().await;
    let files = Files::create();
    for (options, value) in [
        (&["--hsts-max-age", "365d"], "max-age=31536000"),
        (&["--hsts-max-age", "0s"], "max-age=0"),
    ] {
        let addr = app.start_gateway(&borrowed(&files.listener(options))).await;
        let response = Client::of(&files).get_livez(addr).await.unwrap();
        let expected = format!("\r\nstrict-transport-security: {value}\r\n");
        assert!(response.contains(&expected), "{response}");
    }
}
