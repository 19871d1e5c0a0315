//! Callers that mean harm, or might as well: whatever they do, the others are served.

mod http1;
mod http2;
mod many_idle;
mod max_age;
mod open_files;
mod rapid_reset;

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    support::create_call::Call,
    support::{App, polling::PATIENCE, start_gateway_with, start_server},
};

/// One more gateway before the app's server, with options.
pub(crate) async fn gateway(app: &App, args: &[&str]) -> SocketAddr {
    start_gateway_with(app.grpc_addr, args, &app.ending).await
}

/// One more server on the app's database, with options.
pub(crate) async fn server(app: &App, args: &[&str]) -> SocketAddr {
    start_server(app.database.url(), args, &app.ending).await
}

pub(crate) async fn connect(to: SocketAddr) -> TcpStream {
    TcpStream::connect(to).await.unwrap()
}

/// Reads until the other end has closed, or reset, the connection. Returns what came.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    let _reset = read.expect("the connection is still open");
    bytes
}

/// Asks for `/livez` and reads the answer, on a connection that stays open.
pub(crate) async fn ask(stream: &mut TcpStream) {
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(br#"{"status":"live"}"#) {
        let read = timeout(PATIENCE, stream.read_buf(&mut answer)).await.expect("an answer");
        assert_ne!(read.unwrap(), 0, "closed: {}", String::from_utf8_lossy(&answer));
    }
}

/// Whoever calls on either door is served.
pub(crate) async fn assert_serves(app: &App) {
    assert_eq!(Call::of(app).key(&app.key).told(app).await, "OK");
}
