//! Traces, as a collector receives them.

use reqwest::Method;

use super::{
    collector::{Collector, Trace, hex},
    installation::Installation,
    otlp::{CALLED, INTERNAL, SERVED, Span},
    traced::{CALLER, METHOD, TRACE, end, end_one, exporting, traceparent},
};
use crate::support::{ONE_TASK, Reply, SAMPLE, Session, polling::eventually};

const SERVER: &str = "caseload-server";
const GATEWAY: &str = "caseload-gateway";
const ROUTE: &str = "POST /api/v2/cases/{case_id}/tasks/batch";

#[track_caller]
fn assert_parent(child: &Span, parent: &Span) {
    assert_eq!(hex(&child.parent_span_id), hex(&parent.span_id), "{child:#?}");
    assert!(child.start_time_unix_nano <= child.end_time_unix_nano, "{child:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_one_trace_through_both_programs_to_the_statement() {
    let collector = Collector::start().await;
    let url = collector.url();
    let debug = ["--log-level", "debug"];
    let Installation { app, server, gateway } = Installation::start_with_env(
        (&debug, &exporting(&url, "grpc")),
        (&debug, &exporting(&url, "http/protobuf")),
    )
    .await;
    let request = app.post().header("traceparent", traceparent(TRACE, "01"));
    let request = request.header("tracestate", "vendor=1").header("x-request-id", "r-1");
    assert_eq!(Reply::of(request.body(SAMPLE)).await.status, 201);

    let names = [(ROUTE, 1), (METHOD, 2), ("write queue", 1), ("create_tasks", 1)];
    let trace = collector.trace(TRACE, &names).await;
    let rest = trace.one(GATEWAY, ROUTE, SERVED);
    let call = trace.one(GATEWAY, METHOD, CALLED);
    let rpc = trace.one(SERVER, METHOD, SERVED);
    let wait = trace.one(SERVER, "write queue", INTERNAL);
    let statement = trace.one(SERVER, "create_tasks", CALLED);
    assert_eq!(
        (hex(&rest.parent_span_id).as_str(), rest.trace_state.as_str()),
        (CALLER, "vendor=1")
    );
    assert_eq!(rpc.trace_state, "vendor=1");
    assert_parent(call, rest);
    assert_parent(rpc, call);
    assert_parent(wait, rpc);
    assert_parent(statement, rpc);
    let linked: Vec<_> = statement.links.iter().map(|link| hex(&link.span_id)).collect();
    assert_eq!(linked, [hex(&rpc.span_id)]);
    // The key was looked up on the way.
    let look_up = trace.one(SERVER, "find_api_key", CALLED);
    assert_parent(look_up, rpc);
    assert!(!trace.named("connection wait").is_empty(), "{trace:#?}");
    assert_attributes(&app.tenant.to_string(), rest, call, rpc, statement);
    assert!(trace.0.iter().all(|it| !it.span.has_failed()), "{trace:#?}");
    let whole = format!("{trace:?}");
    for personal in ["example.com", "John", "Doe", "First", app.key.expose()] {
        assert!(!whole.contains(personal), "{personal}");
    }

    let rest = hex(&rest.span_id);
    let rpc = hex(&rpc.span_id);
    assert!(collector.headers("x-collector-key").iter().all(|value| value == "hunter2"));
    let exited = end(server, gateway);
    for (exited, span) in exited.iter().zip([rest, rpc]) {
        assert_eq!(exited.code(), Some(0));
        exited.assert_never_wrote(&["hunter2", "hunter%32", "x-collector-key"]);
        let log = exited.log();
        let line = log.iter().find(|line| {
            line["message"] == "request completed" && line["span"]["request_id"] == "r-1"
        });
        let line = line.unwrap_or_else(|| panic!("{log:#?}"));
        assert_eq!(
            (&line["span"]["trace_id"], &line["span"]["span_id"]),
            (&TRACE.into(), &span.into())
        );
    }
}

/// Asserts what OpenTelemetry's conventions say of the spans.
#[track_caller]
fn assert_attributes(tenant: &str, rest: &Span, call: &Span, rpc: &Span, statement: &Span) {
    assert_eq!(rest.text("http.request.method"), Some("POST"));
    assert_eq!(rest.text("http.route"), ROUTE.strip_prefix("POST "));
    assert_eq!(rest.number("http.response.status_code"), Some(201));
    for span in [call, rpc] {
        assert_eq!(span.text("rpc.system"), Some("grpc"));
        assert_eq!(span.text("rpc.service"), Some("caseload.tasks.v1.TaskService"));
        assert_eq!(span.text("rpc.method"), Some("BatchCreateTasks"));
        assert_eq!(span.number("rpc.grpc.status_code"), Some(0));
    }
    assert_eq!(call.text("server.address"), Some("127.0.0.1"));
    assert_eq!(rpc.number("caseload.tenant").map(|id| id.to_string()).as_deref(), Some(tenant));
    for span in [rest, rpc] {
        assert_eq!(span.text("caseload.request_id"), Some("r-1"));
    }
    assert_eq!(statement.text("db.system.name"), Some("postgresql"));
    assert_eq!(statement.text("db.operation.name"), Some("create_tasks"));
    assert_eq!(statement.number("db.operation.batch.size"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_statement_is_linked_with_all_of_its_calls_that_are_recorded() {
    let collector = Collector::start().await;
    let url = collector.url();
    let args = ["--writers", "1", "--lock-timeout", "9s", "--max-statement-age", "1h"];
    let Installation { app, server, gateway: _gateway } =
        Installation::start_with_env((&args, &exporting(&url, "grpc")), (&[], &[])).await;
    // Its batch waits for a lock, and the only writer with it.
    let (_, other_case, other_key) = app.other_tenant().await;
    let mut session = Session::open(app.database.url());
    let path = format!("/api/v2/cases/{other_case}/tasks/batch");
    // Again, if the writer was free before all calls waited.
    let mut attempts = ["a", "b", "c", "d", "e"].into_iter();
    let (traces, statement) = loop {
        let attempt = attempts.next().expect("calls that share a statement");
        let traces = ["1", "2", "3"].map(|digit| format!("{attempt}{digit}").repeat(16));
        session.query(&format!("BEGIN; SELECT 1 FROM cases WHERE id = {other_case} FOR UPDATE"));
        let first = app.request(Method::POST, &path).bearer_auth(other_key.expose());
        let first = first.header("content-type", "application/json").body(ONE_TASK);
        let first = tokio::spawn(Reply::of(first));
        session.await_blocked(1);
        // The third one is not recorded.
        let calls: Vec<_> = traces
            .iter()
            .zip(["01", "01", "00"])
            .map(|(trace, flags)| {
                let request = app.post().header("traceparent", traceparent(trace, flags));
                tokio::spawn(Reply::of(request.body(ONE_TASK)))
            })
            .collect();
        eventually("the calls that wait, or no longer do", async || {
            let waiting = server.scrape().await.sum("caseload_write_waiting_batches", &[]);
            (waiting >= 3.0 || calls.iter().any(|call| call.is_finished())).then_some(())
        })
        .await;
        session.unlock();
        for call in [first].into_iter().chain(calls) {
            assert_eq!(call.await.unwrap().status, 201);
        }
        // Whichever was the first.
        for trace in &traces[..2] {
            collector.trace(trace, &[(METHOD, 1), ("write queue", 1)]).await;
        }
        let mut spans = collector.spans().into_iter().map(|it| it.span);
        let shared = spans.find(|span| {
            traces.contains(&hex(&span.trace_id))
                && span.number("db.operation.batch.size") == Some(3)
        });
        if let Some(statement) = shared {
            break (traces, statement);
        }
    };

    let both = [collector.trace(&traces[0], &[]).await, collector.trace(&traces[1], &[]).await];
    let shared =
        both.iter().find_map(|trace| trace.named("shared statement").first().copied()).unwrap();
    let rpc = |trace: &Trace| hex(&trace.one(SERVER, METHOD, SERVED).span_id);
    let mut calls = both.each_ref().map(rpc);
    let mut linked: Vec<_> = statement.links.iter().map(|link| hex(&link.span_id)).collect();
    calls.sort();
    linked.sort();
    assert_eq!(linked, calls);
    let back: Vec<_> =
        shared.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect();
    assert_eq!(back, [(hex(&statement.trace_id), hex(&statement.span_id))]);
    assert_ne!(hex(&shared.trace_id), hex(&statement.trace_id));
    assert!(calls.contains(&hex(&shared.parent_span_id)));
    let unrecorded = collector.spans().iter().any(|it| hex(&it.span.trace_id) == traces[2]);
    assert!(!unrecorded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_trace_begins_one_and_metrics_name_it() {
    let collector = Collector::start().await;
    let url = collector.url();
    let env = exporting(&url, "http/protobuf");
    let Installation { app, server, gateway } =
        Installation::start_with_env((&[], &env), (&[], &env)).await;
    let request = app.post().header("traceparent", format!("00-{TRACE}-0-01"));
    let request = request.header("tracestate", "vendor=1");
    assert_eq!(Reply::of(request.body(ONE_TASK)).await.status, 201);
    let root = eventually("the root of a trace", async || {
        let mut spans = collector.spans().into_iter();
        spans.find(|it| it.span.name == ROUTE).map(|it| it.span)
    })
    .await;
    let id = hex(&root.trace_id);
    assert!(id != TRACE && root.parent_span_id.is_empty() && root.trace_state.is_empty());
    let trace = collector.trace(&id, &[(METHOD, 2), ("create_tasks", 1)]).await;
    assert_parent(trace.one(GATEWAY, METHOD, CALLED), &root);
    for (process, name, label) in [
        (&server, "grpc_server_handling_seconds_bucket", ("grpc_method", "BatchCreateTasks")),
        (&gateway, "http_server_request_duration_seconds_bucket", ("method", "POST")),
    ] {
        let scrape = process.scrape().await;
        let labels = [label];
        let exemplars: Vec<&str> =
            scrape.with(name, &labels).filter_map(|sample| sample.exemplar.as_deref()).collect();
        let [exemplar] = exemplars[..] else { panic!("{name}: {exemplars:?}") };
        assert!(exemplar.starts_with(&format!(r#"{{trace_id="{id}"}} "#)), "{exemplar}");
        // They are once the collector has answered.
        eventually("exported spans that are counted", async || {
            let exported = [("result", "exported")];
            let count = process.scrape().await.sum("caseload_trace_spans_total", &exported);
            (count > 0.0).then_some(())
        })
        .await;
    }
    // Probes begin no traces.
    let names: Vec<_> = collector.spans().into_iter().map(|it| it.span.name).collect();
    assert!(
        !names.iter().any(|name| name.contains("health") || name.contains("readyz")),
        "{names:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_seen_in_the_spans_of_whose_they_are() {
    let collector = Collector::start().await;
    let url = collector.url();
    let env = exporting(&url, "http/protobuf");
    let Installation { app, server, gateway } =
        Installation::start_with_env((&[], &env), (&[], &env)).await;
    let get = |path: &str| app.request(Method::GET, path).bearer_auth(app.key.expose());
    let unknown = format!("/api/v2/cases/{}/tasks/999999", app.case_id);
    let request = get(&unknown).header("traceparent", traceparent(TRACE, "01"));
    assert_eq!(request.send().await.unwrap().status(), 403);
    server.program.kill();
    let lost = "2".repeat(32);
    let request = get(&unknown).header("traceparent", traceparent(&lost, "01"));
    assert_eq!(request.send().await.unwrap().status(), 503);
    end_one(gateway);

    let route = "GET /api/v2/cases/{case_id}/tasks/{task_id}";
    let method = "caseload.tasks.v1.TaskService/GetTask";
    let trace = collector.trace(TRACE, &[(route, 1), (method, 1)]).await;
    assert!(!trace.one(GATEWAY, route, SERVED).has_failed(), "the caller's fault");
    let call = trace.one(GATEWAY, method, CALLED);
    assert_eq!((call.has_failed(), call.number("rpc.grpc.status_code")), (true, Some(7)));
    let trace = collector.trace(&lost, &[(route, 1)]).await;
    let rest = trace.one(GATEWAY, route, SERVED);
    assert_eq!((rest.has_failed(), rest.text("error.type")), (true, Some("503")));
    let attempts: Vec<_> =
        trace.0.iter().filter(|it| it.span.kind == CALLED).map(|it| &it.span).collect();
    // There is none if the gateway knew already that no server serves.
    assert!(attempts.iter().all(|span| span.has_failed()), "{trace:#?}");
}
