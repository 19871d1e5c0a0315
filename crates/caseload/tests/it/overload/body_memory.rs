//! Bodies that are begun and not ended, to fill the memory with.

use std::net::SocketAddr;

use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};

use crate::connections::{connect, gateway};
use crate::{
    support::raw_http::{self, Then, exchange},
    support::{
        App, Reply,
        polling::{PATIENCE, eventually},
    },
};

const KIB: usize = 1024;

/// Sends a request without a key, whose body is said to have so many bytes, and so many of them.
async fn begin(app: &App, to: SocketAddr, declared: usize, sent: usize) -> TcpStream {
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

/// A request with the app's key whose body is padded to so many bytes.
async fn create(app: &App, to: SocketAddr, size: usize) -> Reply {
    let mut body = r#"{"tasks":[{"description":"a"}]}"#.to_owned();
    body.push_str(&" ".repeat(size - body.len()));
    let request = format!("{}content-length: {size}\r\n\r\n{body}", raw_http::head(app));
    timeout(PATIENCE, exchange(to, request.as_bytes(), Then::Wait)).await.expect("an answer")
}

/// Sends a part of a body, and waits for an answer.
async fn hold(app: &App, to: SocketAddr, declared: usize, sent: usize) -> Reply {
    let head = format!("{}content-length: {declared}\r\n\r\n", raw_http::head(app));
    let request = [head.into_bytes(), vec![b' '; sent]].concat();
    timeout(PATIENCE, exchange(to, &request, Then::Wait)).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_end_hold_so_much_memory_and_no_more() {
    let app = App::start().await;
    let http_addr = gateway(&app, &["--body-memory", "1", "--upstream-timeout", "60s"]).await;

    // There is room for one of two. Who is refused is who comes to the end of it, in the midst of
    // its body; it holds nothing then.
    let mut either = Box::pin(hold(&app, http_addr, 700 * KIB, 600 * KIB));
    let mut other = Box::pin(hold(&app, http_addr, 700 * KIB, 600 * KIB));
    let (refused, holder) = tokio::select! {
        refused = &mut either => (refused, other),
        refused = &mut other => (refused, either),
    };
    assert_eq!(refused.status, 503);
    assert_eq!(refused.problem()["code"], "UNAVAILABLE");
    assert_eq!(refused.faults(), ["OVERLOADED -"]);
    assert_eq!(refused.header("retry-after"), "1");

    // What fits beside the other one is served.
    for size in [100, 300 * KIB] {
        assert_eq!(create(&app, http_addr, size).await.status, 201);
    }

    drop(holder);
    eventually("room", async || {
        (create(&app, http_addr, 900 * KIB).await.status == 201).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_announced_and_does_not_come_holds_nothing() {
    let app = App::start().await;
    let http_addr = gateway(&app, &["--body-memory", "1"]).await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(begin(&app, http_addr, KIB * KIB, 1).await);
    }
    assert_eq!(create(&app, http_addr, 900 * KIB).await.status, 201);
}

/// What a body is turned into is larger, where its items are next to nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_small_body_that_takes_much_memory_is_refused_for_what_it_takes() {
    let app = App::start().await;
    let http_addr = gateway(&app, &["--body-memory", "1"]).await;
    for body in [
        format!(r#"{{"tasks":[{}{{}}]}}"#, "{},".repeat(100_000)),
        format!(r#"{{"tasks":[{{"assignee_emails":[{}""]}}]}}"#, r#""","#.repeat(100_000)),
    ] {
        let request =
            format!("{}content-length: {}\r\n\r\n{body}", raw_http::head(&app), body.len());
        let reply = exchange(http_addr, request.as_bytes(), Then::Wait).await;
        assert_eq!((reply.status.as_u16(), reply.faults()), (503, vec!["OVERLOADED -".to_owned()]));
    }
    assert_eq!(create(&app, http_addr, 900 * KIB).await.status, 201);
}
