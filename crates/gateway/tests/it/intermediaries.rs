//! Between gateway and server is a proxy, which responds instead of the server.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Response};
use proto::{
    Message as _,
    tasks::v1::{BatchCreateTasksResponse, Task},
};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tonic_health::pb::{HealthCheckResponse, health_check_response::ServingStatus};

use super::{NOWHERE, Program, get, start};

/// The status, code and reason of a problem.
type Problem = (u16, &'static str, &'static str);

const OUTCOME_UNKNOWN: Problem = (500, "UNKNOWN", "OUTCOME_UNKNOWN");
const UPSTREAM_UNAVAILABLE: Problem = (503, "UNAVAILABLE", "UPSTREAM_UNAVAILABLE");
const RATE_LIMITED: Problem = (429, "RESOURCE_EXHAUSTED", "RATE_LIMITED");

/// The head of a response, with its trailers if it does not end there.
type Scripted = Response<Option<HeaderMap>>;

/// A host name that the proxy writes, and that callers must not see.
const INSIDE: &str = "inside.example";

/// A proxy that has scripted responses for the next calls, and forwards the others.
#[derive(Clone, Default)]
struct Proxy(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    responses: VecDeque<Scripted>,
    calls: usize,
    /// The headers of the last call.
    headers: HeaderMap,
}

impl Proxy {
    async fn start() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let proxy = Self::default();
        let serving = proxy.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        (proxy, addr)
    }

    async fn serve(self, stream: TcpStream) {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((request, call))) = connection.accept().await {
            let response = {
                let mut state = self.0.lock().unwrap();
                state.calls += 1;
                state.headers = request.headers().clone();
                state.responses.pop_front()
            };
            match response {
                Some(response) => send(call, response),
                None => forward(call, request.uri().path()),
            }
        }
    }

    /// Sets the responses to the next calls, and forgets earlier ones.
    fn script(&self, responses: impl IntoIterator<Item = Scripted>) {
        let responses = responses.into_iter().collect();
        *self.0.lock().unwrap() = State { responses, ..State::default() };
    }

    /// Returns the headers of the last call.
    fn headers(&self) -> HeaderMap {
        self.0.lock().unwrap().headers.clone()
    }

    /// Returns the number of calls since.
    fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }
}

fn send(mut call: SendResponse<Bytes>, response: Scripted) {
    let has_text = response.headers().get("content-type").is_some_and(|value| value == "text/html");
    let (head, trailers) = response.into_parts();
    let is_whole = !has_text && trailers.is_none();
    let mut body = call.send_response(Response::from_parts(head, ()), is_whole).unwrap();
    if has_text {
        body.send_data(format!("<html>{INSIDE}</html>").into(), true).unwrap();
    } else if let Some(trailers) = trailers {
        body.send_trailers(trailers).unwrap();
    }
}

/// Responds as the server would: it serves, and has created task 7.
fn forward(mut call: SendResponse<Bytes>, path: &str) {
    let created = BatchCreateTasksResponse { tasks: vec![Task { id: 7, ..Task::default() }] };
    let message = if path.starts_with("/grpc.health.v1.Health/") {
        HealthCheckResponse { status: ServingStatus::Serving.into() }.encode_to_vec()
    } else {
        created.encode_to_vec()
    };
    let size = u32::try_from(message.len()).unwrap().to_be_bytes();
    let mut body = call.send_response(grpc(&[]).map(|_| ()), false).unwrap();
    body.send_data([&[0], &size[..], &message].concat().into(), false).unwrap();
    let trailers = [("grpc-status", "0")];
    body.send_trailers(headers(&trailers)).unwrap();
}

/// Plain HTTP.
fn http(status: u16, more: &[(&'static str, &'static str)]) -> Scripted {
    let mut response = Response::builder().status(status).body(None).unwrap();
    *response.headers_mut() = headers(&[&[("content-type", "text/html")], more].concat());
    response
}

