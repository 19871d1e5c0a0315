//! Metrics after known calls.

use domain::{ApiKey, Scope};
use proto::{
    tasks::v1::{GetTaskRequest, task_service_client::TaskServiceClient},
    wire::METHODS,
};
use reqwest::{Method, header::HeaderMap};
use tokio::io::AsyncWriteExt as _;
use tonic::{Code, Request, transport::Channel};

use super::installation::{Installation, Process};
use crate::support::{
    App, ONE_TASK, Reply, SAMPLE, Session, new_key,
    polling::{eventually, wait_until},
    raw_grpc, raw_http,
};

/// One writer, that waits long for locks.
const LONG_LOCKS: [&str; 6] =
    ["--writers", "1", "--lock-timeout", "9s", "--max-statement-age", "1h"];

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

/// Gets a task over gRPC.
async fn get_task(
    client: &mut TaskServiceClient<Channel>,
    key: &ApiKey,
    case_id: i64,
    task_id: i64,
) -> Code {
    let mut request = Request::new(GetTaskRequest { case_id, task_id });
    let key = format!("Bearer {}", key.expose()).parse().unwrap();
    request.metadata_mut().insert("authorization", key);
    client.get_task(request).await.err().map_or(Code::Ok, |status| status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_counted_by_method_code_reason_and_route() {
    let Installation { app, server, gateway } = Installation::start(&[], &[]).await;
    for key in ["a", "a", "b"] {
        let request = app.post().header("idempotency-key", key).body(SAMPLE);
        assert_eq!(Reply::of(request).await.status, 201);
    }
    let invalid = app.create(r#"{"tasks":[{"description":""}]}"#).await;
    assert_eq!(invalid.status, 400);
    for _ in 0..2 {
        let unknown = app.request(Method::POST, &app.batch_path()).bearer_auth(new_key().expose());
        let unknown = unknown.header("content-type", "application/json").body(ONE_TASK);
        assert_eq!(Reply::of(unknown).await.status, 401);
    }

    let batch = |code| [("grpc_method", "BatchCreateTasks"), ("grpc_code", code)];
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("grpc_server_handled_total", &batch("OK")), 3.0);
    assert_eq!(scrape.sum("grpc_server_handled_total", &batch("InvalidArgument")), 1.0);
    assert_eq!(scrape.sum("grpc_server_handled_total", &batch("Unauthenticated")), 2.0);
    let of_batch =
        [("grpc_service", "caseload.tasks.v1.TaskService"), ("grpc_method", "BatchCreateTasks")];
    assert_eq!(scrape.sum("grpc_server_started_total", &of_batch), 6.0);
    assert_eq!(scrape.sum("grpc_server_handling_seconds_count", &of_batch), 6.0);
    let reason = |reason| [("reason", reason)];
    assert_eq!(scrape.sum("caseload_refused_calls_total", &reason("INVALID_BATCH")), 1.0);
    assert_eq!(scrape.sum("caseload_refused_calls_total", &reason("KEY_INVALID")), 2.0);
    assert_eq!(scrape.sum("caseload_refused_calls_total", &reason("OVERLOADED")), 0.0);
    assert_eq!(scrape.sum("caseload_replays_total", &[]), 1.0);
    let found = |found| [("found", found)];
    // The first call with the key, and each with one that does not exist.
    assert_eq!(scrape.sum("caseload_key_lookups_total", &found("looked_up")), 3.0);
    assert_eq!(scrape.sum("caseload_key_lookups_total", &found("cached")), 3.0);

    // Each batch that was valid had a statement of its own.
    let single = [("kind", "single")];
    assert_eq!(scrape.sum("caseload_write_statement_seconds_count", &single), 3.0);
    assert_eq!(scrape.sum("caseload_write_statement_batches_sum", &[]), 3.0);
    // Three tasks, three assignees, a record and an event.
    assert_eq!(scrape.sum("caseload_write_statement_rows_sum", &[]), 24.0);
    assert_eq!(scrape.sum("caseload_write_wait_seconds_count", &[]), 3.0);
    assert_eq!(scrape.sum("caseload_write_requeued_batches_total", &[]), 0.0);

    let scrape = gateway.scrape().await;
    let path = "/api/v2/cases/{case_id}/tasks/batch";
    let route = |status| [("route", path), ("method", "POST"), ("status", status)];
    assert_eq!(scrape.sum("http_server_requests_total", &route("201")), 3.0);
    assert_eq!(scrape.sum("http_server_requests_total", &route("400")), 1.0);
    assert_eq!(scrape.sum("http_server_requests_total", &route("401")), 2.0);
    let of_route = [("route", path)];
    assert_eq!(scrape.sum("http_server_request_duration_seconds_count", &of_route), 6.0);
    assert_eq!(scrape.sum("caseload_refused_requests_total", &reason("KEY_INVALID")), 2.0);
    assert!(scrape.sum("caseload_upstream_attempts_total", &[("result", "answered")]) >= 6.0);
    assert_eq!(scrape.sum("caseload_upstream_attempts_total", &[("result", "lost")]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_callers_make_up_makes_no_time_series() {
    let Installation { app, server, gateway } = Installation::start(&[], &[]).await;
    let before = (server.scrape().await, gateway.scrape().await);
    let mut channel = app.channel().await;
    for index in 0..50 {
        for path in [
            format!("/nothing/{index}"),
            format!("/api/v2/cases/{index}/tasks"),
            format!("/api/v2/cases/{}/tasks/{index}?x={index}", app.case_id),
        ] {
            let method = Method::from_bytes(format!("M{index}").as_bytes()).unwrap();
            for method in [method, Method::GET] {
                let request = app.request(method, &path).bearer_auth(format!("key-{index}"));
                let traceparent = format!("00-{index:032x}-b7ad6b7169203331-01");
                let request = request.header("traceparent", traceparent);
                let request = request.header("x-forwarded-for", format!("10.0.0.{index}"));
                request.header("host", format!("host-{index}")).send().await.unwrap();
            }
        }
        let path = format!("/caseload.tasks.v1.TaskService/M{index}");
        let sent = raw_grpc::send(&mut channel, &path, HeaderMap::new(), raw_grpc::frame(b""));
        assert_eq!(sent.await.code(), Code::Unimplemented);
    }

    let scrape = server.scrape().await;
    let unknown = [("grpc_method", "unknown"), ("grpc_code", "Unimplemented")];
    assert_eq!(scrape.sum("grpc_server_handled_total", &unknown), 50.0);
    let methods = scrape.with("grpc_server_started_total", &[]).count();
    // Those of health and reflection, and one for what does not exist.
    assert_eq!(methods, METHODS.len() + 4 + 1);
    let grown = scrape.samples().count() - before.0.samples().count();
    assert!(grown < 150, "{grown} more samples of the server");

    let scrape = gateway.scrape().await;
    let not_found = [("route", "unknown"), ("method", "GET"), ("status", "404")];
    assert_eq!(scrape.sum("http_server_requests_total", &not_found), 50.0);
    let strange = [("route", "unknown"), ("method", "unknown"), ("status", "404")];
    assert_eq!(scrape.sum("http_server_requests_total", &strange), 50.0);
    let grown = scrape.samples().count() - before.1.samples().count();
    assert!(grown < 150, "{grown} more samples of the gateway");
    let is_number = |text: &str| text.starts_with(|it: char| it.is_ascii_digit());
    let is_made_up =
        |value: &str| value.contains("nothing") || value.strip_prefix('M').is_some_and(is_number);
    for sample in scrape.samples() {
        assert!(!sample.labels.values().any(|value| is_made_up(value)), "{sample:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_metric_names_a_tenant_unless_it_is_asked_for_and_then_the_busiest() {
    let Installation { app, server, gateway } = Installation::start(&[], &[]).await;
    assert_eq!(app.create(ONE_TASK).await.status, 201);
    for process in [&server, &gateway] {
        let scrape = process.scrape().await;
        let of_tenants = scrape
            .samples()
            .find(|sample| sample.labels.keys().any(|name| name.contains("tenant")));
        assert!(of_tenants.is_none(), "{of_tenants:?}");
    }

    let url = app.database.url().expose();
    let server = Process::server(url, &["--metrics-per-tenant", "1"]);
    server.await_ready().await;
    let (busy, case_id, key) = app.other_tenant().await;
    let endpoint = tonic::transport::Endpoint::try_from(format!("http://{}", server.addr)).unwrap();
    let mut client = TaskServiceClient::new(endpoint.connect().await.unwrap());
    let key_of_app = app.key_with(&[Scope::TasksRead]).await;
    assert_eq!(get_task(&mut client, &key_of_app, app.case_id, 999).await, Code::NotFound);
    for _ in 0..2 {
        assert_ne!(get_task(&mut client, &key, case_id, 1).await, Code::Unauthenticated);
    }
    assert_eq!(get_task(&mut client, &new_key(), case_id, 1).await, Code::Unauthenticated);
    let scrape = server.scrape().await;
    let busy = busy.get().to_string();
    assert_eq!(scrape.sum("caseload_tenant_calls_total", &[("tenant", &busy)]), 2.0);
    assert_eq!(scrape.with("caseload_tenant_calls_total", &[]).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_counts_apart_what_it_rejects_itself() {
    // Nothing listens there.
    let memory = ["--body-memory", "2", "--address-share", "100"];
    let gateway = Process::gateway("http://127.0.0.1:1", &memory);
    let size = 700 * 1024;
    let head = format!(
        "POST /api/v2/cases/1/tasks/batch HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        size + 1
    );
    let request = [head.into_bytes(), vec![b' '; size]].concat();
    // No body is complete. There is memory for two of them.
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = raw_http::connect(gateway.addr).await;
        // The one that is rejected may be closed meanwhile.
        let _written = stream.write_all(&request).await;
        open.push(stream);
    }
    let overloaded = "caseload_gateway_overloaded_total";
    let scrape = eventually("the rejected request", async || {
        let scrape = gateway.scrape().await;
        let rejected = scrape.sum(overloaded, &[("limit", "body_memory")]);
        (rejected > 0.0).then_some(scrape)
    })
    .await;
    assert_eq!(scrape.sum(overloaded, &[]), 1.0);
    let reason = [("reason", "OVERLOADED")];
    assert_eq!(scrape.sum("caseload_refused_requests_total", &reason), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn latencies_name_the_traces_of_requests() {
    let Installation { app, server, gateway } = Installation::start(&[], &[]).await;
    let traceparent = format!("00-{TRACE_ID}-b7ad6b7169203331-01");
    let request = app.post().header("traceparent", traceparent).body(ONE_TASK);
    assert_eq!(Reply::of(request).await.status, 201);
    for (process, name, label) in [
        (&server, "grpc_server_handling_seconds_bucket", ("grpc_method", "BatchCreateTasks")),
        (
            &gateway,
            "http_server_request_duration_seconds_bucket",
            ("route", "/api/v2/cases/{case_id}/tasks/batch"),
        ),
    ] {
        let scrape = process.scrape().await;
        let labels = [label];
        let exemplars: Vec<&str> =
            scrape.with(name, &labels).filter_map(|sample| sample.exemplar.as_deref()).collect();
        let [exemplar] = exemplars[..] else { panic!("{name}: {exemplars:?}") };
        assert!(exemplar.starts_with(&format!(r#"{{trace_id="{TRACE_ID}"}} 0."#)), "{exemplar}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_wait_and_calls_in_flight_are_shown_while_they_are() {
    let Installation { app, server, gateway: _gateway } =
        Installation::start(&LONG_LOCKS, &[]).await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let request = app.post().body(SAMPLE);
    let first = tokio::spawn(Reply::of(request));
    session.await_blocked(1);
    let second = tokio::spawn(Reply::of(app.post().body(SAMPLE)));
    eventually("the batch that waits", async || {
        let scrape = server.scrape().await;
        // Once the first one has waited for a while, both wait in the lane.
        let waiting = scrape.sum("caseload_write_waiting_batches", &[]);
        (waiting >= 1.0).then_some(())
    })
    .await;
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("caseload_calls_in_flight", &[]), 2.0);
    assert!(scrape.sum("caseload_message_memory_bytes", &[]) > 0.0);
    assert!(scrape.sum("caseload_streams", &[("listener", "grpc")]) >= 2.0);
    assert!(scrape.sum("caseload_database_connections", &[("state", "used")]) >= 1.0);
    session.unlock();

    for reply in [first, second] {
        assert_eq!(reply.await.unwrap().status, 201);
    }
    eventually("the end of the calls", async || {
        let scrape = server.scrape().await;
        let in_flight = scrape.sum("caseload_calls_in_flight", &[]);
        let waiting = scrape.sum("caseload_write_waiting_batches", &[]);
        (in_flight == 0.0 && waiting == 0.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_connection_is_lost_is_in_doubt_and_requeued() {
    let Installation { app, server, gateway: _gateway } =
        Installation::start(&LONG_LOCKS, &[]).await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let request = app.post().header("idempotency-key", "k").body(ONE_TASK);
    let reply = tokio::spawn(Reply::of(request));
    session.await_blocked(1);
    Session::open(app.database.url()).query(crate::support::TERMINATE_BLOCKED_SESSIONS);
    // Run again, on another connection.
    session.await_blocked(1);
    session.unlock();
    assert_eq!(reply.await.unwrap().status, 201);

    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("caseload_write_batches_in_doubt_total", &[]), 1.0);
    assert!(scrape.sum("caseload_write_requeued_batches_total", &[]) >= 1.0);
    assert!(scrape.sum("caseload_write_statement_failures_total", &[]) >= 1.0);
    assert!(scrape.sum("caseload_write_statement_seconds_count", &[]) >= 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_shows_both_parts_in_one_process() {
    let app = App::start().await;
    let directory = tempfile::tempdir().unwrap();
    let args = [
        "dev",
        "--grpc-addr=127.0.0.1:0",
        "--http-addr=127.0.0.1:0",
        "--admin-addr=127.0.0.1:0",
        "--data-dir",
        directory.path().to_str().unwrap(),
        "--database-url",
        app.database.url().expose(),
    ];
    let dev = crate::support::Program::start(crate::support::CASELOAD, &args);
    let admin = dev.wait_for_address("serving the admin port");
    wait_until("the welcome", || dev.stdout().contains("Press Ctrl-C"));
    assert!(
        dev.stdout().contains(&format!("metrics   http://{admin}/metrics")),
        "{}",
        dev.stdout()
    );
    let text = reqwest::get(format!("http://{admin}/metrics")).await.unwrap().text().await.unwrap();
    let scrape = super::scrape::Scrape::parse(&text);
    for listener in ["grpc", "rest", "admin"] {
        assert_eq!(scrape.with("caseload_connections", &[("listener", listener)]).count(), 1);
    }
    let ready = reqwest::get(format!("http://{admin}/readyz")).await.unwrap();
    assert_eq!(ready.status(), 200);
}
