//! What becomes of traces where the collector, or its address, is of no use.

use std::{
    net::{SocketAddr, TcpListener},
    thread,
};

use super::{
    collector::Collector,
    installation::Installation,
    traced::{METHOD, TRACE, end, end_one, exporting, traceparent},
};
use crate::support::{CASELOAD, ONE_TASK, Program, Reply, gateway_path, polling::eventually};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_when_traces_are_switched_off() {
    let collector = Collector::start().await;
    let url = collector.url();
    let off = [exporting(&url, "grpc"), vec![("OTEL_SDK_DISABLED", "true")]].concat();
    let none = [exporting(&url, "http/protobuf"), vec![("OTEL_TRACES_EXPORTER", "none")]].concat();
    let Installation { app, server, gateway } =
        Installation::start_with_env((&[], &off), (&[], &none)).await;
    let request = app.post().header("traceparent", traceparent(TRACE, "01"));
    assert_eq!(Reply::of(request.body(ONE_TASK)).await.status, 201);
    let scrape = server.scrape().await;
    for result in ["exported", "dropped", "failed", "rejected"] {
        assert_eq!(scrape.sum("caseload_trace_spans_total", &[("result", result)]), 0.0);
    }
    for exited in end(server, gateway) {
        assert_eq!(exited.code(), Some(0));
    }
    assert!(collector.spans().is_empty() && collector.headers("user-agent").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_at_the_end_is_exported() {
    let collector = Collector::start().await;
    let url = collector.url();
    // Not before an hour, but for the end.
    let late = [("OTEL_BSP_SCHEDULE_DELAY", "3600000")];
    let [server, gateway] = ["grpc", "http/protobuf"]
        .map(|protocol| [exporting(&url, protocol), late.to_vec()].concat());
    let Installation { app, server, gateway } =
        Installation::start_with_env((&[], &server), (&[], &gateway)).await;
    let request = app.post().header("traceparent", traceparent(TRACE, "01"));
    assert_eq!(Reply::of(request.body(ONE_TASK)).await.status, 201);
    assert!(collector.spans().is_empty());
    for exited in end(server, gateway) {
        assert_eq!(exited.code(), Some(0));
    }
    // Whoever has ended has nothing more to say.
    let spans = collector.spans();
    for service in ["caseload-server", "caseload-gateway"] {
        let count = spans.iter().filter(|it| it.service == service).count();
        assert!(count >= 2, "{service}: {spans:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_busy_collector_refuses_is_sent_again() {
    let collectors = [Collector::start_after(2).await, Collector::start_after(2).await];
    let [of_server, of_gateway] = collectors.each_ref().map(Collector::url);
    let Installation { app, server, gateway } = Installation::start_with_env(
        (&[], &exporting(&of_server, "grpc")),
        (&[], &exporting(&of_gateway, "http/protobuf")),
    )
    .await;
    let request = app.post().header("traceparent", traceparent(TRACE, "01"));
    assert_eq!(Reply::of(request.body(ONE_TASK)).await.status, 201);
    for (collector, process) in collectors.iter().zip([&server, &gateway]) {
        let trace = collector.trace(TRACE, &[(METHOD, 1)]).await;
        assert_eq!(trace.named(METHOD).len(), 1, "{trace:#?}");
        assert!(collector.headers("user-agent").len() > 2);
        let scrape = process.scrape().await;
        let count = |result| scrape.sum("caseload_trace_spans_total", &[("result", result)]);
        assert_eq!((count("failed"), count("dropped")), (0.0, 0.0));
    }
}

/// Starts a collector that accepts connections, and never answers.
fn start_hanging() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let _connections: Vec<_> = listener.incoming().collect();
    });
    addr
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_costs_spans_and_nothing_else() {
    let url = format!("http://{}", start_hanging());
    let hanging = |protocol| {
        let few = [
            ("OTEL_BSP_MAX_QUEUE_SIZE", "4"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000"),
            ("OTEL_BSP_EXPORT_TIMEOUT", "3600000"),
        ];
        [exporting(&url, protocol), few.to_vec()].concat()
    };
    let Installation { app, server, gateway } =
        Installation::start_with_env((&[], &hanging("grpc")), (&[], &hanging("http/protobuf")))
            .await;
    for _ in 0..20 {
        assert_eq!(app.create(ONE_TASK).await.status, 201);
    }
    // Counted although the first batch has not ended.
    for process in [&server, &gateway] {
        eventually("dropped spans that are counted", async || {
            let dropped = [("result", "dropped")];
            let count = process.scrape().await.sum("caseload_trace_spans_total", &dropped);
            (count > 0.0).then_some(())
        })
        .await;
    }
    for exited in end(server, gateway) {
        assert_eq!(exited.code(), Some(0));
        let log = exited.log();
        let is_there = |message: &str| log.iter().any(|line| line["message"] == message);
        assert!(is_there("the last spans were not exported in time"), "{log:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_down_is_logged_once_and_its_spans_are_counted() {
    // Nothing listens there any more.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let quick = [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "4"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "1000"),
    ];
    let down = [exporting(&url, "grpc"), quick.to_vec()].concat();
    let Installation { app, server, gateway: _gateway } =
        Installation::start_with_env((&[], &down), (&[], &[])).await;
    eventually("spans that were lost", async || {
        assert_eq!(app.create(ONE_TASK).await.status, 201);
        let scrape = server.scrape().await;
        let count = |result| scrape.sum("caseload_trace_spans_total", &[("result", result)]);
        (count("failed") > 2.0 && count("dropped") > 0.0).then_some(())
    })
    .await;
    let log = end_one(server).log();
    let count = |message: &str| log.iter().filter(|line| line["message"] == message).count();
    let failed = log.iter().find(|line| line["message"] == "failed to export spans").unwrap();
    assert!(failed["cause"].as_str().unwrap().contains("refused"), "{failed}");
    assert_eq!(count("failed to export spans"), 1);
    assert_eq!(count("spans were dropped, as too many waited to be exported"), 1);
}

#[test]
fn a_place_for_spans_that_cannot_be_used_is_an_error_at_the_start() {
    for (variable, value, problem) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "hunter2:4317", "is no URL with http:// or https://"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "is neither grpc nor http/protobuf"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2", "is no list of headers, name=value"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nothing/hunter2", "failed to read the certificates"),
    ] {
        let url = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://localhost:1");
        let set = if variable.ends_with("ENDPOINT") { vec![] } else { vec![url] };
        let set = [&[(variable, value)], &set[..]].concat();
        let args = ["--http-addr", "127.0.0.1:0"];
        let gateway = Program::start_with_env(&gateway_path(), &args, &set).wait_for_exit();
        let args = ["serve", "--grpc-addr", "127.0.0.1:0"];
        let database = ("CASELOAD_DATABASE_URL", "postgresql://127.0.0.1:1/nowhere");
        let set = [&[database], &set[..]].concat();
        let server = Program::start_with_env(CASELOAD, &args, &set).wait_for_exit();
        for exited in [gateway, server] {
            assert_eq!(exited.code(), Some(64), "{}", exited.stderr);
            assert!(exited.stderr.contains(problem), "{}", exited.stderr);
            if !variable.ends_with("CERTIFICATE") {
                exited.assert_never_wrote(&["hunter2"]);
            }
        }
    }
}
