//! The two doors, REST and gRPC: one call through either, and what the caller is told.

use domain::ApiKey;
use proto::tasks::v1::{BatchCreateTasksRequest, NewTask, Task};
use reqwest::Method;
use serde_json::{Value, json};
use tonic::{Request, Status, metadata::MetadataValue};
use tonic_types::StatusExt as _;

use crate::support::App;

/// A call to create tasks, with a key or without.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    case_id: i64,
    headers: Vec<(&'static str, String)>,
    description: &'a str,
    emails: &'a [&'a str],
}

impl<'a> Call<'a> {
    /// A call with one good task for the app's case, without a key.
    pub(crate) fn of(app: &App) -> Self {
        Self { case_id: app.case_id, headers: Vec::new(), description: "a task", emails: &[] }
    }

    pub(crate) fn case(self, case_id: i64) -> Self {
        Self { case_id, ..self }
    }

    pub(crate) fn key(self, key: &ApiKey) -> Self {
        self.header("authorization", format!("Bearer {}", key.expose()))
    }

    /// One more header, or metadata.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn task(self, description: &'a str, emails: &'a [&'a str]) -> Self {
        Self { description, emails, ..self }
    }

    /// What both doors tell, which must be the same: `CODE REASON…`, or `OK`.
    pub(crate) async fn told(&self, app: &App) -> String {
        let (rest, grpc) = (self.rest(app).await, self.grpc(app).await);
        assert_eq!(rest, grpc, "REST and gRPC disagree about {self:?}");
        rest
    }

    /// What REST tells.
    pub(crate) async fn rest(&self, app: &App) -> String {
        let path = format!("/api/v2/cases/{}/tasks/batch", self.case_id);
        let task = json!({"description": self.description, "assignee_emails": self.emails});
        let mut request = app.request(Method::POST, &path).json(&json!({"tasks": [task]}));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        self.assert_keeps_secrets(&format!("{headers:?} {text}"));
        assert_eq!(
            headers.get("www-authenticate").map(|value| value.to_str().unwrap()),
            (status == 401).then_some("Bearer"),
        );
        if status == 201 {
            return "OK".to_owned();
        }
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(problem["status"], status.as_u16());
        let errors = problem["errors"].as_array().unwrap();
        let reasons = errors.iter().map(|item| item["details"].as_str().unwrap());
        join(problem["code"].as_str().unwrap(), reasons)
    }

    /// What gRPC tells.
    pub(crate) async fn grpc(&self, app: &App) -> String {
        let tasks = vec![new_task(self.description, self.emails)];
        let mut request = Request::new(BatchCreateTasksRequest {
            case_id: self.case_id,
            tasks,
            ..Default::default()
        });
        for (name, value) in &self.headers {
            request.metadata_mut().append(*name, MetadataValue::try_from(value).unwrap());
        }
        match app.grpc().await.batch_create_tasks(request).await {
            Ok(_) => "OK".to_owned(),
            Err(status) => {
                let details = String::from_utf8_lossy(status.details()).into_owned();
                self.assert_keeps_secrets(&format!("{status:?} {details}"));
                told_by(&status)
            }
        }
    }

    /// No answer, refused or not, repeats a credential.
    fn assert_keeps_secrets(&self, answer: &str) {
        for (name, value) in &self.headers {
            for word in value.split([' ', ',']).filter(|word| word.len() > 8) {
                assert!(!answer.contains(word), "{name} is repeated: {answer}");
            }
        }
    }
}

/// A task of a request over gRPC.
pub(crate) fn new_task(description: &str, emails: &[&str]) -> NewTask {
    NewTask {
        description: description.to_owned(),
        assignee_emails: emails.iter().map(ToString::to_string).collect(),
    }
}

/// Creates tasks in the app's case over gRPC, with its key.
pub(crate) async fn create_over_grpc(app: &App, tasks: Vec<NewTask>) -> Vec<Task> {
    let request =
        app.signed(BatchCreateTasksRequest { case_id: app.case_id, tasks, ..Default::default() });
    app.grpc().await.batch_create_tasks(request).await.unwrap().into_inner().tasks
}

/// What a status tells: its code, and the reasons of its violations or else its own.
pub(crate) fn told_by(status: &Status) -> String {
    let info = status.get_details_error_info().expect("each error has a reason");
    assert_eq!(info.domain, "caseload");
    let violations = status.get_details_bad_request().map_or(Vec::new(), |b| b.field_violations);
    let code = code_name(status.code());
    if violations.is_empty() {
        join(&code, [info.reason.as_str()].into_iter())
    } else {
        assert_eq!(info.reason, "INVALID_REQUEST");
        join(&code, violations.iter().map(|violation| violation.reason.as_str()))
    }
}

fn join<'a>(code: &str, reasons: impl Iterator<Item = &'a str>) -> String {
    reasons.fold(code.to_owned(), |told, reason| told + " " + reason)
}

/// `InvalidArgument` as `INVALID_ARGUMENT`.
fn code_name(code: tonic::Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}