/// The head of a gRPC response, or all of it if it has a status.
fn grpc(more: &[(&'static str, &'static str)]) -> Scripted {
    let mut response = http(200, more);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

/// A gRPC status with a message, as Envoy writes them.
fn envoy(code: &'static str, more: &[(&'static str, &'static str)]) -> Scripted {
    let message = "upstream connect error or disconnect/reset before headers. reset reason: \
                   connection termination, inside.example";
    let status = [("server", "envoy"), ("grpc-status", code), ("grpc-message", message)];
    grpc(&[&status, more].concat())
}

/// A gRPC response whose trailers have the status that the given one has in its head.
fn in_trailers(response: Scripted) -> Scripted {
    let mut trailers = response.into_parts().0.headers;
    trailers.remove("content-type");
    grpc(&[]).map(|_| Some(trailers))
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let parsed = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    parsed.collect()
}

/// A gateway whose server is behind a proxy.
struct Setting {
    proxy: Proxy,
    gateway: SocketAddr,
    _program: Program,
}

struct Reply {
    problem: (u16, String, String),
    headers: HeaderMap,
}

impl Setting {
    async fn new() -> Self {
        let (proxy, addr) = Proxy::start().await;
        let (program, gateway) = start(&format!("http://{addr}"), &[]);
        Self { proxy, gateway, _program: program }
    }

    async fn create(&self, key: Option<&str>) -> Reply {
        self.create_with(key, "a").await
    }

    async fn create_with(&self, key: Option<&str>, description: &str) -> Reply {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/api/v2/cases/1/tasks/batch", self.gateway);
        let mut request = http.post(url).header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let body = json!({"tasks": [{"description": description}]}).to_string();
        let response = request.body(body).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body: Value = response.json().await.unwrap();
        assert!(!body.to_string().contains(INSIDE), "{body}");
        if status == 201 {
            assert_eq!(body["tasks"][0]["id"], 7);
            return Reply { problem: (201, String::new(), String::new()), headers };
        }
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(body["status"], status);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let problem = (status, text(&body["code"]), text(&body["errors"][0]["details"]));
        Reply { problem, headers }
    }

    /// Fails unless a call ends with this problem, after so many attempts. Returns the headers.
    async fn assert_ends(&self, key: Option<&str>, with: Problem, attempts: usize) -> HeaderMap {
        let reply = self.create(key).await;
        let (status, code, reason) = &reply.problem;
        assert_eq!((*status, code.as_str(), reason.as_str()), with);
        assert_eq!(self.proxy.calls(), attempts);
        reply.headers
    }
}

/// Details of a status that are not base64.
const NOT_BASE64: [(&str, &str); 1] = [("grpc-status-details-bin", "%")];

const CREATED: Problem = (201, "", "");

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_is_passed_on_and_not_followed_by_another_attempt() {
    let setting = Setting::new().await;
    let unauthenticated = (401, "UNAUTHENTICATED", "UPSTREAM_REFUSED");
    let forbidden = (403, "PERMISSION_DENIED", "UPSTREAM_REFUSED");
    let retry_after = [("retry-after", "7")];
    for (response, problem) in [
        (http(401, &[]), unauthenticated),
        (envoy("16", &[]), unauthenticated),
        (http(403, &[]), forbidden),
        (envoy("7", &[]), forbidden),
        (http(413, &[]), (413, "OUT_OF_RANGE", "BODY_TOO_LARGE")),
        (http(431, &[]), (431, "OUT_OF_RANGE", "HEADERS_TOO_LARGE")),
        (http(429, &[]), RATE_LIMITED),
        (http(429, &retry_after), RATE_LIMITED),
        (envoy("8", &retry_after), RATE_LIMITED),
        (envoy("8", &[("grpc-retry-pushback-ms", "7000")]), RATE_LIMITED),
        (envoy("8", &[("x-envoy-ratelimited", "true")]), RATE_LIMITED),
        (envoy("14", &[("x-envoy-ratelimited", "true")]), RATE_LIMITED),
        (envoy("14", &[("x-envoy-overloaded", "true")]), UPSTREAM_UNAVAILABLE),
        (http(503, &retry_after), UPSTREAM_UNAVAILABLE),
    ] {
        for key in [None, Some("key")] {
            let sent = response.headers().get("retry-after").cloned();
            setting.proxy.script([response.clone()]);
            let headers = setting.assert_ends(key, problem, 1).await;
            assert_eq!(headers.get("retry-after"), sent.as_ref(), "{response:?}");
            assert_eq!(headers.contains_key("www-authenticate"), problem.0 == 401);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_not_routed_to_a_server_is_made_again() {
    let setting = Setting::new().await;
    for response in [http(404, &[]), http(405, &[]), http(421, &[]), envoy("12", &[])] {
        setting.proxy.script([response.clone()]);
        setting.assert_ends(None, CREATED, 2).await;
        setting.proxy.script(vec![response; 4]);
        setting.assert_ends(None, UPSTREAM_UNAVAILABLE, 4).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_proves_nothing_leaves_the_outcome_unknown_unless_the_call_has_a_key() {
    let setting = Setting::new().await;
    for response in [
        http(502, &[]),
        http(502, &[("retry-after", "7")]),
        http(503, &[]),
        http(504, &[]),
        http(500, &[]),
        http(200, &[]),
        envoy("14", &[]),
        envoy("1", &[]),
        envoy("2", &[]),
        envoy("4", &[]),
        // A response that is larger than a library takes.
        envoy("8", &[]),
        envoy("13", &[]),
        // A response that begins and ends there, or whose details are not base64.
        grpc(&[]),
        grpc(&[("grpc-status", "0")]),
        envoy("14", &NOT_BASE64),
        in_trailers(envoy("14", &[])),
        in_trailers(envoy("14", &NOT_BASE64)),
        in_trailers(envoy("0", &NOT_BASE64)),
    ] {
        setting.proxy.script([response.clone()]);
        setting.assert_ends(None, OUTCOME_UNKNOWN, 1).await;
        setting.proxy.script([response]);
        setting.assert_ends(Some("key"), CREATED, 2).await;
    }
}

/// Health checks go on, whatever the responses to earlier ones were.
#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_health_status_means_not_serving_and_is_checked_again() {
    let (proxy, addr) = Proxy::start().await;
    proxy.script([envoy("14", &NOT_BASE64), in_trailers(envoy("14", &NOT_BASE64)), http(200, &[])]);
    // The health of a single server is not checked.
    let (program, gateway) = start(&format!("http://{addr},{NOWHERE}"), &[]);
    let event = program.wait_for_log("upstream is serving");
    assert_eq!(event["upstream"], format!("http://{addr}/"));
    assert!(proxy.calls() > 3);
    assert_eq!(get(gateway, "/readyz").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_of_a_further_attempt_proves_nothing_about_the_first() {
    let setting = Setting::new().await;
    for rejection in [http(429, &[]), http(413, &[]), envoy("7", &[])] {
        setting.proxy.script([http(502, &[]), rejection]);
        setting.assert_ends(Some("key"), OUTCOME_UNKNOWN, 2).await;
    }
    setting.proxy.script(vec![envoy("14", &[]); 4]);
    setting.assert_ends(Some("key"), OUTCOME_UNKNOWN, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_is_read_while_the_message_is_still_being_sent() {
    let setting = Setting::new().await;
    // More than fits in the flow-control windows of the proxy, which reads none of it.
    let description = "a".repeat(900 * 1024);
    for _ in 0..3 {
        setting.proxy.script([http(413, &[])]);
        let (status, _, reason) = setting.create_with(None, &description).await.problem;
        assert_eq!((status, reason.as_str()), (413, "BODY_TOO_LARGE"));
        assert_eq!(setting.proxy.calls(), 1);
    }
}

/// Creates a task with these headers, and returns those that reach the server under these names.
async fn forwarded(sent: &[(&str, &str)], names: &[&str]) -> Vec<(String, String)> {
    let setting = Setting::new().await;
    // The first attempt is lost, so what is checked are the headers of a further one.
    setting.proxy.script([http(502, &[])]);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/api/v2/cases/1/tasks/batch", setting.gateway);
    let request = http.post(url).header("idempotency-key", "key").json(&json!({"tasks": []}));
    let request = sent.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    assert_eq!(request.send().await.unwrap().status(), 201);
    assert_eq!(setting.proxy.calls(), 2);
    let headers = setting.proxy.headers();
    let values = names.iter().flat_map(|name| {
        headers
            .get_all(*name)
            .iter()
            .map(|value| ((*name).to_owned(), value.to_str().unwrap().to_owned()))
    });
    values.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_context_reaches_the_server_unchanged() {
    let context = [
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("tracestate", "congo=t61rcWkgMzE, rojo=00f067aa0ba902b7"),
        ("tracestate", ""),
        ("tracestate", "other@vendor=1;2"),
    ];
    let reached = forwarded(&context, &["traceparent", "tracestate"]).await;
    let reached: Vec<_> = reached.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(reached, context);

    // The gateway does not judge the value: it may be of a newer version of the standard.
    let unknown_version = [("traceparent", "cc-anything-else")];
    let reached = forwarded(&unknown_version, &["traceparent", "tracestate"]).await;
    assert_eq!(reached, [("traceparent".to_owned(), "cc-anything-else".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_parents_there_is_no_trace_context() {
    let context =
        [("traceparent", "00-a-b-01"), ("traceparent", "00-c-d-01"), ("tracestate", "x=1")];
    assert_eq!(forwarded(&context, &["traceparent", "tracestate"]).await, []);
}

/// Problem documents list every violation, so the server must not shorten its statuses.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_learns_that_the_gateway_takes_large_statuses() {
    // A caller of REST has no say in it.
    for sent in [&[][..], &[("caseload-max-status-bytes", "1")]] {
        let reached = forwarded(sent, &["caseload-max-status-bytes"]).await;
        assert_eq!(reached, [("caseload-max-status-bytes".to_owned(), "1048576".to_owned())]);
    }
}
