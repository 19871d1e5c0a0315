//! Requests over REST and gRPC.

use domain::ApiKey;
use proto::{
    FieldMask,
    cases::v1::{
        self, CaseStatus, CaseUpdate, CreateCaseRequest, DeleteCaseRequest, GetCaseRequest,
        ListCasesRequest, Priority, UpdateCaseRequest, case_service_client::CaseServiceClient,
    },
    tasks::v1::{CreateTaskRequest, GetIdempotencyRecordRequest},
};
use reqwest::Method;
use serde_json::{Value, json};
use tonic::Status;

use super::{
    operation::{Action, Fields, NewTask, PER_PAGE, Request},
    prediction::{Case, Outcome, Task},
};
use crate::support::{App, Reply, code_and_reasons, new_task};

/// Makes a request over REST, and returns its outcome.
pub(super) async fn over_rest(app: &App, key: &ApiKey, request: &Request) -> Outcome {
    let path = format!("/api/v2/cases/{}", request.id);
    let trial = |is_trial: &bool| if *is_trial { "?validate_only=true" } else { "" };
    let (method, path, body) = match &request.operation.action {
        Action::Create { fields, tasks, is_trial, .. } => {
            let mut body = members(fields);
            body["tasks"] = tasks.iter().map(task_body).collect();
            (Method::POST, format!("/api/v2/cases{}", trial(is_trial)), Some(body))
        }
        Action::Get => (Method::GET, path, None),
        Action::List { priority, status, page } => {
            let mut path = format!("/api/v2/cases?page={page}&per_page={PER_PAGE}");
            path += &priority.map_or_else(String::new, |name| format!("&priority={name}"));
            path += &status.map_or_else(String::new, |name| format!("&status={name}"));
            (Method::GET, path, None)
        }
        Action::Update { fields, is_trial } => {
            (Method::PUT, path + trial(is_trial), Some(members(fields)))
        }
        Action::Delete => (Method::DELETE, path, None),
        Action::AddTask(task) => (Method::POST, path + "/tasks", Some(task_body(task))),
        Action::Record(key) => (Method::GET, format!("/api/v2/idempotency-keys/{key}"), None),
    };
    let mut http = app.request(method, &path).bearer_auth(key.expose());
    match &request.operation.action {
        Action::Create { key: Some(key), .. } => {
            http = http.header("idempotency-key", key.to_string());
        }
        Action::Update { .. } | Action::Delete if !request.etag.is_empty() => {
            http = http.header("if-match", &request.etag);
        }
        _ => {}
    }
    let reply = Reply::of(body.iter().fold(http, |http, body| http.json(body))).await;
    if !reply.status.is_success() {
        let problem = reply.problem();
        let reasons = problem["errors"].as_array().unwrap().iter();
        let reasons = reasons.map(|item| item["details"].as_str().unwrap());
        let code = problem["code"].as_str().unwrap().to_owned();
        return Outcome::Error(reasons.fold(code, |all, reason| all + " " + reason));
    }
    let body = &reply.body;
    match &request.operation.action {
        Action::Create { .. } => {
            let tasks = body["tasks"].as_array().unwrap().iter().map(task).collect();
            Outcome::Created(case(body), tasks)
        }
        Action::Get | Action::Update { .. } => Outcome::Case(case(body)),
        Action::List { .. } => {
            let cases = body["cases"].as_array().unwrap().iter().map(case).collect();
            Outcome::Page(cases, body["meta"]["count"].as_i64().unwrap())
        }
        Action::Delete => Outcome::Deleted,
        Action::AddTask(_) => Outcome::Added,
        Action::Record(_) => {
            let record = &body["idempotency_key"];
            let tasks = record["task_ids"].as_array().unwrap().len();
            Outcome::Record(record["case_id"].as_i64().unwrap(), tasks)
        }
    }
}

/// Members that are null are as good as absent.
fn members(fields: &Fields) -> Value {
    let Fields { name, description, priority, status, team_id } = fields;
    json!({
        "name": name, "description": description, "priority": priority, "status": status,
        "team_id": team_id,
    })
}

fn task_body(task: &NewTask) -> Value {
    json!({"description": task.description, "assignee_emails": task.emails})
}

fn case(case: &Value) -> Case {
    let text = |member: &str| case[member].as_str().unwrap().to_owned();
    Case {
        id: case["case_id"].as_i64(),
        name: text("name"),
        description: text("description"),
        priority: text("priority"),
        status: text("status"),
        team_id: case["team_id"].as_i64(),
    }
}

fn task(task: &Value) -> Task {
    let emails = task["assignees"].as_array().unwrap().iter();
    let emails = emails.map(|user| user["email"].as_str().unwrap().to_owned());
    (task["description"].as_str().unwrap().to_owned(), emails.collect())
}

/// Makes a request over gRPC, and returns its outcome.
pub(super) async fn over_grpc(app: &App, key: &ApiKey, request: &Request) -> Outcome {
    let result = try_over_grpc(app, key, request).await;
    result.unwrap_or_else(|status| Outcome::Error(code_and_reasons(&status)))
}

