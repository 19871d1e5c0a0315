//! HTTP/2's rapid reset (CVE-2023-44487): requests that are withdrawn as soon as they are made,
//! which cost their maker next to nothing.

use std::net::SocketAddr;

use tokio::{io::AsyncWriteExt as _, time::timeout};

use super::{assert_serves, connect};
use crate::support::{App, patience::PATIENCE};

/// How many requests are made and withdrawn in one write.
const BURST: u32 = 2_000;

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
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    let block = headers(path);
    let mut id = 1;
    let flood = async {
        loop {
            let mut burst = Vec::new();
            for _ in 0..BURST {
                // HEADERS, whole; RST_STREAM, cancelled.
                burst.extend(frame(1, 4, id, &block));
                burst.extend(frame(3, 0, id, &8_u32.to_be_bytes()));
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
