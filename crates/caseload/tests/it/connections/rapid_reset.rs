//! HTTP/2 rapid reset (CVE-2023-44487): requests that are cancelled as soon as they are sent, which
//! cost the client next to nothing.

use std::net::SocketAddr;

use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};

use crate::support::{
    App, ONE_TASK, Reply, Session,
    http2::{
        DATA, Frame, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, call_headers, frame,
    },
    polling::TEST_TIMEOUT,
    raw_http::connect,
};

/// How many requests are sent and cancelled in one write.
const BURST: u32 = 2_000;

/// Sends and cancels requests until the other end closes the connection. Panics after the test
/// timeout. Returns how many requests were sent.
async fn flood(to: SocketAddr, path: &str) -> u32 {
    let mut stream = connect(to).await;
    stream.write_all(&[PREFACE, SETTINGS].concat()).await.unwrap();
    let block = call_headers(path, &[]);
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
    timeout(TEST_TIMEOUT, flood).await.expect("the connection is still open");
    id / 2
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_cancelled_requests_is_cut_off_and_other_callers_are_served() {
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
        app.assert_serves().await;
        for flood in floods {
            flood.await.unwrap();
        }
        app.assert_serves().await;
    }
}

/// Reads a frame and returns its type.
async fn frame_type(stream: &mut TcpStream) -> u8 {
    let frame = timeout(TEST_TIMEOUT, Frame::read(stream)).await.expect("a frame");
    frame.expect("the connection was closed").kind()
}

/// A gateway has one connection for all of its callers, whose calls would fail with it.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_arrive_after_their_calls_were_rejected_do_not_end_the_connection() {
    let app = App::builder().server_args(&["--max-in-flight", "1"]).start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let in_flight = tokio::spawn(Reply::of(app.post().body(ONE_TASK)));
    session.await_blocked(1);

    let mut stream = connect(app.grpc_addr).await;
    stream.write_all(&[PREFACE, SETTINGS].concat()).await.unwrap();
    let block = call_headers("/caseload.tasks.v1.TaskService/BatchCreateTasks", &[]);
    let ids = || (0..BURST).map(|n| 2 * n + 1);
    let calls: Vec<u8> = ids().flat_map(|id| frame(HEADERS, 4, id, &block)).collect();
    stream.write_all(&calls).await.unwrap();
    let mut rejected = 0;
    while rejected < BURST {
        let kind = frame_type(&mut stream).await;
        assert_ne!(kind, GOAWAY, "after {rejected} calls");
        rejected += u32::from(kind == RST_STREAM);
    }
    let bodies: Vec<u8> = ids().flat_map(|id| frame(DATA, 0, id, b"late")).collect();
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