async fn try_over_grpc(app: &App, key: &ApiKey, request: &Request) -> Result<Outcome, Status> {
    let mut client = CaseServiceClient::new(app.channel().await);
    let (case_id, etag) = (request.id, request.etag.clone());
    let outcome = match &request.operation.action {
        Action::Create { fields, tasks, key: idempotency_key, is_trial } => {
            let case = v1::NewCase {
                name: fields.name.unwrap_or_default().to_owned(),
                description: fields.description.unwrap_or_default().to_owned(),
                priority: priority(fields.priority),
                status: status(fields.status),
                team_id: fields.team_id,
                tasks: tasks.iter().map(|task| new_task(task.description, &task.emails)).collect(),
            };
            let request_id = idempotency_key.map_or_else(String::new, |key| key.to_string());
            let (case, validate_only) = (Some(case), *is_trial);
            let message = CreateCaseRequest { case, request_id, validate_only };
            let response = client.create_case(with_key(message, key)).await?.into_inner();
            let tasks = response.tasks.into_iter().map(|task| {
                let emails = task.assignees.into_iter().map(|user| user.email);
                (task.description, emails.collect())
            });
            Outcome::Created(from_message(response.case.unwrap()), tasks.collect())
        }
        Action::Get => {
            let response = client.get_case(with_key(GetCaseRequest { case_id }, key)).await?;
            Outcome::Case(from_message(response.into_inner().case.unwrap()))
        }
        Action::List { priority: of_priority, status: of_status, page } => {
            let message = ListCasesRequest {
                page_size: PER_PAGE.try_into().unwrap(),
                skip: i64::from((page - 1) * PER_PAGE),
                priority: priority(*of_priority),
                status: status(*of_status),
                count_total: true,
                ..Default::default()
            };
            let response = client.list_cases(with_key(message, key)).await?.into_inner();
            let cases = response.cases.into_iter().map(from_message).collect();
            Outcome::Page(cases, response.total_size)
        }
        Action::Update { fields, is_trial } => {
            let Fields { name, description, .. } = fields;
            let paths = [
                ("name", name.is_some()),
                ("description", description.is_some()),
                ("priority", fields.priority.is_some()),
                ("status", fields.status.is_some()),
                ("team_id", fields.team_id.is_some()),
            ];
            let paths = paths.into_iter().filter(|(_, is_set)| *is_set);
            let paths = paths.map(|(name, _)| name.to_owned()).collect();
            let update = CaseUpdate {
                id: case_id,
                name: name.map(str::to_owned),
                description: description.map(str::to_owned),
                priority: priority(fields.priority),
                status: status(fields.status),
                team_id: fields.team_id,
                update_mask: Some(FieldMask { paths }),
                etag,
            };
            let message = UpdateCaseRequest { case: Some(update), validate_only: *is_trial };
            let response = client.update_case(with_key(message, key)).await?;
            Outcome::Case(from_message(response.into_inner().case.unwrap()))
        }
        Action::Delete => {
            client.delete_case(with_key(DeleteCaseRequest { case_id, etag }, key)).await?;
            Outcome::Deleted
        }
        Action::AddTask(task) => {
            let task = Some(new_task(task.description, &task.emails));
            let message = CreateTaskRequest { case_id, task, ..Default::default() };
            app.grpc_client().await.create_task(with_key(message, key)).await?;
            Outcome::Added
        }
        Action::Record(of) => {
            let message = GetIdempotencyRecordRequest { request_id: of.to_string() };
            let mut client = app.grpc_client().await;
            let response = client.get_idempotency_record(with_key(message, key)).await?;
            let record = response.into_inner().record.unwrap();
            Outcome::Record(record.case_id, record.task_ids.len())
        }
    };
    Ok(outcome)
}

fn with_key<T>(message: T, key: &ApiKey) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let value = format!("Bearer {}", key.expose()).parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

/// A name that there is not becomes a number that there is not.
fn priority(name: Option<&str>) -> i32 {
    name.map_or(0, |name| {
        Priority::from_str_name(&format!("PRIORITY_{name}")).map_or(99, i32::from)
    })
}

fn status(name: Option<&str>) -> i32 {
    name.map_or(0, |name| {
        CaseStatus::from_str_name(&format!("CASE_STATUS_{name}")).map_or(99, i32::from)
    })
}

fn from_message(case: v1::Case) -> Case {
    let name = |name: &str, prefix| name.strip_prefix(prefix).unwrap().to_owned();
    Case {
        id: Some(case.id).filter(|id| *id != 0),
        priority: name(case.priority().as_str_name(), "PRIORITY_"),
        status: name(case.status().as_str_name(), "CASE_STATUS_"),
        name: case.name,
        description: case.description,
        team_id: Some(case.team_id).filter(|id| *id != 0),
    }
}
