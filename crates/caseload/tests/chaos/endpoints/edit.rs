//! Requests about one task, made once, over gRPC or REST.

use std::net::SocketAddr;

use proto::{
    FieldMask,
    tasks::v1::{
        CreateTaskRequest, DeleteTaskRequest, GetTaskRequest, NewTask, Task, TaskUpdate,
        UpdateTaskRequest, task_service_client::TaskServiceClient,
    },
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;
use tonic::{Request, Status, transport::Channel};
use tonic_types::StatusExt as _;

use super::{ATTEMPT_TIMEOUT, Endpoints, GRANTED_SECONDS, Outcome, reason_outcome, status_outcome};

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Create the task; with an idempotency key.
    Create(Contents, String),
    /// Return the task with this id.
    Get(i64),
    /// Change the task with this id, if it has this entity tag.
    Update(i64, Contents, Option<String>),
    /// Delete the task with this id, if it has this entity tag.
    Delete(i64, Option<String>),
}

/// What a request sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) description: String,
    pub(crate) completed: bool,
    pub(crate) emails: Vec<String>,
}

/// A task as a response has it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) id: i64,
    pub(crate) contents: Contents,
    pub(crate) etag: String,
}

/// What an attempt came to.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The task, as it is now.
    Task(Seen),
    Deleted,
    /// There is no such task.
    Missing,
    /// The task has another entity tag.
    Stale,
    Failed(Outcome),
}

impl Endpoints {
    /// Makes a request about a task of a case once. If `sends_deadline` is not set, the service does
    /// not know when the client stops waiting.
    pub(crate) async fn ask(
        &self,
        endpoint: usize,
        (tenant, case_id): (usize, i64),
        action: &Action,
        sends_deadline: bool,
    ) -> Answer {
        let attempt = async {
            match self.grpc.get(endpoint) {
                Some(client) => {
                    let client = client.clone();
                    self.ask_over_grpc(client, tenant, case_id, action, sends_deadline).await
                }
                None => {
                    let addr = self.rest[endpoint - self.grpc.len()];
                    self.ask_over_rest(addr, tenant, case_id, action, sends_deadline).await
                }
            }
        };
        let late = |_| Answer::Failed(Outcome::Unknown("no response in time".to_owned()));
        timeout(ATTEMPT_TIMEOUT, attempt).await.unwrap_or_else(late)
    }

    async fn ask_over_grpc(
        &self,
        mut client: TaskServiceClient<Channel>,
        tenant: usize,
        case_id: i64,
        action: &Action,
        sends_deadline: bool,
    ) -> Answer {
        let bearer = format!("Bearer {}", self.api_keys[tenant].expose());
        let result = match action.clone() {
            Action::Create(contents, request_id) => {
                let Contents { description, emails, .. } = contents;
                let task = Some(NewTask { description, assignee_emails: emails });
                let message = CreateTaskRequest { case_id, task, request_id, ..Default::default() };
                let request = authorized(message, &bearer, sends_deadline);
                client.create_task(request).await.map(|response| response.into_inner().task)
            }
            Action::Get(task_id) => {
                let request =
                    authorized(GetTaskRequest { case_id, task_id }, &bearer, sends_deadline);
                client.get_task(request).await.map(|response| response.into_inner().task)
            }
            Action::Update(id, contents, etag) => {
                let Contents { description, completed, emails } = contents;
                let task = Some(TaskUpdate {
                    id,
                    description: Some(description),
                    completed: Some(completed),
                    assignee_emails: emails,
                    update_mask: Some(FieldMask { paths: vec!["*".to_owned()] }),
                    etag: etag.unwrap_or_default(),
                });
                let message = UpdateTaskRequest { case_id, task, validate_only: false };
                let request = authorized(message, &bearer, sends_deadline);
                client.update_task(request).await.map(|response| response.into_inner().task)
            }
            Action::Delete(task_id, etag) => {
                let etag = etag.unwrap_or_default();
                let message = DeleteTaskRequest { case_id, task_id, etag };
                client.delete_task(authorized(message, &bearer, sends_deadline)).await.map(|_| None)
            }
        };
        match result {
            Ok(Some(task)) => Answer::Task(seen_over_grpc(task)),
            Ok(None) => Answer::Deleted,
            Err(status) => grpc_failure(&status),
        }
    }

