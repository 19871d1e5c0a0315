//! HTTP/1.1 as bytes on a socket, for what no well-behaved client sends or shows.

use std::net::SocketAddr;

use reqwest::{
    StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{App, Reply, contract, polling::TEST_TIMEOUT};

/// What the client does once it has sent its bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterSending {
    /// It keeps its half of the connection open.
    Wait,
    /// It closes its half of the connection.
    Close,
}

/// Opens a connection.
pub(crate) async fn connect(to: SocketAddr) -> TcpStream {
    TcpStream::connect(to).await.unwrap()
}

/// Reads until the other end has closed or reset the connection. Returns the bytes that were read.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = timeout(TEST_TIMEOUT, stream.read_to_end(&mut bytes)).await;
    let _reset = read.expect("the connection is still open");
    bytes
}

/// Sends `GET /livez` and reads the response, on a connection that stays open.
pub(crate) async fn get_livez(stream: &mut TcpStream) {
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut response = Vec::new();
    while !response.ends_with(br#"{"status":"live"}"#) {
        let read = timeout(TEST_TIMEOUT, stream.read_buf(&mut response)).await;
        let read = read.expect("a response");
        assert_ne!(read.unwrap(), 0, "closed: {}", String::from_utf8_lossy(&response));
    }
}

/// Returns the start of a request to create tasks in the app's case, with its key: everything up
/// to the headers that describe the body. The server closes the connection after its response.
pub(crate) fn request_head(app: &App) -> String {
    format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\n",
        app.batch_path(),
        app.key.expose()
    )
}

/// Returns a valid body with one task, padded to `size` bytes with white space that JSON allows.
pub(crate) fn padded_body(size: usize) -> String {
    let body = r#"{"tasks":[{"description":"a"}]}"#;
    format!("{body}{}", " ".repeat(size - body.len()))
}

/// Sends the bytes unchanged to a gateway and reads the one response, whose body must be JSON and as
/// documented.
pub(crate) async fn exchange(to: SocketAddr, bytes: &[u8], then: AfterSending) -> Reply {
    let reply = exchange_with_any(to, bytes, then).await;
    let mut request_line = bytes.split(|byte| *byte == b' ');
    let mut next = || str::from_utf8(request_line.next().unwrap()).unwrap();
    let (method, target) = (next().parse().unwrap(), next());
    let path = target.split('?').next().unwrap();
    contract::check(&method, path, reply.status, &reply.headers, &reply.body);
    reply
}

/// Sends the bytes unchanged to any server and reads the one response, whose body must be JSON.
pub(crate) async fn exchange_with_any(to: SocketAddr, bytes: &[u8], then: AfterSending) -> Reply {
    let (mut reader, mut writer) = connect(to).await.into_split();
    let mut response = Vec::new();
    let send = async {
        // The response may come, and the connection end, before everything is sent.
        let _cut_short = writer.write_all(bytes).await;
        if then == AfterSending::Close {
            let _already_closed = writer.shutdown().await;
        }
        // Returned, so that this half isn't closed before the response is there.
        writer
    };
    let (_writer, read) = tokio::join!(send, reader.read_to_end(&mut response));
    // A reset after a whole response is allowed; half a response can't be parsed.
    let _reset = read;
    parse(&response)
}

/// Parses a response of HTTP/1.1 whose body is JSON.
fn parse(response: &[u8]) -> Reply {
    let text = std::str::from_utf8(response).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("cut: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let headers: HeaderMap = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| {
            (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap())
        })
        .collect();
    Reply {
        status: StatusCode::from_bytes(status.as_bytes()).unwrap(),
        headers,
        body: serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {text:?}")),
    }
}
