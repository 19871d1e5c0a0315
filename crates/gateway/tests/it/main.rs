//! `caseload-gateway` as a process: what it refuses to start with, how it starts alone, and how it
//! ends.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "../../../caseload/tests/it/support/polling.rs"]
mod polling;
#[expect(dead_code, reason = "the tests of crates/caseload use the rest")]
#[path = "../../../caseload/tests/it/support/program.rs"]
mod program;
mod proxies;

use std::net::{SocketAddr, TcpListener};

use serde_json::{Value, json};
use tonic::transport::server::TcpIncoming;
use tonic_health::{ServingStatus, server::HealthReporter};

use polling::{eventually, wait_until};
use program::Program;

const GATEWAY: &str = env!("CARGO_BIN_EXE_caseload-gateway");

/// Nobody serves here.
const NOWHERE: &str = "http://127.0.0.1:1";

/// A gateway on a free port, and where that is.
fn start(upstream: &str, more_args: &[&str]) -> (Program, SocketAddr) {
    let args = [&["--http-addr", "127.0.0.1:0", "--upstream", upstream], more_args].concat();
    let program = Program::start(GATEWAY, &args);
    let addr = program.wait_for_address("serving REST");
    (program, addr)
}

/// Status and body of an answer.
async fn get(addr: SocketAddr, path: &str) -> (u16, Value) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http.get(format!("http://{addr}{path}")).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn health(addr: SocketAddr) -> Option<i32> {
    Program::run(GATEWAY, &["--http-addr", &addr.to_string(), "health"]).code()
}

/// An upstream that serves nothing but its health, which is all that readiness asks for.
async fn start_upstream() -> (HealthReporter, SocketAddr) {
    let (reporter, service) = tonic_health::server::health_reporter();
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = incoming.local_addr().unwrap();
    let server = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(incoming));
    (reporter, addr)
}

#[test]
fn a_bad_configuration_is_refused_in_a_sentence_before_a_socket_is_opened() {
    // Were it tried, this address would be the complaint, and the exit code another.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for args in [
        &["--upstream", "server:50051"][..],
        &["--upstream", "https://server:50051"],
        &["--upstream", "http://server:50051/path"],
        &["--upstream", "http://me:hunter2@server:50051"],
        &["--upstream", ""],
        &["--upstream-timeout", "soon"],
        &["--body-memory", "0"],
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
fn an_upstream_with_a_password_is_refused_and_not_repeated() {
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
        ended.stderr.contains(&format!("error: REST can't be served on {addr}: ")),
        "{ended:?}"
    );
}

#[test]
fn help_is_no_failure() {
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
async fn it_starts_without_its_upstream_alive_but_not_ready() {
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
        let is_of_a_request = event["message"] == "failed" || event["message"] == "refused";
        assert!(!is_of_a_request || event["span"]["request_id"].is_string(), "{event}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_health_follows_that_of_its_upstream() {
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
async fn with_several_upstreams_it_is_ready_while_any_of_them_serves() {
    let (one, one_addr) = start_upstream().await;
    let (other, other_addr) = start_upstream().await;
    let more = format!("http://{other_addr},{NOWHERE}");
    let (program, addr) = start(&format!("http://{one_addr}"), &["--upstream", &more]);
    eventually("readiness", async || (get(addr, "/readyz").await.0 == 200).then_some(())).await;
    let told = program.wait_for_log("serving REST");
    let all = format!("http://{one_addr}/,http://{other_addr}/,{NOWHERE}/");
    assert_eq!(told["upstream"], all);

    one.set_service_status("", ServingStatus::NotServing).await;
    assert_eq!(get(addr, "/readyz").await.0, 200);
    other.set_service_status("", ServingStatus::NotServing).await;
    assert_eq!(get(addr, "/readyz").await.0, 503);
    one.set_service_status("", ServingStatus::Serving).await;
    assert_eq!(get(addr, "/readyz").await.0, 200);
}

#[test]
fn health_tells_that_nobody_is_there() {
    assert_eq!(health("127.0.0.1:1".parse().unwrap()), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn for_the_delay_it_serves_on_though_it_says_that_it_is_not_ready() {
    let (_upstream, upstream_addr) = start_upstream().await;
    let (program, addr) = start(&format!("http://{upstream_addr}"), &["--drain-delay", "20s"]);
    eventually("readiness", async || (get(addr, "/readyz").await.0 == 200).then_some(())).await;

    program.terminate();
    program.wait_for_log("SIGTERM: ending");
    wait_until("the end of readiness", || health(addr) == Some(1));
    assert_eq!(get(addr, "/livez").await.0, 200);
    // A second signal is for the impatient.
    program.terminate();
    assert_eq!(program.wait_for_exit().code(), Some(130));
}
