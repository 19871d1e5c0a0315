//! A call to create tasks that can be made over REST, over gRPC, or over both, and its result.

use domain::ApiKey;
use proto::tasks::v1::{BatchCreateTasksRequest, NewTask, Task};
use reqwest::Method;
use serde_json::{Value, json};
use tonic::{Request, Status, metadata::MetadataValue};
use tonic_types::StatusExt as _;

use super::App;

/// A call to create one task.
#[derive(Clone, Debug)]
pub(crate) struct CreateCall<'a> {
    case_id: i64,
    headers: Vec<(&'static str, String)>,
    description: &'a str,
    emails: &'a [&'a str],
}

impl<'a> CreateCall<'a> {
    /// A call with one valid task for the app's case, without an API key.
    pub(crate) fn new(app: &App) -> Self {
        Self { case_id: app.case_id, headers: Vec::new(), description: "a task", emails: &[] }
    }

    /// Replaces the case.
    pub(crate) fn case(self, case_id: i64) -> Self {
        Self { case_id, ..self }
    }

    /// Adds an API key as a bearer token.
    pub(crate) fn key(self, key: &ApiKey) -> Self {
        self.header("authorization", format!("Bearer {}", key.expose()))
    }

    /// Adds a header (over REST) or a metadata entry (over gRPC).
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Replaces the task.
    pub(crate) fn task(self, description: &'a str, emails: &'a [&'a str]) -> Self {
        Self { description, emails, ..self }
    }

    /// Makes the call over gRPC and over REST. Returns the result, which must be the same over
    /// both: `OK`, or `CODE REASON…`.
    pub(crate) async fn result(&self, app: &App) -> String {
        let (rest, grpc) = (self.result_over_rest(app).await, self.result_over_grpc(app).await);
        assert_eq!(rest, grpc, "REST and gRPC disagree about {self:?}");
        rest
    }

    /// Makes the call over REST and returns its result.
    pub(crate) async fn result_over_rest(&self, app: &App) -> String {
        let path = format!("/api/v2/cases/{}/tasks/batch", self.case_id);
        let task = json!({"description": self.description, "assignee_emails": self.emails});
        let mut request = app.request(Method::POST, &path).json(&json!({"tasks": [task]}));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        self.assert_repeats_no_credential(&format!("{headers:?} {text}"));
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

    /// Makes the call over gRPC and returns its result.
    pub(crate) async fn result_over_grpc(&self, app: &App) -> String {
        let tasks = vec![new_task(self.description, self.emails)];
        let mut request = Request::new(BatchCreateTasksRequest {
            case_id: self.case_id,
            tasks,
            ..Default::default()
        });
        for (name, value) in &self.headers {
            request.metadata_mut().append(*name, MetadataValue::try_from(value).unwrap());
        }
        match app.grpc_client().await.batch_create_tasks(request).await {
            Ok(_) => "OK".to_owned(),
            Err(status) => {
                let details = String::from_utf8_lossy(status.details()).into_owned();
                self.assert_repeats_no_credential(&format!("{status:?} {details}"));
                code_and_reasons(&status)
            }
        }
    }

    /// Checks that the response, successful or not, does not repeat a credential.
    fn assert_repeats_no_credential(&self, response: &str) {
        for (name, value) in &self.headers {
            for word in value.split([' ', ',']).filter(|word| word.len() > 8) {
                assert!(!response.contains(word), "{name} is repeated: {response}");
            }
        }
    }
}

impl App {
    /// Returns a gRPC request to create one task in the app's case, with the app's key.
    pub(crate) fn one_task_request(&self) -> tonic::Request<BatchCreateTasksRequest> {
        self.with_key(BatchCreateTasksRequest {
            case_id: self.case_id,
            tasks: vec![new_task("x", &[])],
            ..Default::default()
        })
    }

    /// Checks that valid calls over gRPC and over REST succeed.
    pub(crate) async fn assert_serves(&self) {
        assert_eq!(CreateCall::new(self).key(&self.key).result(self).await, "OK");
    }
}

/// Returns a task of a gRPC request.
pub(crate) fn new_task(description: &str, emails: &[&str]) -> NewTask {
    NewTask {
        description: description.to_owned(),
        assignee_emails: emails.iter().map(ToString::to_string).collect(),
    }
}

/// Creates tasks in the app's case over gRPC, with the app's key.
pub(crate) async fn create_over_grpc(app: &App, tasks: Vec<NewTask>) -> Vec<Task> {
    let request =
        app.with_key(BatchCreateTasksRequest { case_id: app.case_id, tasks, ..Default::default() });
    app.grpc_client().await.batch_create_tasks(request).await.unwrap().into_inner().tasks
}

/// Returns `CODE REASON…`: the code of a gRPC status, and the reasons of its field violations or,
/// where there are none, of its ErrorInfo.
pub(crate) fn code_and_reasons(status: &Status) -> String {
    let info = status.get_details_error_info().expect("each error has an ErrorInfo");
    assert_eq!(info.domain, "caseload");
    let violations = status.get_details_bad_request().map_or(Vec::new(), |b| b.field_violations);
    let code = code_name(status.code());
    if violations.is_empty() {
        join(&code, [info.reason.as_str()].into_iter())
    } else {
        // The reason of an error with violations speaks of them all.
        let of_all = ["INVALID_BATCH", "INVALID_REQUEST", "TASK_NOT_FOUND", "ETAG_MISMATCH"];
        assert!(of_all.contains(&info.reason.as_str()), "{}", info.reason);
        join(&code, violations.iter().map(|violation| violation.reason.as_str()))
    }
}

/// Returns the code and the reasons, separated by spaces.
fn join<'a>(code: &str, reasons: impl Iterator<Item = &'a str>) -> String {
    reasons.fold(code.to_owned(), |joined, reason| joined + " " + reason)
}

/// Returns `INVALID_ARGUMENT` for `InvalidArgument`.
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
