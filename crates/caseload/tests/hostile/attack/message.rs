//! The requests of attackers, over REST and over gRPC.

use bytes::{BufMut as _, Bytes, BytesMut};
use domain::ApiKey;
use http::Request;
use prost::Message as _;
use proto::tasks::v1::{BatchCreateTasksRequest, NewTask};
use serde_json::json;

use crate::{deployment::Tenant, random::Random};

/// A batch of some tasks.
#[derive(Clone)]
pub(crate) struct Batch {
    pub(crate) case_id: i64,
    pub(crate) descriptions: Vec<String>,
    /// Empty for none.
    pub(crate) idempotency_key: String,
}

impl Batch {
    /// A batch with one task.
    pub(crate) fn short(case_id: i64, description: String) -> Self {
        Self { case_id, descriptions: vec![description], idempotency_key: String::new() }
    }

    /// The same batch with its tasks several times.
    pub(crate) fn repeated(self, times: usize) -> Self {
        let tasks = self.descriptions.len() * times;
        let descriptions = self.descriptions.into_iter().cycle().take(tasks).collect();
        Self { descriptions, case_id: self.case_id, idempotency_key: self.idempotency_key }
    }

    /// The batch with the largest response: 25 tasks of 10,000 characters.
    pub(crate) fn long(case_id: i64, idempotency_key: &str) -> Self {
        let descriptions = vec!["x".repeat(10_000); 25];
        Self { case_id, descriptions, idempotency_key: idempotency_key.to_owned() }
    }

    pub(crate) fn json(&self) -> Bytes {
        let task = |text: &String| json!({"description": text});
        let tasks: Vec<_> = self.descriptions.iter().map(task).collect();
        json!({"tasks": tasks}).to_string().into()
    }

    pub(crate) fn grpc(&self) -> Bytes {
        let task =
            |text: &String| NewTask { description: text.clone(), assignee_emails: Vec::new() };
        let message = BatchCreateTasksRequest {
            case_id: self.case_id,
            tasks: self.descriptions.iter().map(task).collect(),
            request_id: self.idempotency_key.clone(),
            ..Default::default()
        };
        grpc_frame(&message.encode_to_vec())
    }
}

/// Returns a message with the prefix that gRPC gives it.
pub(crate) fn grpc_frame(message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(message.len() + 5);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.len()).unwrap());
    bytes.extend_from_slice(message);
    bytes.freeze()
}

/// Returns the head of a gRPC call to create tasks.
pub(crate) fn grpc_head(key: Option<&ApiKey>) -> http::request::Builder {
    grpc_head_of("caseload.tasks.v1.TaskService/BatchCreateTasks", key)
}

/// Returns the head of a gRPC call to a method.
pub(crate) fn grpc_head_of(method: &str, key: Option<&ApiKey>) -> http::request::Builder {
    let request = Request::post(format!("http://a/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    with_key(request, key)
}

/// Returns the head of a REST request about this path, below that of the case's tasks.
pub(crate) fn task_head(
    method: http::Method,
    tenant: &Tenant,
    path: &str,
) -> http::request::Builder {
    case_head(method, tenant, &format!("/{}/tasks{path}", tenant.case_id))
}

/// Returns the head of a REST request about this path, below that of the tenant's cases.
pub(crate) fn case_head(
    method: http::Method,
    tenant: &Tenant,
    path: &str,
) -> http::request::Builder {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://a/api/v2/cases{path}"))
        .header("content-type", "application/json");
    with_key(request, Some(&tenant.key))
}

/// Returns the head of a REST request to create tasks.
pub(crate) fn rest_head(case_id: i64, key: Option<&ApiKey>) -> http::request::Builder {
    let request = Request::post(format!("http://a/api/v2/cases/{case_id}/tasks/batch"))
        .header("content-type", "application/json");
    with_key(request, key)
}

fn with_key(request: http::request::Builder, key: Option<&ApiKey>) -> http::request::Builder {
    match key {
        Some(key) => request.header("authorization", format!("Bearer {}", key.expose())),
        None => request,
    }
}

/// Returns a well-formed key that does not exist.
pub(crate) fn unknown_key(random: &mut Random) -> ApiKey {
    let mut bytes = [0; 32];
    bytes.fill_with(|| u8::try_from(random.below(256)).unwrap());
    ApiKey::from_random_bytes(bytes)
}
