//! Requests about one task, made once, over gRPC or REST.

use proto::{
    FieldMask,
    tasks::v1::{
        BatchDeleteTasksRequest, CreateTaskRequest, DeleteTaskRequest, GetTaskRequest, NewTask,
        Task, TaskUpdate, UpdateTaskRequest, task_service_client::TaskServiceClient,
    },
};
use reqwest::Method;
use serde_json::{Value, json};
use tonic::{Status, transport::Channel};

use super::{Attempt, Endpoints, Failure, Route, rest::Reply};

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
    /// Delete the task with this id, in whatever state, as a batch of one.
    BatchDelete(i64),
}

/// A request about a task of a case.
pub(crate) struct Edit {
    pub(crate) tenant: usize,
    pub(crate) case_id: i64,
    pub(crate) action: Action,
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
}

impl Attempt for Edit {
    type Answer = Answer;

    async fn make(
        &self,
        endpoints: &Endpoints,
        endpoint: usize,
        sends_deadline: bool,
    ) -> Result<Answer, Failure> {
        let attempt = async {
            match endpoints.route(endpoint) {
                Route::Grpc(channel) => {
                    let result = self.call(endpoints, channel, sends_deadline).await;
                    result.map_err(|status| Failure::of_status(&status))
                }
                Route::Rest(gateway) => self.send(endpoints, gateway, sends_deadline).await,
            }
        };
        match endpoints.limited(endpoint, attempt).await {
            Ok(Some(task)) => Ok(Answer::Task(task)),
            Ok(None) => Ok(Answer::Deleted),
            Err(failure) if failure.is("TASK_NOT_FOUND") => Ok(Answer::Missing),
            Err(failure) if failure.is("ETAG_MISMATCH") => Ok(Answer::Stale),
            Err(failure) => Err(failure),
        }
    }
}

impl Edit {
    async fn call(
        &self,
        endpoints: &Endpoints,
        channel: Channel,
        sends_deadline: bool,
    ) -> Result<Option<Seen>, Status> {
        let mut client = TaskServiceClient::new(channel);
        let (tenant, case_id) = (self.tenant, self.case_id);
        let task = match self.action.clone() {
            Action::Create(contents, request_id) => {
                let Contents { description, emails, .. } = contents;
                let task = Some(NewTask { description, assignee_emails: emails });
                let message = CreateTaskRequest { case_id, task, request_id, ..Default::default() };
                let request = endpoints.message(message, tenant, sends_deadline);
                client.create_task(request).await?.into_inner().task
            }
            Action::Get(task_id) => {
                let message = GetTaskRequest { case_id, task_id };
                let request = endpoints.message(message, tenant, sends_deadline);
                client.get_task(request).await?.into_inner().task
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
                let request = endpoints.message(message, tenant, sends_deadline);
                client.update_task(request).await?.into_inner().task
            }
            Action::Delete(task_id, etag) => {
                let etag = etag.unwrap_or_default();
                let message = DeleteTaskRequest { case_id, task_id, etag };
                let request = endpoints.message(message, tenant, sends_deadline);
                client.delete_task(request).await?;
                None
            }
            Action::BatchDelete(task_id) => {
                let message = BatchDeleteTasksRequest { case_id, task_ids: vec![task_id] };
                let request = endpoints.message(message, tenant, sends_deadline);
                client.batch_delete_tasks(request).await?;
                None
            }
        };
        Ok(task.map(seen_over_grpc))
    }

    async fn send(
        &self,
        endpoints: &Endpoints,
        gateway: usize,
        sends_deadline: bool,
    ) -> Result<Option<Seen>, Failure> {
        let tasks = format!("cases/{}/tasks", self.case_id);
        let (method, path, body, etag) = match &self.action {
            Action::Create(contents, _) => (Method::POST, tasks, Some(contents), None),
            Action::Get(id) => (Method::GET, format!("{tasks}/{id}"), None, None),
            Action::Update(id, contents, etag) => {
                (Method::PUT, format!("{tasks}/{id}"), Some(contents), etag.as_ref())
            }
            Action::Delete(id, etag) => {
                (Method::DELETE, format!("{tasks}/{id}"), None, etag.as_ref())
            }
            Action::BatchDelete(_) => (Method::DELETE, format!("{tasks}/batch"), None, None),
        };
        let mut request = endpoints.request(method, gateway, &path, self.tenant, sends_deadline);
        if let Some(contents) = body {
            let Contents { description, completed, emails } = contents;
            let mut body = json!({"description": description, "assignee_emails": emails});
            if let Action::Create(_, key) = &self.action {
                request = request.header("idempotency-key", key);
            } else {
                body["completed"] = (*completed).into();
            }
            request = request.json(&body);
        }
        if let Action::BatchDelete(id) = &self.action {
            request = request.json(&json!({"task_ids": [id]}));
        }
        if let Some(etag) = etag {
            request = request.header("if-match", etag);
        }
        let reply = Reply::to(request).await?;
        let is_deleted = reply.etag.is_empty();
        Ok((!is_deleted).then(|| seen_over_rest(&reply.json()["task"], reply.etag.clone())))
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
