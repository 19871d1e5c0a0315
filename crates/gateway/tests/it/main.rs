//! `caseload-gateway` as a process: its configuration, its start without servers, its health, and
//! its end.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails at the first surprise")]

mod intermediaries;
#[path = "../../../caseload/tests/it/support/polling.rs"]
mod polling;
#[expect(dead_code, reason = "the tests of crates/caseload use the rest")]
#[path = "../../../caseload/tests/it/support/program.rs"]
mod program;

use std::net::{SocketAddr, TcpListener};

use serde_json::{Value, json};
use tonic::transport::server::TcpIncoming;
use tonic_health::{ServingStatus, server::HealthReporter};

use polling::{eventually, wait_until};
use program::Program;

const GATEWAY: &str = env!("CARGO_BIN_EXE_caseload-gateway");

/// Nothing listens here.
const NOWHERE: &str = "http://127.0.0.1:1";

/// Starts a gateway on a free port. Returns its address, too.
fn start(upstream: &str, more_args: &[&str]) -> (Program, SocketAddr) {
    let args = [&["--http-addr", "127.0.0.1:0", "--upstream", upstream], more_args].concat();
    let program = Program::start(GATEWAY, &args);
    let addr = program.wait_for_address("serving REST");
    (program, addr)
}

/// Returns the status and the body of the response.
async fn get(addr: SocketAddr, path: &str) -> (u16, Value) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = http.get(format!("http://{addr}{path}")).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn health(addr: SocketAddr) -> Option<i32> {
    Program::run(GATEWAY, &["--http-addr", &addr.to_string(), "health"]).code()
}

/// Starts a server that has only the health service, which is all that readiness needs.
async fn start_upstream() -> (HealthReporter, SocketAddr) {
    let (reporter, service) = tonic_health::server::health_reporter();
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = incoming.local_addr().unwrap();
    let server = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(incoming));
    (reporter, addr)
}

#[test]
fn an_invalid_configuration_ends_the_program_with_a_sentence_before_a_socket_is_opened() {
    // If the socket were opened, the program would fail because of this address, with another code.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for args in [
        &["--upstream", "server:50051"][..],
        &["--upstream", "ftp://server:50051"],
        &["--upstream", "http://server:50051/path"],
        &["--upstream", "http://me:hunter2@server:50051"],
        &["--upstream", ""],
        &["--upstream-timeout", "soon"],
        &["--upstream-timeout", "0s"],
        &["--upstream-timeout", "8000y"],
        &["--body-memory", "0"],
        &["--body-memory", "4"],
        &["--body-memory", "100", "--address-share", "1"],
        &["--body-memory", "18446744073709551615"],
        &["--drain-timeout", "1 fortnight"],
        &["--log-format", "xml"],
        &["--no-such-option"],
        &["no-such-command"],
    ] {
        let ended = Program::start_with_env(GATEWAY, args, &[("CASELOAD_HTTP_ADDR", &addr)])
            .wait_for_exit();
        assert_eq!(ended.code(), Some(64), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains(args[0]), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{args:?}");
    }
}

#[test]
fn an_upstream_with_a_password_is_rejected_and_not_repeated() {
    let ended = Program::run(GATEWAY, &["--upstream", "http://me:hunter2@server:50051"]);
    assert_eq!(ended.code(), Some(64), "{ended:?}");
    ended.assert_never_wrote(&["hunter2"]);
}

#[test]
fn an_address_that_is_taken_ends_the_program_with_a_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let ended = Program::run(GATEWAY, &["--http-addr", &addr]);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains(&format!("error: failed to serve REST on {addr}: ")),
        "{ended:?}"
    );
}

#[test]
fn help_is_not_a_failure() {
    for (args, named) in [
        (&["--help"][..], "CASELOAD_UPSTREAM"),
        (&["help", "health"], "--http-addr"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        let ended = Program::run(GATEWAY, args);
        assert_eq!(ended.code(), Some(0), "{args:?}: {ended:?}");
        assert!(ended.stdout.contains(named), "{args:?}: {}", ended.stdout);
        assert_eq!(ended.stderr, "", "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_upstream_a_gateway_starts_and_is_live_but_not_ready() {
    let (program, addr) = start(NOWHERE, &[]);

    assert_eq!(get(addr, "/livez").await, (200, json!({"status": "live"})));
    let (status, problem) = get(addr, "/readyz").await;
    assert_eq!(status, 503);
    assert_eq!(problem["errors"][0]["details"], "NOT_READY");
    assert_eq!(health(addr), Some(1));

    program.terminate();
    let ended = program.wait_for_exit();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    for event in ended.log() {
        let message = event["message"].as_str().unwrap_or_default();
        let is_of_a_request = ["request rejected", "request failed"].contains(&message);
        assert!(!is_of_a_request || event["span"]["request_id"].is_string(), "{event}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_follows_the_health_of_the_upstream() {
    let (upstream, upstream_addr) = start_upstream().await;
    let (_program, addr) = start(&format!("http://{upstream_addr}"), &[]);

    eventually("readiness", async || (get(addr, "/readyz").await.0 == 200).then_some(())).await;
    assert_eq!(health(addr), Some(0));

    upstream.set_service_status("", ServingStatus::NotServing).await;
    assert_eq!(get(addr, "/readyz").await.0, 503);
    assert_eq!(health(addr), Some(1));

    upstream.set_service_status("", ServingStatus::Serving).await;
    assert_eq!(health(addr), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_several_upstreams_a_gateway_is_ready_while_any_of_them_serves() {
    let (one, one_addr) = start_upstream().await;
    let (other, other_addr) = start_upstream().await;
    let more = format!("http://{other_addr},{NOWHERE}");
    let (program, addr) = start(&format!("http://{one_addr}"), &["--upstream", &more]);
    eventually("readiness", async || (get(addr, "/readyz").await.0 == 200).then_some(())).await;
    let event = program.wait_for_log("serving REST");
    let all = format!("http://{one_addr}/,http://{other_addr}/,{NOWHERE}/");
    assert_eq!(event["upstream"], all);

    one.set_service_status("", ServingStatus::NotServing).await;
    assert_eq!(get(addr, "/readyz").await.0, 200);
    // A probe may share a check that was begun before, as the gateway makes some by itself.
    let becomes = async |status: u16| {
        let is_reached = async || (get(addr, "/readyz").await.0 == status).then_some(());
        eventually("another readiness", is_reached).await;
    };
    other.set_service_status("", ServingStatus::NotServing).await;
    becomes(503).await;
    one.set_service_status("", ServingStatus::Serving).await;
    becomes(200).await;
}

#[test]
fn health_fails_if_no_gateway_is_running() {
    assert_eq!(health("127.0.0.1:1".parse().unwrap()), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn during_the_drain_delay_a_gateway_serves_but_is_not_ready() {
    let (_upstream, upstream_addr) = start_upstream().await;
    let (program, addr) = start(&format!("http://{upstream_addr}"), &["--drain-delay", "20s"]);
    eventually("readiness", async || (get(addr, "/readyz").await.0 == 200).then_some(())).await;

    program.terminate();
    program.wait_for_log("received SIGTERM, shutting down");
    wait_until("the end of readiness", || health(addr) == Some(1));
    assert_eq!(get(addr, "/livez").await.0, 200);
    // A second signal ends the program at once.
    program.terminate();
    assert_eq!(program.wait_for_exit().code(), Some(130));
}
