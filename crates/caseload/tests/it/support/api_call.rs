//! Every call of the API, in the form in which the table tests make it.

use domain::{ApiKey, Scope};
use proto::cases::v1::{
    CreateCaseRequest, DeleteCaseRequest, GetCaseRequest, ListCasesRequest, UpdateCaseRequest,
};
use proto::directory::v1::{
    BatchUpsertCasesRequest, BatchUpsertUsersRequest, CloseCaseRequest, DeactivateUserRequest,
    EraseUserRequest, GetCaseRequest as FindCaseRequest, GetUserRequest,
    ListCasesRequest as ListFedCasesRequest, ListUsersRequest, ReactivateUserRequest, UpsertCase,
    UpsertUser, UserKey, user_key,
};
use proto::tasks::v1::{
    BatchCreateTasksRequest, BatchDeleteTasksRequest, BatchGetTasksRequest,
    BatchUpdateTasksRequest, CreateTaskRequest, DeleteTaskRequest, GetIdempotencyRecordRequest,
    GetTaskRequest, ListTaskEventsRequest, ListTasksRequest, UpdateTaskRequest,
};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tonic::{Code, codegen::http::HeaderMap};

use super::{App, Reply, code_and_reasons, raw_grpc, target::Target};

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Creates tasks.
    Create,
    /// Returns tasks by their ids, or what was done to one.
    Get,
    /// Lists the tasks of a case that have an assignee.
    ListOfCase,
    /// Lists the tasks of all cases that have an assignee.
    ListOfUser,
    /// Changes tasks, if they are in the right state.
    Update,
    /// Deletes a task, if it is in the right state.
    Delete,
    /// Deletes tasks in any state.
    BatchDelete,
    /// Returns the record of an idempotency key.
    GetRecord,
    /// Creates a case with a task that has an assignee.
    CreateCase,
    /// Returns a case.
    GetCase,
    /// Lists all cases.
    ListCases,
    /// Changes a case, if it is in the right state.
    UpdateCase,
    /// Deletes a case, if it is in the right state.
    DeleteCase,
    /// Creates or changes users.
    UpsertUsers,
    /// Creates or changes cases by the caller's own ids.
    UpsertCases,
    /// Returns a user, by the email.
    FindUser,
    /// Lists users, by an email.
    ListUsers,
    /// Deactivates, reactivates or erases a user.
    ChangeUser,
    /// Returns a case, over the directory.
    FindCase,
    /// Lists all cases, over the directory.
    ListFedCases,
    /// Closes a case.
    CloseCase,
}

impl Kind {
    /// The scopes of which the caller's key needs one.
    pub(crate) const fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Get | Self::ListOfCase | Self::ListOfUser => &[Scope::TasksRead],
            Self::Create | Self::Update | Self::Delete | Self::BatchDelete => &[Scope::TasksWrite],
            Self::GetRecord => &[Scope::TasksWrite, Scope::CasesWrite],
            Self::GetCase | Self::ListCases => &[Scope::CasesRead],
            Self::CreateCase | Self::UpdateCase | Self::DeleteCase => &[Scope::CasesWrite],
            Self::UpsertUsers
            | Self::UpsertCases
            | Self::FindUser
            | Self::ListUsers
            | Self::ChangeUser
            | Self::FindCase
            | Self::ListFedCases
            | Self::CloseCase => &[Scope::Admin],
        }
    }

    /// Whether the call may change data.
    pub(crate) const fn writes(self) -> bool {
        matches!(
            self,
            Self::Create
                | Self::Update
                | Self::Delete
                | Self::BatchDelete
                | Self::CreateCase
                | Self::UpdateCase
                | Self::DeleteCase
                | Self::UpsertUsers
                | Self::UpsertCases
                | Self::ChangeUser
                | Self::CloseCase
        )
    }
}

/// How a call is made: a gRPC message, or the body of a REST request.
enum Content {
    Message(Vec<u8>),
    NoBody,
    Body(Value),
}

/// A call of the API: a gRPC method or a REST route.
#[derive(Clone, Copy)]
pub(crate) struct ApiCall {
    /// `package.Service/Method`, or `METHOD /path`.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    content: fn(&Target) -> Content,
}