    async fn ask_over_rest(
        &self,
        addr: SocketAddr,
        tenant: usize,
        case_id: i64,
        action: &Action,
        sends_deadline: bool,
    ) -> Answer {
        let tasks = format!("http://{addr}/api/v2/cases/{case_id}/tasks");
        let (method, url, body, etag) = match action {
            Action::Create(contents, _) => (Method::POST, tasks, Some(contents), None),
            Action::Get(id) => (Method::GET, format!("{tasks}/{id}"), None, None),
            Action::Update(id, contents, etag) => {
                (Method::PUT, format!("{tasks}/{id}"), Some(contents), etag.as_ref())
            }
            Action::Delete(id, etag) => {
                (Method::DELETE, format!("{tasks}/{id}"), None, etag.as_ref())
            }
        };
        let mut request =
            self.http.request(method, url).bearer_auth(self.api_keys[tenant].expose());
        if let Some(contents) = body {
            let Contents { description, completed, emails } = contents;
            let mut body = json!({"description": description, "assignee_emails": emails});
            if let Action::Create(_, key) = action {
                request = request.header("idempotency-key", key);
            } else {
                body["completed"] = (*completed).into();
            }
            request = request.json(&body);
        }
        if let Some(etag) = etag {
            request = request.header("if-match", etag);
        }
        if sends_deadline {
            request = request.header("request-timeout", GRANTED_SECONDS);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => {
                return Answer::Failed(Outcome::Refused("no connection".to_owned()));
            }
            Err(_) => return Answer::Failed(Outcome::Unknown("connection lost".to_owned())),
        };
        let status = response.status();
        let etag = response.headers().get("etag").map(|etag| etag.to_str().unwrap().to_owned());
        let Ok(body) = response.bytes().await else {
            let lost = "connection lost within the response".to_owned();
            return Answer::Failed(Outcome::Unknown(lost));
        };
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            return match etag {
                Some(etag) => Answer::Task(seen_over_rest(&body["task"], etag)),
                None => Answer::Deleted,
            };
        }
        let reason = body["errors"][0]["details"].as_str().unwrap_or("no reason");
        match (status, reason) {
            (StatusCode::NOT_FOUND, "TASK_NOT_FOUND") => Answer::Missing,
            (StatusCode::PRECONDITION_FAILED, "ETAG_MISMATCH") => Answer::Stale,
            _ => Answer::Failed(reason_outcome(false, reason, status)),
        }
    }
}

pub(super) fn authorized<T>(message: T, bearer: &str, sends_deadline: bool) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", bearer.parse().unwrap());
    if sends_deadline {
        request.set_timeout(ATTEMPT_TIMEOUT);
    }
    request
}

pub(super) fn grpc_failure(status: &Status) -> Answer {
    let reason = status.get_details_error_info().map(|info| info.reason);
    match reason.as_deref() {
        Some("TASK_NOT_FOUND") => Answer::Missing,
        Some("ETAG_MISMATCH") => Answer::Stale,
        _ => Answer::Failed(status_outcome(status)),
    }
}

pub(super) fn seen_over_grpc(task: Task) -> Seen {
    let emails = task.assignees.into_iter().map(|assignee| assignee.email).collect();
    let contents = Contents { description: task.description, completed: task.completed, emails };
    Seen { id: task.id, contents, etag: task.etag }
}

fn seen_over_rest(task: &Value, etag: String) -> Seen {
    let assignees = task["assignees"].as_array().into_iter().flatten();
    let contents = Contents {
        description: task["description"].as_str().unwrap_or_default().to_owned(),
        completed: task["completed"].as_bool().unwrap_or_default(),
        emails: assignees
            .map(|user| user["email"].as_str().unwrap_or_default().to_owned())
            .collect(),
    };
    Seen { id: task["id"].as_i64().unwrap_or_default(), contents, etag }
}
