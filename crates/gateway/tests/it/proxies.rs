//! A proxy between the gateway and the server answers in the server's stead.

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

/// Status, code and reason.
type Told = (u16, &'static str, &'static str);

const OUTCOME_UNKNOWN: Told = (500, "UNKNOWN", "OUTCOME_UNKNOWN");
const UPSTREAM_UNAVAILABLE: Told = (503, "UNAVAILABLE", "UPSTREAM_UNAVAILABLE");
const RATE_LIMITED: Told = (429, "RESOURCE_EXHAUSTED", "RATE_LIMITED");

/// The head of an answer, with the trailers that follow it where it goes on.
type Answer = Response<Option<HeaderMap>>;

/// A word that proxies write, and callers must not read.
const INSIDE: &str = "inside.example";

/// A proxy that answers calls as it was told to, and passes on the others.
#[derive(Clone, Default)]
struct Proxy(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    answers: VecDeque<Answer>,
    calls: usize,
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
            let answer = {
                let mut state = self.0.lock().unwrap();
                state.calls += 1;
                state.answers.pop_front()
            };
            match answer {
                Some(answer) => send(call, answer),
                None => pass_on(call, request.uri().path()),
            }
        }
    }

    /// Has the next calls answered so, and forgets earlier ones.
    fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        *self.0.lock().unwrap() = State { answers: answers.into_iter().collect(), calls: 0 };
    }

    /// How many calls came since.
    fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }
}

fn send(mut call: SendResponse<Bytes>, answer: Answer) {
    let has_text = answer.headers().get("content-type").is_some_and(|value| value == "text/html");
    let (head, trailers) = answer.into_parts();
    let is_whole = !has_text && trailers.is_none();
    let mut body = call.send_response(Response::from_parts(head, ()), is_whole).unwrap();
    if has_text {
        body.send_data(format!("<html>{INSIDE}</html>").into(), true).unwrap();
    } else if let Some(trailers) = trailers {
        body.send_trailers(trailers).unwrap();
    }
}