/// All calls of the API.
pub(crate) const API_CALLS: [ApiCall; 42] = [
    grpc("caseload.cases.v1.CaseService/CreateCase", Kind::CreateCase, |target| {
        let case = Some(target.new_case());
        message(&CreateCaseRequest { case, ..Default::default() })
    }),
    grpc("caseload.cases.v1.CaseService/GetCase", Kind::GetCase, |target| {
        message(&GetCaseRequest { case_id: target.case_id })
    }),
    grpc("caseload.cases.v1.CaseService/ListCases", Kind::ListCases, |_| {
        message(&ListCasesRequest { page_size: 1, ..Default::default() })
    }),
    grpc("caseload.cases.v1.CaseService/UpdateCase", Kind::UpdateCase, |target| {
        message(&UpdateCaseRequest { case: Some(target.case_update()), validate_only: false })
    }),
    grpc("caseload.cases.v1.CaseService/DeleteCase", Kind::DeleteCase, |target| {
        message(&DeleteCaseRequest { case_id: target.case_id, etag: target.etag.to_owned() })
    }),
    grpc("caseload.tasks.v1.TaskService/BatchCreateTasks", Kind::Create, |target| {
        let (case_id, tasks) = (target.case_id, vec![target.new_task()]);
        message(&BatchCreateTasksRequest { case_id, tasks, ..Default::default() })
    }),
    grpc("caseload.tasks.v1.TaskService/CreateTask", Kind::Create, |target| {
        let (case_id, task) = (target.case_id, Some(target.new_task()));
        message(&CreateTaskRequest { case_id, task, ..Default::default() })
    }),
    grpc("caseload.tasks.v1.TaskService/GetTask", Kind::Get, |target| {
        message(&GetTaskRequest { case_id: target.case_id, task_id: target.task_id })
    }),
    grpc("caseload.tasks.v1.TaskService/BatchGetTasks", Kind::Get, |target| {
        message(&BatchGetTasksRequest { case_id: target.case_id, task_ids: vec![target.task_id] })
    }),
    grpc("caseload.tasks.v1.TaskService/ListTasks", Kind::ListOfCase, |target| {
        let (case_id, assignee_email) = (target.case_id, target.email.to_owned());
        message(&ListTasksRequest { case_id, assignee_email, ..Default::default() })
    }),
    grpc("caseload.tasks.v1.TaskService/ListTaskEvents", Kind::Get, |target| {
        let (case_id, task_id) = (target.case_id, target.task_id);
        message(&ListTaskEventsRequest { case_id, task_id, ..Default::default() })
    }),
    grpc("caseload.tasks.v1.TaskService/UpdateTask", Kind::Update, |target| {
        let (case_id, task) = (target.case_id, Some(target.update()));
        message(&UpdateTaskRequest { case_id, task, validate_only: false })
    }),
    grpc("caseload.tasks.v1.TaskService/BatchUpdateTasks", Kind::Update, |target| {
        let (case_id, tasks) = (target.case_id, vec![target.update()]);
        message(&BatchUpdateTasksRequest { case_id, tasks, validate_only: false })
    }),
    grpc("caseload.tasks.v1.TaskService/DeleteTask", Kind::Delete, |target| {
        let (case_id, task_id, etag) = (target.case_id, target.task_id, target.etag.to_owned());
        message(&DeleteTaskRequest { case_id, task_id, etag })
    }),
    grpc("caseload.tasks.v1.TaskService/BatchDeleteTasks", Kind::BatchDelete, |target| {
        let (case_id, task_ids) = (target.case_id, vec![target.task_id]);
        message(&BatchDeleteTasksRequest { case_id, task_ids })
    }),
    grpc("caseload.tasks.v1.TaskService/GetIdempotencyRecord", Kind::GetRecord, |target| {
        message(&GetIdempotencyRecordRequest { request_id: target.idempotency_key.to_owned() })
    }),
    grpc("caseload.directory.v1.DirectoryService/BatchUpsertUsers", Kind::UpsertUsers, |target| {
        // A user beside those whom other calls are about.
        let email = format!("fed-{}", target.email);
        let users = vec![UpsertUser { email, ..Default::default() }];
        message(&BatchUpsertUsersRequest { users, validate_only: false })
    }),
    grpc("caseload.directory.v1.DirectoryService/BatchUpsertCases", Kind::UpsertCases, |target| {
        let (external_id, name) = (format!("x{}", target.task_id), target.description.to_owned());
        let cases = vec![UpsertCase { external_id, name, ..Default::default() }];
        message(&BatchUpsertCasesRequest { cases, validate_only: false })
    }),
    grpc("caseload.directory.v1.DirectoryService/GetUser", Kind::FindUser, |target| {
        let user = Some(UserKey { key: Some(user_key::Key::Email(target.email.to_owned())) });
        message(&GetUserRequest { user })
    }),
    grpc("caseload.directory.v1.DirectoryService/ListUsers", Kind::ListUsers, |target| {
        message(&ListUsersRequest { email: target.email.to_owned(), ..Default::default() })
    }),
    grpc("caseload.directory.v1.DirectoryService/DeactivateUser", Kind::ChangeUser, |target| {
        message(&DeactivateUserRequest { user: target.user_key() })
    }),
    grpc("caseload.directory.v1.DirectoryService/ReactivateUser", Kind::ChangeUser, |target| {
        message(&ReactivateUserRequest { user: target.user_key() })
    }),
    // After the two above: nobody can make an erased user active.
    grpc("caseload.directory.v1.DirectoryService/EraseUser", Kind::ChangeUser, |target| {
        message(&EraseUserRequest { user: target.user_key() })
    }),
    grpc("caseload.directory.v1.DirectoryService/GetCase", Kind::FindCase, |target| {
        message(&FindCaseRequest { case: target.case_key() })
    }),
    grpc("caseload.directory.v1.DirectoryService/ListCases", Kind::ListFedCases, |_| {
        message(&ListFedCasesRequest { page_size: 1, ..Default::default() })
    }),
    grpc("caseload.directory.v1.DirectoryService/CloseCase", Kind::CloseCase, |target| {
        message(&CloseCaseRequest { case: target.case_key() })
    }),
    rest("POST /api/v2/cases/{case_id}/tasks/batch", Kind::Create, |target| {
        let (description, emails) = (target.description, [target.email]);
        let task = json!({"description": description, "assignee_emails": emails});
        Content::Body(json!({"tasks": [task]}))
    }),
    rest("POST /api/v2/cases/{case_id}/tasks", Kind::Create, |target| {
        let (description, emails) = (target.description, [target.email]);
        Content::Body(json!({"description": description, "assignee_emails": emails}))
    }),
    rest("GET /api/v2/cases/{case_id}/tasks/{task_id}", Kind::Get, |_| Content::NoBody),
    rest("GET /api/v2/cases/{case_id}/tasks/{task_id}/events", Kind::Get, |_| Content::NoBody),
    rest("GET /api/v2/cases/{case_id}/tasks?assignee_email={email}", Kind::ListOfCase, |_| {
        Content::NoBody
    }),
    rest("GET /api/v2/tasks?assignee_email={email}", Kind::ListOfUser, |_| Content::NoBody),
    rest("PUT /api/v2/cases/{case_id}/tasks/{task_id}", Kind::Update, |target| {
        Content::Body(target.update_body())
    }),
    rest("PUT /api/v2/cases/{case_id}/tasks/batch", Kind::Update, |target| {
        let mut task = target.update_body();
        task["id"] = target.task_id.into();
        if !target.etag.is_empty() {
            task["etag"] = target.etag.into();
        }
        Content::Body(json!({"tasks": [task]}))
    }),
    rest("DELETE /api/v2/cases/{case_id}/tasks/{task_id}", Kind::Delete, |_| Content::NoBody),
    rest("DELETE /api/v2/cases/{case_id}/tasks/batch", Kind::BatchDelete, |target| {
        Content::Body(json!({"task_ids": [target.task_id]}))
    }),
    rest("POST /api/v2/cases", Kind::CreateCase, |target| {
        let tasks = [json!({"description": "a task", "assignee_emails": [target.email]})];
        Content::Body(json!({"name": target.description, "tasks": tasks}))
    }),
    rest("GET /api/v2/cases", Kind::ListCases, |_| Content::NoBody),
    rest("GET /api/v2/cases/{case_id}", Kind::GetCase, |_| Content::NoBody),
    rest("PUT /api/v2/cases/{case_id}", Kind::UpdateCase, |target| {
        Content::Body(json!({"name": target.description}))
    }),
    rest("DELETE /api/v2/cases/{case_id}", Kind::DeleteCase, |_| Content::NoBody),
    rest("GET /api/v2/idempotency-keys/{idempotency_key}", Kind::GetRecord, |_| Content::NoBody),
];

