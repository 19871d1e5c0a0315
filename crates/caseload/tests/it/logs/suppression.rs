//! Many calls that fail in the same way.

use reqwest::Method;
use serde_json::Value;

use crate::support::{App, ONE_TASK, Program, Reply, gateway_path, start_server_process};

const CALLS: usize = 300;

/// Returns how many lines have a message, and how many of them were suppressed.
fn count(log: &[Value], message: &str) -> (usize, u64) {
    let written = log.iter().filter(|line| line["message"] == message).count();
    let reports = log
        .iter()
        .filter(|line| line["message"] == "log lines were suppressed" && line["kind"] == message);
    (written, reports.map(|line| line["suppressed"].as_u64().unwrap()).sum())
}

/// Panics unless each event was logged or counted, and few of them were logged.
#[track_caller]
fn assert_limited(log: &[Value], message: &str, most: usize) {
    let (written, suppressed) = count(log, message);
    assert_eq!(written as u64 + suppressed, CALLS as u64, "{message}");
    assert!((1..=most).contains(&written), "{message}: {written}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_one_kind_are_logged_a_few_times_and_then_counted() {
    let mut app = App::start().await;
    // Every call fails with INTERNAL, and with a cause that is logged.
    app.database.query("ALTER TABLE tasks ADD CONSTRAINT broken CHECK (case_id < 0)");
    let server = start_server_process(app.database.url().expose(), &["--grpc-addr", "127.0.0.1:0"]);
    server.wait_for_log("serving");
    app.grpc_addr = server.wait_for_address("serving gRPC");
    let upstream = format!("http://{}", app.grpc_addr);
    let args = ["--http-addr", "127.0.0.1:0", "--upstream", &upstream];
    let gateway = Program::start(&gateway_path(), &args);
    app.http_addr = gateway.wait_for_address("serving REST");

    let began = std::time::Instant::now();
    for _ in 0..CALLS {
        assert_eq!(app.create(ONE_TASK).await.status, 500);
    }
    let path = app.request(Method::GET, "/nowhere");
    for _ in 0..CALLS {
        assert_eq!(Reply::of(path.try_clone().unwrap()).await.status, 404);
    }
    let seconds = began.elapsed().as_secs() as usize + 1;
    for program in [&gateway, &server] {
        program.terminate();
    }
    let (gateway, server) = (gateway.wait_for_exit().log(), server.wait_for_exit().log());

    assert_limited(&server, "call failed", 10 + seconds);
    assert_limited(&server, "request failed", 10 + seconds);
    assert_limited(&gateway, "request failed", 10 + seconds);
    assert_limited(&gateway, "request rejected", 100 + 10 * seconds);
}
