//! TLS between gateway and server.

use serde_json::Value;

use super::files::{Files, borrowed};
use crate::support::{
    App, Authority, Holder, ONE_TASK, Program, Reply, gateway_path, polling::eventually,
    start_gateway_to,
};

/// Sends a request to create a task to a gateway for a server with this URL, with options of the gateway.
async fn create(app: &mut App, upstream: &str, args: &[&str]) -> Reply {
    app.http_addr = start_gateway_to(upstream, args, &app.shutdown).await;
    Reply::of(app.post().body(ONE_TASK)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_calls_a_server_over_mutual_tls() {
    let mut app = App::start().await;
    let files = Files::create();
    files.issue("gateway", Holder { names: &["gateway.example"], ..Holder::default() });
    let server = app.start_server(&borrowed(&files.mutual(&[]))).await;
    let (ca, cert, key) =
        (files.path("ca.pem"), files.path("gateway.crt"), files.path("gateway.key"));
    let trust = ["--upstream-ca-file", &*ca];
    let identity = ["--upstream-cert", &*cert, "--upstream-key", &*key];
    let both = [trust, [identity[0], identity[1]], [identity[2], identity[3]]].concat();
    let by_name = format!("https://localhost:{}", server.port());
    let by_address = format!("https://127.0.0.1:{}", server.port());
    for upstream in [by_name, by_address] {
        let reply = create(&mut app, &upstream, &both).await;
        assert_eq!(reply.status, 201, "{upstream}: {reply:?}");
    }
    assert_eq!(app.row_counts().0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_have_another_name_than_its_address() {
    let mut app = App::start().await;
    let files = Files::create();
    files.issue("tls", Holder { names: &["server.internal"], ..Holder::default() });
    let server = app.start_server(&borrowed(&files.listener(&[]))).await;
    let upstream = format!("https://127.0.0.1:{}", server.port());
    let ca = files.path("ca.pem");
    let trust = ["--upstream-ca-file", &*ca];
    let reply = create(&mut app, &upstream, &trust).await;
    assert_eq!(
        (reply.status.as_u16(), &*reply.violations()),
        (503, &["UPSTREAM_UNAVAILABLE -".to_owned()][..])
    );
    let named = [&trust[..], &["--upstream-name", "server.internal"]].concat();
    assert_eq!(create(&mut app, &upstream, &named).await.status, 201);
    assert_eq!(app.row_counts().0, 1);
}

/// With TLS 1.3 a client learns that its certificate is refused only after it could have sent a request.
/// That would be a call whose outcome is unknown.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_a_server_that_refuses_the_gateway_is_not_begun() {
    let mut app = App::start().await;
    let files = Files::create();
    let foreign = Authority::create("Another").issue(Holder::default());
    let (cert, key) = (
        files.write("foreign.crt", &foreign.certificate),
        files.write("foreign.key", &foreign.key),
    );
    let namesake = files.write("namesake.pem", Authority::create("Acme").certificate());
    let server = app.start_server(&borrowed(&files.mutual(&[]))).await;
    let upstream = format!("https://localhost:{}", server.port());
    let ca = files.path("ca.pem");
    for args in [
        &["--upstream-ca-file", &*ca][..],
        &["--upstream-ca-file", &*ca, "--upstream-cert", &*cert, "--upstream-key", &*key],
        &["--upstream-ca-file", &*namesake],
    ] {
        let reply = create(&mut app, &upstream, args).await;
        assert_eq!(reply.status, 503, "{reply:?}");
        assert_eq!(reply.violations(), ["UPSTREAM_UNAVAILABLE -"]);
    }
    // A server without TLS, and one with it that is called without.
    let plain = format!("https://localhost:{}", app.grpc_addr.port());
    assert_eq!(create(&mut app, &plain, &["--upstream-ca-file", &*ca]).await.status, 503);
    assert_eq!(app.row_counts().0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_why_there_is_no_secure_connection() {
    let app = App::start().await;
    let files = Files::create();
    let server = app.start_server(&borrowed(&files.mutual(&[]))).await;
    let upstream = format!("https://localhost:{}", server.port());
    let ca = files.path("ca.pem");
    let args = ["--http-addr", "127.0.0.1:0", "--upstream", &*upstream, "--upstream-ca-file", &*ca];
    let gateway = Program::start(&gateway_path(), &args);
    let addr = gateway.wait_for_address("serving REST");
    // A connection may be reset before the alert that says why is read.
    eventually("the reason", async || {
        assert!(!matches!(gateway::check(addr, None).await, Ok(true)));
        gateway.stderr().contains("no secure connection to a server").then_some(())
    })
    .await;
    let line = gateway.wait_for_log("no secure connection to a server");
    assert_eq!(line["level"], "WARN");
    assert!(line["upstream"].as_str().unwrap().starts_with(&upstream), "{line}");
    let text = Value::to_string(&line);
    assert!(text.contains("CertificateRequired"), "{line}");
}