const fn grpc(name: &'static str, kind: Kind, content: fn(&Target) -> Content) -> ApiCall {
    ApiCall { name, kind, content }
}

const fn rest(name: &'static str, kind: Kind, content: fn(&Target) -> Content) -> ApiCall {
    ApiCall { name, kind, content }
}

fn message(message: &impl prost::Message) -> Content {
    Content::Message(message.encode_to_vec())
}

impl ApiCall {
    /// Returns the path of the gRPC method and the message; `None` if the call goes over REST.
    pub(crate) fn grpc_message(&self, target: &Target) -> Option<(String, Vec<u8>)> {
        match (self.content)(target) {
            Content::Message(message) => Some((format!("/{}", self.name), message)),
            Content::NoBody | Content::Body(_) => None,
        }
    }

    /// Returns the method and the path of the REST request; `None` if the call goes over gRPC.
    pub(crate) fn rest_path(&self, target: &Target) -> Option<(Method, String)> {
        let (method, template) = self.name.split_once(' ')?;
        let path = template
            .replace("{case_id}", &target.case_id.to_string())
            .replace("{task_id}", &target.task_id.to_string())
            .replace("{email}", &target.email.replace(' ', "%20"))
            .replace("{idempotency_key}", target.idempotency_key);
        Some((method.parse().unwrap(), path))
    }

