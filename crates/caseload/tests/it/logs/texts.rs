//! Texts that a caller chooses are cut where they are logged.

use std::net::SocketAddr;

use crate::support::{
    App, Program, gateway_path,
    raw_http::{self, AfterSending, exchange},
    start_server_process,
};

/// Sends a request whose texts are as long as they may be.
async fn send_long_texts(to: SocketAddr) {
    let long = "A".repeat(1500);
    let head = format!(
        "{long} /{long}?{long} HTTP/1.1\r\nhost: localhost\r\nx-request-id: {long}\r\n\
         user-agent: {long}\r\ntraceparent: {long}\r\nauthorization: {long}\r\n\
         idempotency-key: {long}\r\nconnection: close\r\n\r\n"
    );
    exchange(to, head.as_bytes(), AfterSending::Wait).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_caller_can_make_a_log_line_long() {
    let app = App::start().await;
    let server = start_server_process(app.database.url().expose(), &["--grpc-addr", "127.0.0.1:0"]);
    let grpc_addr = server.wait_for_address("serving gRPC");
    let upstream = format!("http://{grpc_addr}");
    let args = ["--http-addr", "127.0.0.1:0", "--upstream", &upstream, "--log-level", "debug"];
    let gateway = Program::start(&gateway_path(), &args);
    send_long_texts(gateway.wait_for_address("serving REST")).await;
    // Over gRPC: a method that does not exist, with a name of characters of several bytes.
    let stream = raw_http::connect(grpc_addr).await;
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let path = format!("http://localhost/{}", "é".repeat(1000));
    let request = http::Request::post(path).header("content-type", "application/grpc");
    let (response, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
    assert_eq!(response.await.unwrap().headers()["grpc-status"], "12");

    for program in [gateway, server] {
        program.terminate();
        let exited = program.wait_for_exit();
        let rejected = exited.stderr.lines().find(|line| line.contains("request rejected"));
        assert!(rejected.unwrap().contains("…"), "{rejected:?}");
        for line in exited.stderr.lines() {
            assert!(line.len() < 2000, "{line}");
        }
    }
}