/// As if the server had answered: it serves, and has created task 7.
fn pass_on(mut call: SendResponse<Bytes>, path: &str) {
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
fn http(status: u16, more: &[(&'static str, &'static str)]) -> Answer {
    let mut response = Response::builder().status(status).body(None).unwrap();
    *response.headers_mut() = headers(&[&[("content-type", "text/html")], more].concat());
    response
}

/// A gRPC response's head, or all of it where it has a status.
fn grpc(more: &[(&'static str, &'static str)]) -> Answer {
    let mut response = http(200, more);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

/// A gRPC status with a message, as Envoy writes them.
fn envoy(code: &'static str, more: &[(&'static str, &'static str)]) -> Answer {
    let message = "upstream connect error or disconnect/reset before headers. reset reason: \
                   connection termination, inside.example";
    let status = [("server", "envoy"), ("grpc-status", code), ("grpc-message", message)];
    grpc(&[&status, more].concat())
}

/// A gRPC response that says in its trailers what another says in its head.
fn in_trailers(answer: Answer) -> Answer {
    let mut trailers = answer.into_parts().0.headers;
    trailers.remove("content-type");
    grpc(&[]).map(|_| Some(trailers))
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let parsed = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    parsed.collect()
}

/// A gateway before a proxy.
struct Setting {
    proxy: Proxy,
    gateway: SocketAddr,
    _program: Program,
}

struct Reply {
    told: (u16, String, String),
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
        let answer = request.body(body).send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body: Value = answer.json().await.unwrap();
        assert!(!body.to_string().contains(INSIDE), "{body}");
        if status == 201 {
            assert_eq!(body["tasks"][0]["id"], 7);
            return Reply { told: (201, String::new(), String::new()), headers };
        }
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(body["status"], status);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let told = (status, text(&body["code"]), text(&body["errors"][0]["details"]));
        Reply { told, headers }
    }

    /// Fails unless a call is answered so, after so many attempts.
    async fn assert_told(&self, key: Option<&str>, told: Told, attempts: usize) -> HeaderMap {
        let reply = self.create(key).await;
        let (status, code, reason) = &reply.told;
        assert_eq!((*status, code.as_str(), reason.as_str()), told);
        assert_eq!(self.proxy.calls(), attempts);
        reply.headers
    }
}

/// Details of a status that nobody can read.
const NOT_BASE64: [(&str, &str); 1] = [("grpc-status-details-bin", "%")];

const CREATED: Told = (201, "", "");

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_passed_on_and_not_tried_again() {
    let setting = Setting::new().await;
    let unauthenticated = (401, "UNAUTHENTICATED", "UPSTREAM_REFUSED");
    let forbidden = (403, "PERMISSION_DENIED", "UPSTREAM_REFUSED");
    let retry_after = [("retry-after", "7")];
    for (answer, told) in [
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
            let sent = answer.headers().get("retry-after").cloned();
            setting.proxy.answer([answer.clone()]);
            let headers = setting.assert_told(key, told, 1).await;
            assert_eq!(headers.get("retry-after"), sent.as_ref(), "{answer:?}");
            assert_eq!(headers.contains_key("www-authenticate"), told.0 == 401);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_knows_the_service_the_call_is_made_again() {
    let setting = Setting::new().await;
    for answer in [http(404, &[]), http(405, &[]), http(421, &[]), envoy("12", &[])] {
        setting.proxy.answer([answer.clone()]);
        setting.assert_told(None, CREATED, 2).await;
        setting.proxy.answer(vec![answer; 4]);
        setting.assert_told(None, UPSTREAM_UNAVAILABLE, 4).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_proves_nothing_leaves_the_outcome_unknown_unless_the_call_has_a_key() {
    let setting = Setting::new().await;
    for answer in [
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
        // An answer that was larger than a library takes.
        envoy("8", &[]),
        envoy("13", &[]),
        // The answer began and ended there, or has details that nobody can read.
        grpc(&[]),
        grpc(&[("grpc-status", "0")]),
        envoy("14", &NOT_BASE64),
        in_trailers(envoy("14", &[])),
        in_trailers(envoy("14", &NOT_BASE64)),
        in_trailers(envoy("0", &NOT_BASE64)),
    ] {
        setting.proxy.answer([answer.clone()]);
        setting.assert_told(None, OUTCOME_UNKNOWN, 1).await;
        setting.proxy.answer([answer]);
        setting.assert_told(Some("key"), CREATED, 2).await;
    }
}

/// Over health, too: a server is looked at again whatever was answered.
#[tokio::test(flavor = "multi_thread")]
async fn health_that_nobody_can_read_is_no_health_and_is_asked_for_again() {
    let (proxy, addr) = Proxy::start().await;
    proxy.answer([envoy("14", &NOT_BASE64), in_trailers(envoy("14", &NOT_BASE64)), http(200, &[])]);
    // Only where there are several are they watched.
    let (program, gateway) = start(&format!("http://{addr},{NOWHERE}"), &[]);
    let told = program.wait_for_log("an upstream serves");
    assert_eq!(told["upstream"], format!("http://{addr}/"));
    assert!(proxy.calls() > 3);
    assert_eq!(get(gateway, "/readyz").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_a_further_attempt_says_nothing_of_the_first() {
    let setting = Setting::new().await;
    for refusal in [http(429, &[]), http(413, &[]), envoy("7", &[])] {
        setting.proxy.answer([http(502, &[]), refusal]);
        setting.assert_told(Some("key"), OUTCOME_UNKNOWN, 2).await;
    }
    setting.proxy.answer(vec![envoy("14", &[]); 4]);
    setting.assert_told(Some("key"), OUTCOME_UNKNOWN, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_heard_while_the_message_is_still_being_sent() {
    let setting = Setting::new().await;
    // More than the proxy, which reads none of it, has room for.
    let description = "a".repeat(900 * 1024);
    for _ in 0..3 {
        setting.proxy.answer([http(413, &[])]);
        let (status, _, reason) = setting.create_with(None, &description).await.told;
        assert_eq!((status, reason.as_str()), (413, "BODY_TOO_LARGE"));
        assert_eq!(setting.proxy.calls(), 1);
    }
}