    /// Returns the JSON body of the REST request; `None` if it has none, or goes over gRPC.
    pub(crate) fn rest_body(&self, target: &Target) -> Option<Value> {
        match (self.content)(target) {
            Content::Body(body) => Some(body),
            Content::NoBody | Content::Message(_) => None,
        }
    }

    /// Returns the REST request, without a key.
    fn rest_request(&self, app: &App, target: &Target) -> RequestBuilder {
        let (method, path) = self.rest_path(target).expect("a call over REST");
        let mut request = app.request(method, &path);
        // In a batch, each task has its own in the body.
        let is_of_case = matches!(self.kind, Kind::UpdateCase | Kind::DeleteCase);
        if !target.etag.is_empty() && (self.name.contains("{task_id}") || is_of_case) {
            request = request.header("if-match", target.etag);
        }
        match self.rest_body(target) {
            Some(body) => request.json(&body),
            None => request,
        }
    }

    /// Makes the call with this key or none. Returns `OK`, or `CODE REASON…`.
    pub(crate) async fn result(&self, app: &App, key: Option<&ApiKey>, target: &Target) -> String {
        let address = if self.name.contains(' ') { app.http_addr } else { app.grpc_addr };
        self.result_on(app, &address.to_string(), key, target).await
    }

    /// Makes the call as one to this authority.
    pub(crate) async fn result_on(
        &self,
        app: &App,
        authority: &str,
        key: Option<&ApiKey>,
        target: &Target,
    ) -> String {
        let Some((path, message)) = self.grpc_message(target) else {
            let mut request = self.rest_request(app, target).header("host", authority);
            if let Some(key) = key {
                request = request.bearer_auth(key.expose());
            }
            return rest_result(&Reply::of(request).await);
        };
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let value = format!("Bearer {}", key.expose()).parse().unwrap();
            headers.insert("authorization", value);
        }
        let body = raw_grpc::frame(&message);
        let mut channel = app.channel_on(authority).await;
        let status = raw_grpc::send(&mut channel, &path, headers, body).await;
        if status.code() == Code::Ok { "OK".to_owned() } else { code_and_reasons(&status) }
    }
}

/// Returns `OK`, or `CODE REASON…`.
fn rest_result(reply: &Reply) -> String {
    if reply.status.is_success() {
        return "OK".to_owned();
    }
    let problem = reply.problem();
    let reasons = problem["errors"].as_array().unwrap().iter();
    let reasons = reasons.map(|item| item["details"].as_str().unwrap());
    reasons.fold(problem["code"].as_str().unwrap().to_owned(), |all, reason| all + " " + reason)
}
