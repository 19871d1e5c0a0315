//! Connections whose other end is gone, or as good as gone.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use caseload_serving::{ConnectionOptions, Protocol, serve};
use clap::Parser;
use http::{Request, Response};
use hyper::body::{Body, Bytes, Incoming};
use runtime::CancellationToken;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tower::service_fn;

const PREFACE_AND_SETTINGS: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// For whatever must come to pass.
const PATIENCE: Duration = Duration::from_secs(30);

const PROTOCOL: Protocol = Protocol {
    is_http2_only: false,
    max_head_bytes: 16 * 1024,
    max_streams: 16,
    max_early_resets: 16,
    max_ended_streams: Some(16),
    ping_interval: Duration::from_millis(100),
    ping_timeout: Duration::from_millis(100),
};

#[derive(Parser)]
struct Options {
    #[command(flatten)]
    connections: ConnectionOptions,
}

/// Serves one kind of answer until the token is cancelled and all connections have ended.
async fn start<B>(
    answer: impl Fn() -> B + Clone + Send + Sync + 'static,
) -> (SocketAddr, CancellationToken, JoinHandle<()>)
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let long = Duration::from_secs(3600);
    let limits = Options::parse_from([""]).connections.limits(long, long);
    let service = service_fn(move |_: Request<Incoming>| {
        let answer = answer.clone();
        async move { Ok::<_, Infallible>(Response::new(answer())) }
    });
    let ending = CancellationToken::new();
    let accepting = ending.clone().cancelled_owned();
    let serving = tokio::spawn(serve(listener, service, PROTOCOL, limits, accepting));
    (addr, ending, serving)
}

#[tokio::test]
async fn a_connection_over_http_2_whose_other_end_does_not_answer_pings_is_closed() {
    let (addr, ..) = start(String::new).await;
    let mut client = TcpStream::connect(addr).await.unwrap();
    client.write_all(PREFACE_AND_SETTINGS).await.unwrap();
    let mut came = Vec::new();
    let _reset = timeout(PATIENCE, client.read_to_end(&mut came)).await.expect("still open");
    assert!(!came.is_empty(), "it was never opened");
}

/// It would wait for bytes to go that never do, whatever it is told.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_whose_other_end_takes_nothing_any_more_is_closed() {
    let (addr, ending, serving) = start(|| "x".repeat(64 * 1024 * 1024)).await;
    let mut client = TcpStream::connect(addr).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    client.readable().await.unwrap();

    ending.cancel();
    timeout(PATIENCE, serving).await.expect("still open").unwrap();
}

#[tokio::test]
async fn what_runs_is_cut_off_with_its_door() {
    let (addr, _, serving) = start(String::new).await;
    let mut client = TcpStream::connect(addr).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    client.read_u8().await.unwrap();
    serving.abort();
    let _reset = timeout(PATIENCE, client.read_to_end(&mut Vec::new())).await.expect("still open");
}
