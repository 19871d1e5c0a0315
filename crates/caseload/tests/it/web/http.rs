//! What is no call, and what is switched off.

use http::HeaderMap;
use reqwest::Method;

use super::{Answer, BATCH_CREATE, framed, one_task, one_task_encoded, post, start};
use crate::support::{
    App, CASELOAD, Program, code_and_reasons, http_client, raw_grpc,
    raw_http::{connect, read_to_end},
};

/// Sends a call in JSON over HTTP/2, in the framing of gRPC. Returns the HTTP status and the content type.
async fn json_over_http2(app: &App) -> (u16, String) {
    let (client, connection) = h2::client::handshake(connect(app.grpc_addr).await).await.unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let request = http::Request::post(format!("http://{}{BATCH_CREATE}", app.grpc_addr))
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {}", app.key.expose()));
    let (response, mut body) = client.send_request(request.body(()).unwrap(), false).unwrap();
    let _unwanted = body.send_data(one_task(app).to_string().into_bytes().into(), true);
    let response = response.await.unwrap();
    let content_type = &response.headers()["content-type"];
    (response.status().as_u16(), content_type.to_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_options_the_port_speaks_grpc_over_http_2_only() {
    let app = App::start().await;
    let mut stream = connect(app.grpc_addr).await;
    let request = format!("POST {BATCH_CREATE} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    // A GOAWAY frame, or nothing.
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    // The message is read as one of gRPC, which it is not.
    let (status, content_type) = json_over_http2(&app).await;
    assert_eq!((status, content_type.as_str()), (200, "application/grpc"));
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_and_connect_are_served_over_http_2_side_by_side() {
    let app = start().await;
    app.assert_serves().await;
    assert_eq!(json_over_http2(&app).await, (200, "application/json".to_owned()));
    let path = "/caseload.tasks.v1.TaskService/Nothing";
    let status =
        raw_grpc::send(&mut app.channel().await, path, HeaderMap::new(), framed(b"")).await;
    assert_eq!(code_and_reasons(&status), "UNIMPLEMENTED NOT_SUPPORTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protocol_that_is_off_is_an_unknown_content_type() {
    let grpc_web = App::builder().server_args(&["--grpc-web"]).start().await;
    let connect = App::builder().server_args(&["--connect"]).start().await;
    let (web, json) = ("application/grpc-web", "application/json");
    for (app, content_type, accepted) in [
        (&grpc_web, json, "application/grpc, application/grpc-web, application/grpc-web-text"),
        (&connect, web, "application/grpc, application/json, application/proto"),
    ] {
        let answer = Answer::of(post(app, BATCH_CREATE, content_type, Some(&app.key))).await;
        assert_eq!((answer.status.as_u16(), answer.header("accept-post")), (415, accepted));
    }
    let request = post(&grpc_web, BATCH_CREATE, web, Some(&grpc_web.key));
    let request = request.body(framed(&one_task_encoded(&grpc_web)));
    assert_eq!(Answer::of(request).await.grpc_web_result(), "OK");
    let request = post(&connect, BATCH_CREATE, json, Some(&connect.key)).json(&one_task(&connect));
    assert_eq!(Answer::of(request).await.connect_result(), "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_call_is_refused_without_reading_it() {
    let app = start().await;
    for content_type in ["text/plain", "application/connect+json", "application/grpc-web+json", ""]
    {
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
        (
            &["--cors-origins", "https://a.example"][..],
            "--cors-origins needs --grpc-web or --connect",
        ),
        (&["--connect", "--cors-origins", "a.example"], "origins have a scheme"),
    ] {
        let exited =
            Program::run(CASELOAD, &[&["serve", "--database-url", "postgresql://"], args].concat());
        assert_eq!(exited.status.code(), Some(64), "{exited:?}");
        assert!(exited.stderr.contains(message), "{exited:?}");
    }
}
