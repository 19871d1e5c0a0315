//! HTTP/2's rapid reset (CVE-2023-44487): requests that are withdrawn as soon as they are made,
//! which cost their maker next to nothing.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{
    assert_serves, connect,
    http2::{PREFACE, SETTINGS},
};
use crate::support::{App, Reply, Session, polling::PATIENCE};

/// How many requests are made and withdrawn in one write.
const BURST: u32 = 2_000;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&size[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A request's headers, as HPACK (RFC 7541) writes them without its tables.
fn headers(path: &str) -> Vec<u8> {
    let literal = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    // POST, http; then the path and the authority by the indexes of their names.
    let mut block = vec![0x83, 0x86, 0x04];
    block.extend(literal(path));
    block.push(0x01);
    block.extend(literal("a"));
    for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")] {
        block.push(0);
        block.extend(literal(name));
        block.extend(literal(value));
    }
    block
}

/// Floods until the connection is ended, within one patience. Returns how many requests it took.
async fn flood(to: SocketAddr, path: &str) -> u32 {
    let mut stream = connect(to).await;
    stream.write_all(&[PREFACE, SETTINGS].concat()).await.unwrap();
    let block = headers(path);
    let mut id = 1;
    let flood = async {
        loop {
            let mut burst = Vec::new();
            for _ in 0..BURST {
                // HEADERS, whole; RST_STREAM, cancelled.
                burst.extend(frame(HEADERS, 4, id, &block));
                burst.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
                id += 2;
            }
            if stream.write_all(&burst).await.is_err() {
                return;
            }
        }
    };
    timeout(PATIENCE, flood).await.expect("the flood is endured without end");
    id / 2
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_withdrawn_requests_is_cut_off_and_the_others_are_served() {
    let app = App::start().await;
    for (addr, path) in [
        (app.http_addr, "/readyz"),
        (app.http_addr, app.batch_path().as_str()),
        (app.grpc_addr, "/caseload.tasks.v1.TaskService/BatchCreateTasks"),
    ] {
        let path = path.to_owned();
        let floods: Vec<_> = (0..4)
            .map(|_| {
                let path = path.clone();
                tokio::spawn(async move { flood(addr, &path).await })
            })
            .collect();
        assert_serves(&app).await;
        for flood in floods {
            flood.await.unwrap();
        }
        assert_serves(&app).await;
    }
}

/// Reads a whole frame, and returns its type.
async fn frame_type(stream: &mut TcpStream) -> u8 {
    let mut head = [0; 9];
    let frame = async {
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        stream.read_exact(&mut vec![0; length as usize]).await
    };
    timeout(PATIENCE, frame).await.expect("a frame").expect("the connection was closed");
    head[3]
}

/// A gateway has one connection for all of its callers, who would be lost with it.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_come_when_their_calls_have_been_refused_do_not_end_the_connection() {
    let app = App::builder().server_args(&["--max-in-flight", "1"]).start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let one_task = r#"{"tasks":[{"description":"x"}]}"#;
    let in_flight = tokio::spawn(Reply::of(app.post().body(one_task)));
    session.await_blocked(1);

    let mut stream = connect(app.grpc_addr).await;
    stream.write_all(&[PREFACE, SETTINGS].concat()).await.unwrap();
    let block = headers("/caseload.tasks.v1.TaskService/BatchCreateTasks");
    let ids = || (0..BURST).map(|n| 2 * n + 1);
    let calls: Vec<u8> = ids().flat_map(|id| frame(HEADERS, 4, id, &block)).collect();
    stream.write_all(&calls).await.unwrap();
    let mut refused = 0;
    while refused < BURST {
        let kind = frame_type(&mut stream).await;
        assert_ne!(kind, GOAWAY, "after {refused} calls");
        refused += u32::from(kind == RST_STREAM);
    }
    let bodies: Vec<u8> = ids().flat_map(|id| frame(0, 0, id, b"late")).collect();
    stream.write_all(&bodies).await.unwrap();
    stream.write_all(&frame(PING, 0, 0, b"be there")).await.unwrap();
    loop {
        match frame_type(&mut stream).await {
            PING => break,
            kind => assert_ne!(kind, GOAWAY, "after the bodies"),
        }
    }

    session.unlock();
    assert_eq!(in_flight.await.unwrap().status, 201);
}
