//! What the admin port answers, whatever the other ports do.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use super::installation::{Installation, Process};
use crate::support::{
    Program, gateway_path,
    polling::{TEST_TIMEOUT, eventually},
    raw_http,
};

/// Nothing listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

#[tokio::test(flavor = "multi_thread")]
async fn each_path_has_its_response_and_each_mistake_its_problem() {
    let gateway = Process::gateway(NOWHERE, &[]);
    let version = json!({"program": "caseload-gateway", "version": env!("CARGO_PKG_VERSION")});
    for (method, path, status, expected) in [
        (Method::GET, "/livez", 200, json!({"status": "live"})),
        (Method::GET, "/version", 200, version),
        (Method::GET, "/readyz", 503, Value::Null),
        (Method::GET, "/", 404, Value::Null),
        (Method::GET, "/metrics/", 404, Value::Null),
        (Method::GET, "/api/v2/cases", 404, Value::Null),
        (Method::POST, "/metrics", 405, Value::Null),
        (Method::DELETE, "/livez", 405, Value::Null),
        (Method::POST, "/log-level", 405, Value::Null),
    ] {
        let response = gateway.request(method.clone(), path).send().await.unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        assert_eq!(response.headers()["cache-control"], "no-store", "{method} {path}");
        assert!(response.headers().contains_key("x-request-id"), "{method} {path}");
        let is_problem = response.headers()["content-type"] == "application/problem+json";
        let body: Value = response.json().await.unwrap();
        if status == 200 {
            assert_eq!(body, expected, "{method} {path}");
        } else {
            assert!(is_problem, "{method} {path}");
            assert_eq!(body["status"], status, "{body}");
            assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
        }
    }
    for (name, value, status) in
        [("origin", "http://evil.example", 403), ("host", "evil.example:9464", 421)]
    {
        let request = gateway.request(Method::GET, "/metrics").header(name, value);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{name}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{name}");
    }
    let metrics = gateway.get("/metrics").await;
    assert_eq!(
        metrics.headers()["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let head = gateway.request(Method::HEAD, "/livez").send().await.unwrap();
    assert_eq!((head.status(), head.text().await.unwrap()), (StatusCode::OK, String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_served_unless_an_address_is_given() {
    let args = ["--http-addr", "127.0.0.1:0", "--upstream", NOWHERE];
    let gateway = Program::start(&gateway_path(), &args);
    let addr = gateway.wait_for_address("serving REST");
    for path in ["/metrics", "/log-level", "/version"] {
        let response = reqwest::get(format!("http://{addr}{path}")).await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
    }
    assert!(!gateway.stderr().contains("admin port"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_drains_is_not_ready_and_still_shows_its_metrics() {
    let Installation { app, server, gateway } =
        Installation::start(&["--drain-delay", "1h"], &["--drain-delay", "1h"]).await;
    assert_eq!(server.scrape().await.sum("caseload_server_ready", &[]), 1.0);
    assert_eq!(gateway.scrape().await.sum("caseload_gateway_ready", &[]), 1.0);

    // While they drain, both answer, and are not ready.
    gateway.program.terminate();
    gateway.await_readiness(StatusCode::SERVICE_UNAVAILABLE).await;
    server.await_readiness(StatusCode::OK).await;
    server.program.terminate();
    server.await_readiness(StatusCode::SERVICE_UNAVAILABLE).await;
    for process in [&server, &gateway] {
        assert_eq!(process.get("/livez").await.status(), StatusCode::OK);
        assert!(process.scrape().await.sum("process_start_time_seconds", &[]) > 0.0);
    }
    assert_eq!(server.scrape().await.sum("caseload_server_ready", &[]), 0.0);
    assert_eq!(gateway.scrape().await.sum("caseload_gateway_ready", &[]), 0.0);
    drop(app);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_database_and_a_gateway_without_a_server_are_live_and_not_ready() {
    let server = Process::server("postgresql://127.0.0.1:1/caseload", &[]);
    let gateway = Process::gateway(NOWHERE, &[]);
    for process in [&server, &gateway] {
        assert_eq!(process.get("/readyz").await.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(process.get("/livez").await.status(), StatusCode::OK);
    }
    assert_eq!(server.scrape().await.sum("caseload_server_ready", &[]), 0.0);
    assert_eq!(gateway.scrape().await.sum("caseload_gateway_ready", &[]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_port_answers_while_no_further_connections_are_accepted_elsewhere() {
    let gateway = Process::gateway(NOWHERE, &["--max-connections", "1"]);
    let mut first = raw_http::connect(gateway.addr).await;
    raw_http::get_livez(&mut first).await;
    let mut second = raw_http::connect(gateway.addr).await;
    let read = tokio::time::timeout(TEST_TIMEOUT, second.read_u8()).await.unwrap();
    assert!(read.is_err(), "the connection beyond the limit is served");

    let of_rest = [("listener", "rest")];
    let scrape = gateway.scrape().await;
    assert_eq!(scrape.sum("caseload_connections", &of_rest), 1.0);
    assert_eq!(scrape.sum("caseload_connections_accepted_total", &of_rest), 1.0);
    let by_limit = [("listener", "rest"), ("reason", "limit")];
    assert_eq!(scrape.sum("caseload_connections_rejected_total", &by_limit), 1.0);
    assert!(scrape.sum("caseload_connections", &[("listener", "admin")]) >= 1.0);
    assert_eq!(gateway.get("/livez").await.status(), StatusCode::OK);

    drop(first);
    eventually("the end of the connection", async || {
        let scrape = gateway.scrape().await;
        (scrape.sum("caseload_connections", &of_rest) == 0.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_never_ends_and_many_connections_meet_the_limits_of_the_admin_port() {
    let gateway = Process::gateway(NOWHERE, &[]);
    // A body that never ends.
    let head = "PUT /log-level HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 9\r\n\r\n";
    let reply =
        raw_http::exchange_with_any(gateway.admin(), head.as_bytes(), raw_http::AfterSending::Wait);
    let unfinished = tokio::time::timeout(TEST_TIMEOUT, reply).await.unwrap();
    assert_eq!(unfinished.status, 503);

    let mut open = Vec::new();
    for _ in 0..80 {
        open.push(raw_http::connect(gateway.admin()).await);
    }
    let rejected = [("listener", "admin"), ("reason", "limit")];
    open.drain(..70);
    eventually("the rejected connections", async || {
        let response = gateway.request(Method::GET, "/metrics").send().await.ok()?;
        let text = response.text().await.ok()?;
        let scrape = super::scrape::Scrape::parse(&text);
        (scrape.sum("caseload_connections_rejected_total", &rejected) >= 10.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_level_is_changed_and_reset_while_the_process_runs() {
    let gateway = Process::gateway(NOWHERE, &["--log-level", "info"]);
    let level = async || gateway.get("/log-level").await.text().await.unwrap();
    let put = async |filter: &str| {
        let request = gateway.request(Method::PUT, "/log-level").body(filter.to_owned());
        request.send().await.unwrap()
    };
    let completed = |request_id: &str| {
        let log = gateway.program.stderr();
        log.lines().any(|line| line.contains("request completed") && line.contains(request_id))
    };
    let livez = async |request_id: &'static str| {
        let url = format!("http://{}/livez", gateway.addr);
        let request = reqwest::Client::new().get(url).header("x-request-id", request_id);
        assert_eq!(request.send().await.unwrap().status(), 200);
    };
    assert_eq!(level().await, "info\n");
    livez("before").await;

    let changed = put("info,caseload_telemetry=debug\n").await;
    assert_eq!(changed.status(), StatusCode::OK);
    assert_eq!(changed.text().await.unwrap(), "info,caseload_telemetry=debug\n");
    assert_eq!(level().await, "info,caseload_telemetry=debug\n");
    livez("while").await;
    eventually("the line at debug", async || completed("while").then_some(())).await;

    for (filter, status) in [
        ("", 400),
        ("loud=louder=loudest", 400),
        ("caseload=loud", 400),
        ("[request{path=(x|y)*(x|y)*z}]=debug", 400),
        (&"a=info,".repeat(300), 400),
        (&"a=info,".repeat(1000), 413),
    ] {
        let rejected = put(filter).await;
        assert_eq!(rejected.status(), status, "{filter}");
        assert_eq!(rejected.headers()["content-type"], "application/problem+json");
        assert_eq!(level().await, "info,caseload_telemetry=debug\n", "{filter}");
    }
    let not_text = gateway.request(Method::PUT, "/log-level").body(vec![0xff]).send().await;
    assert_eq!(not_text.unwrap().status(), 400);

    let reset = gateway.request(Method::DELETE, "/log-level").send().await.unwrap();
    assert_eq!((reset.status(), level().await), (StatusCode::OK, "info\n".to_owned()));
    livez("after").await;
    // Written in order: once this line is there, those of the requests before would be.
    put("warn").await;
    eventually("the last change", async || {
        let log = gateway.program.stderr();
        log.contains(r#""from":"info","to":"warn""#).then_some(())
    })
    .await;
    assert!(!completed("before") && !completed("after"), "{}", gateway.program.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_ends_the_program_before_it_serves() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let args = ["--http-addr", "127.0.0.1:0", "--admin-addr", &addr];
    let exited = Program::run(&gateway_path(), &args);
    assert_eq!(exited.code(), Some(1), "{exited:?}");
    assert!(exited.stderr.contains("failed to serve the admin port on"), "{exited:?}");
    assert!(!exited.stderr.contains("serving REST"), "{exited:?}");
}
