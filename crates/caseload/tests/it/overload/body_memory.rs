//! The gateway's memory for request bodies, and clients that try to use it up.

use std::net::SocketAddr;

use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};

use crate::support::{
    App, Reply,
    polling::{TEST_TIMEOUT, eventually},
    raw_http::{AfterSending, connect, exchange, padded_body, request_head},
};

const KIB: usize = 1024;

/// Sends the beginning of a request without a key: a body of `declared` bytes, of which `sent` are
/// sent. Returns the open connection.
async fn send_partly(app: &App, to: SocketAddr, declared: usize, sent: usize) -> TcpStream {
    let mut stream = connect(to).await;
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: {declared}\r\n\r\n",
        app.batch_path()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; sent]).await.unwrap();
    stream
}

/// Makes a valid request with the app's key and a body of `size` bytes.
async fn create(app: &App, to: SocketAddr, size: usize) -> Reply {
    let body = padded_body(size);
    let request = format!("{}content-length: {size}\r\n\r\n{body}", request_head(app));
    timeout(TEST_TIMEOUT, exchange(to, request.as_bytes(), AfterSending::Wait))
        .await
        .expect("a response")
}

/// Sends `sent` of the `declared` bytes of a body, and waits for the response.
async fn send_partly_and_wait(app: &App, to: SocketAddr, declared: usize, sent: usize) -> Reply {
    let head = format!("{}content-length: {declared}\r\n\r\n", request_head(app));
    let request = [head.into_bytes(), vec![b' '; sent]].concat();
    timeout(TEST_TIMEOUT, exchange(to, &request, AfterSending::Wait)).await.expect("a response")
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_bodies_use_at_most_the_configured_memory() {
    let app = App::start().await;
    let http_addr = app.start_gateway(&["--body-memory", "1", "--upstream-timeout", "60s"]).await;

    // The memory is enough for one of two. The one that exceeds it is rejected in the middle of its
    // body, and then uses none.
    let mut either = Box::pin(send_partly_and_wait(&app, http_addr, 700 * KIB, 600 * KIB));
    let mut other = Box::pin(send_partly_and_wait(&app, http_addr, 700 * KIB, 600 * KIB));
    let (rejected, unfinished) = tokio::select! {
        rejected = &mut either => (rejected, other),
        rejected = &mut other => (rejected, either),
    };
    assert_eq!(rejected.status, 503);
    assert_eq!(rejected.problem()["code"], "UNAVAILABLE");
    assert_eq!(rejected.violations(), ["OVERLOADED -"]);
    assert_eq!(rejected.header("retry-after"), "1");

    // Bodies that fit beside the unfinished one are accepted.
    for size in [100, 300 * KIB] {
        assert_eq!(create(&app, http_addr, size).await.status, 201);
    }

    drop(unfinished);
    eventually("free memory", async || {
        (create(&app, http_addr, 900 * KIB).await.status == 201).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_body_that_is_not_sent_uses_no_memory() {
    let app = App::start().await;
    let http_addr = app.start_gateway(&["--body-memory", "1"]).await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(send_partly(&app, http_addr, KIB * KIB, 1).await);
    }
    assert_eq!(create(&app, http_addr, 900 * KIB).await.status, 201);
}

/// A body of many tiny items takes far more memory once it is decoded.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_rejected_for_the_memory_that_it_takes_once_decoded() {
    let app = App::start().await;
    let http_addr = app.start_gateway(&["--body-memory", "1"]).await;
    let tasks = format!(r#"{{"tasks":[{}{{}}]}}"#, "{},".repeat(9_990));
    let body = format!("{tasks}{}", " ".repeat(700 * KIB));
    let request = format!("{}content-length: {}\r\n\r\n{body}", request_head(&app), body.len());
    let reply = exchange(http_addr, request.as_bytes(), AfterSending::Wait).await;
    assert_eq!((reply.status.as_u16(), reply.violations()), (503, vec!["OVERLOADED -".to_owned()]));
    assert_eq!(create(&app, http_addr, 900 * KIB).await.status, 201);
}
