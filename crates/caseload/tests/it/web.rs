//! gRPC-Web and Connect, on the port of gRPC.

mod calls;
mod connect;
mod cors;
mod grpc_web;
mod http;
mod limits;

use domain::ApiKey;
use prost::Message as _;
use proto::tasks::v1::{BatchCreateTasksRequest, BatchCreateTasksResponse};
use reqwest::{
    RequestBuilder, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Value, json};
use tonic::{
    Code, Status,
    metadata::{Binary, MetadataValue},
};

use crate::support::{App, code_and_reasons, http_client, new_task, raw_grpc};

/// The method that most tests call.
const BATCH_CREATE: &str = "/caseload.tasks.v1.TaskService/BatchCreateTasks";

/// The page that may call the server.
const ORIGIN: &str = "https://app.example.com";

/// Starts an app whose server speaks all protocols.
async fn start() -> App {
    App::builder().server_args(&["--grpc-web", "--connect", "--cors-origins", ORIGIN]).start().await
}

/// Returns a request to the server over HTTP/1.1, with a key if there is one.
fn post(app: &App, path: &str, content_type: &str, key: Option<&ApiKey>) -> RequestBuilder {
    let request = http_client().post(format!("http://{}{path}", app.grpc_addr));
    let request = request.header("content-type", content_type);
    match key {
        Some(key) => request.bearer_auth(key.expose()),
        None => request,
    }
}

/// A response, read to its end.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Returns the result of a call of Connect: `OK`, or `CODE REASON…`.
    fn connect_result(&self) -> String {
        assert_ne!(self.header("x-request-id"), "");
        assert!(!self.headers.contains_key("grpc-status"), "{self:?}");
        if self.status == 200 {
            return "OK".to_owned();
        }
        let error = self.json();
        let all = error["details"].as_array().unwrap_or_else(|| panic!("{error}"));
        let debug = |name: &str| {
            let of_type = |detail: &&Value| detail["type"] == name;
            all.iter().find(of_type).map(|detail| &detail["debug"])
        };
        let mut reasons: Vec<&str> = Vec::new();
        if let Some(request) = debug("google.rpc.BadRequest") {
            let violations = request["fieldViolations"].as_array().unwrap().iter();
            reasons.extend(violations.map(|violation| violation["reason"].as_str().unwrap()));
        } else {
            reasons.push(debug("google.rpc.ErrorInfo").unwrap()["reason"].as_str().unwrap());
        }
        let code = error["code"].as_str().unwrap().to_uppercase();
        assert_eq!(self.status, http_status(&code), "{code}");
        reasons.into_iter().fold(code, |all, reason| all + " " + reason)
    }

    /// Returns the message and the status of a call of gRPC-Web in binary.
    fn grpc_web(&self) -> (Vec<u8>, Status) {
        assert_eq!(
            (self.status.as_u16(), self.header("content-type")),
            (200, "application/grpc-web+proto")
        );
        self.of_grpc_web_frames(&self.body)
    }

    fn of_grpc_web_frames(&self, mut rest: &[u8]) -> (Vec<u8>, Status) {
        assert_ne!(self.header("x-request-id"), "");
        if let Some(status) = Status::from_header_map(&self.headers) {
            assert_eq!(rest, b"", "a status without a message");
            return (Vec::new(), status);
        }
        let mut message = Vec::new();
        while let [flag, a, b, c, d, after @ ..] = rest {
            let (content, next) = after.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
            rest = next;
            match flag {
                0 => message.extend_from_slice(content),
                128 => return (message, status_of_trailers(content)),
                flag => panic!("{flag}"),
            }
        }
        panic!("no trailers: {self:?}");
    }

    /// Returns the result of a call of gRPC-Web: `OK`, or `CODE REASON…`.
    fn grpc_web_result(&self) -> String {
        let (_, status) = self.grpc_web();
        if status.code() == Code::Ok { "OK".to_owned() } else { code_and_reasons(&status) }
    }
}

fn status_of_trailers(text: &[u8]) -> Status {
    let lines = std::str::from_utf8(text).unwrap().split_terminator("\r\n");
    let trailers = lines.map(|line| line.split_once(':').unwrap());
    let trailers: HeaderMap = trailers
        .map(|(name, value)| {
            (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap())
        })
        .collect();
    Status::from_header_map(&trailers).expect("a status")
}

/// The HTTP status of a code of Connect (<https://connectrpc.com/docs/protocol>).
fn http_status(code: &str) -> u16 {
    match code {
        "INVALID_ARGUMENT" | "OUT_OF_RANGE" => 400,
        "UNAUTHENTICATED" => 401,
        "PERMISSION_DENIED" => 403,
        "NOT_FOUND" => 404,
        "ABORTED" => 409,
        "RESOURCE_EXHAUSTED" => 429,
        "UNIMPLEMENTED" => 501,
        "UNAVAILABLE" => 503,
        "DEADLINE_EXCEEDED" => 504,
        code => panic!("{code}"),
    }
}

/// A batch of one valid task, in JSON.
fn one_task(app: &App) -> Value {
    json!({
        "caseId": app.case_id.to_string(),
        "tasks": [{"description": "a task", "assigneeEmails": ["user1@example.com"]}],
    })
}

/// A batch of one valid task, encoded.
fn one_task_encoded(app: &App) -> Vec<u8> {
    let tasks = vec![new_task("a task", &["user1@example.com"])];
    BatchCreateTasksRequest { case_id: app.case_id, tasks, ..Default::default() }.encode_to_vec()
}

/// Checks that an encoded response has the one task of these batches.
fn assert_one_task(message: &[u8]) {
    let response = BatchCreateTasksResponse::decode(message).unwrap();
    let [task] = &response.tasks[..] else { panic!("{response:?}") };
    assert_eq!((task.description.as_str(), task.assignees.len()), ("a task", 1));
}

fn to_base64(bytes: &[u8]) -> String {
    let text = MetadataValue::<Binary>::from_bytes(bytes);
    let text = String::from_utf8(text.as_encoded_bytes().to_vec()).unwrap();
    let padding = text.len().next_multiple_of(4) - text.len();
    text + &"=".repeat(padding)
}

/// Decodes texts in base64, one after the other, each padded.
fn from_base64(texts: &[u8]) -> Vec<u8> {
    let decode = |group: &[u8]| {
        let text = String::from_utf8(group.to_vec()).unwrap();
        let value = binary_value(text.trim_end_matches('='));
        value.to_bytes().unwrap().to_vec()
    };
    texts.chunks(4).flat_map(decode).collect()
}

/// Returns the metadata value with this text.
fn binary_value(text: &str) -> MetadataValue<Binary> {
    let headers = HeaderMap::from_iter([(
        HeaderName::from_static("a-bin"),
        HeaderValue::try_from(text).unwrap(),
    )]);
    tonic::metadata::MetadataMap::from_headers(headers).get_bin("a-bin").unwrap().clone()
}

/// Returns a message in the framing of gRPC.
fn framed(message: &[u8]) -> Vec<u8> {
    raw_grpc::frame(message)
}
