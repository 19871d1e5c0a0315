//! Bytes on a socket, for what no well-behaved client sends or shows.

use std::net::SocketAddr;

use reqwest::{
    StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{App, Reply};

/// What the client does once it has sent its bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It keeps its half of the connection open.
    Wait,
    /// It says that no more will come.
    HangUp,
}

/// The head of a request to create tasks in the app's case, with its key, up to the headers that
/// describe the body. The connection ends with the answer.
pub(crate) fn head(app: &App) -> String {
    format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\n",
        app.batch_path(),
        app.key.expose()
    )
}

/// Sends the bytes as they are and reads the one answer, whose body must be JSON.
pub(crate) async fn exchange(to: SocketAddr, bytes: &[u8], then: Then) -> Reply {
    let (mut reader, mut writer) = TcpStream::connect(to).await.unwrap().into_split();
    let mut answer = Vec::new();
    let send = async {
        // An answer may come, and the connection end, before all is sent: that is no fault.
        let _cut_short = writer.write_all(bytes).await;
        if then == Then::HangUp {
            let _gone = writer.shutdown().await;
        }
        // Given back, so that the half isn't closed before the answer is there.
        writer
    };
    let (_writer, read) = tokio::join!(send, reader.read_to_end(&mut answer));
    // A reset after a whole answer is no fault either; half an answer can't be parsed.
    let _reset = read;
    parse(&answer)
}

fn parse(answer: &[u8]) -> Reply {
    let text = std::str::from_utf8(answer).unwrap();
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
