//! What is no call, and what is switched off.

use http::HeaderMap;
use reqwest::Method;

use super::{Answer, BATCH_CREATE, framed, post, start};
use crate::support::{
    App, CASELOAD, Program, code_and_reasons, http_client, raw_grpc,
    raw_http::{connect, read_to_end},
};

#[tokio::test(flavor = "multi_thread")]
async fn without_the_options_the_port_speaks_grpc_over_http_2_only() {
    let app = App::start().await;
    let mut stream = connect(app.grpc_addr).await;
    let request = format!("POST {BATCH_CREATE} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    // A GOAWAY frame, or nothing.
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_is_served_as_before() {
    let app = start().await;
    app.assert_serves().await;
    let path = "/caseload.tasks.v1.TaskService/Nothing";
    let status =
        raw_grpc::send(&mut app.channel().await, path, HeaderMap::new(), framed(b"")).await;
    assert_eq!(code_and_reasons(&status), "UNIMPLEMENTED NOT_SUPPORTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_call_is_refused_without_reading_it() {
    let app = start().await;
    for content_type in ["text/plain", "application/json", "application/grpc-web+json", ""] {
        let answer = Answer::of(post(&app, BATCH_CREATE, content_type, Some(&app.key))).await;
        assert_eq!(answer.status, 415, "{content_type}");
        assert_ne!(answer.header("accept-post"), "");
    }
    let answer = Answer::of(post(&app, BATCH_CREATE, "application/grpc", Some(&app.key))).await;
    assert_eq!(answer.status, 505);
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let url = format!("http://{}{BATCH_CREATE}", app.grpc_addr);
        let answer = Answer::of(http_client().request(method, url)).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"));
    }
}

#[test]
fn origins_without_a_protocol_are_a_mistake() {
    for (args, message) in [
        (&["--cors-origins", "https://a.example"][..], "--cors-origins needs --grpc-web"),
        (&["--grpc-web", "--cors-origins", "a.example"], "origins have a scheme"),
    ] {
        let exited =
            Program::run(CASELOAD, &[&["serve", "--database-url", "postgresql://"], args].concat());
        assert_eq!(exited.status.code(), Some(64), "{exited:?}");
        assert!(exited.stderr.contains(message), "{exited:?}");
    }
}
