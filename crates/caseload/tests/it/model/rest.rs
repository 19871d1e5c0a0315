//! Requests over REST.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    caller::Caller,
    operation::{Fields, PER_PAGE, Request},
    prediction::Outcome,
    task::Task,
};
use crate::support::{App, Reply};

/// Makes a request over REST, and returns its outcome.
pub(super) async fn send(app: &App, caller: &Caller, request: &Request) -> Outcome {
    let (method, path, body) = parts(request);
    let mut http = app.request(method, &path).bearer_auth(caller.key.expose());
    match request {
        Request::Create { key: Some(key), .. } => http = http.header("idempotency-key", key),
        Request::Update { is_batch: false, updates, .. } if !updates[0].etag.is_empty() => {
            http = http.header("if-match", &updates[0].etag);
        }
        Request::Delete { is_batch: false, etag, .. } if !etag.is_empty() => {
            http = http.header("if-match", etag);
        }
        _ => {}
    }
    if let Some(body) = body {
        http = http.json(&body);
    }
    let reply = Reply::of(http).await;
    outcome(&reply)
}

fn parts(request: &Request) -> (Method, String, Option<Value>) {
    let tasks = |case: &i64, rest: &str| format!("/api/v2/cases/{case}/tasks{rest}");
    match request {
        Request::Create { case, is_batch, tasks: new, is_trial, .. } => {
            let new: Vec<_> = new
                .iter()
                .map(
                    |task| json!({"description": task.description, "assignee_emails": task.emails}),
                )
                .collect();
            let query = if *is_trial { "?validate_only=true" } else { "" };
            match is_batch {
                true => {
                    let path = tasks(case, &format!("/batch{query}"));
                    (Method::POST, path, Some(json!({"tasks": new})))
                }
                false => (Method::POST, tasks(case, query), Some(new[0].clone())),
            }
        }
        Request::Get { case, id } => (Method::GET, tasks(case, &format!("/{id}")), None),
        Request::BatchGet { .. } => unreachable!("it has no route"),
        Request::List { case, completed, email, page } => {
            let mut query = format!("?page={page}&per_page={PER_PAGE}");
            if let Some(completed) = completed {
                query += &format!("&completed={completed}");
            }
            if let Some(email) = email {
                query += &format!("&assignee_email={}", email.replace(' ', "%20"));
            }
            let path = case.map_or("/api/v2/tasks".to_owned(), |case| tasks(&case, ""));
            (Method::GET, path + &query, None)
        }
        Request::Update { case, is_batch, updates, is_trial } => {
            let query = if *is_trial { "?validate_only=true" } else { "" };
            if !is_batch {
                let path = tasks(case, &format!("/{}{query}", updates[0].id));
                return (Method::PUT, path, Some(fields(&updates[0].fields)));
            }
            let changes = updates.iter().map(|update| {
                let mut change = fields(&update.fields);
                change["id"] = update.id.into();
                change["etag"] = update.etag.clone().into();
                change
            });
            let body = json!({"tasks": changes.collect::<Vec<_>>()});
            (Method::PUT, tasks(case, &format!("/batch{query}")), Some(body))
        }
        Request::Delete { case, is_batch: true, ids, .. } => {
            (Method::DELETE, tasks(case, "/batch"), Some(json!({"task_ids": ids})))
        }
        Request::Delete { case, ids, .. } => {
            (Method::DELETE, tasks(case, &format!("/{}", ids[0])), None)
        }
        Request::Record { key } => (Method::GET, format!("/api/v2/idempotency-keys/{key}"), None),
    }
}

/// A member that is null is as good as absent.
fn fields(fields: &Fields) -> Value {
    json!({
        "description": fields.description,
        "completed": fields.completed,
        "assignee_emails": fields.emails,
    })
}

fn outcome(reply: &Reply) -> Outcome {
    if !reply.status.is_success() {
        let problem = reply.problem();
        let reasons = problem["errors"].as_array().unwrap().iter();
        let reasons = reasons.map(|item| item["details"].as_str().unwrap());
        let code = problem["code"].as_str().unwrap().to_owned();
        return Outcome::Error(reasons.fold(code, |all, reason| all + " " + reason));
    }
    let body = &reply.body;
    if body.get("task").is_some() {
        return Outcome::Tasks(vec![task(&body["task"])]);
    }
    if let Some(record) = body.get("idempotency_key") {
        let ids = record["task_ids"].as_array().unwrap().iter();
        return Outcome::Record(ids.map(|id| id.as_i64().unwrap()).collect());
    }
    let Some(tasks) = body["tasks"].as_array() else { return Outcome::Deleted };
    let tasks = tasks.iter().map(task).collect();
    match body["meta"]["count"].as_i64() {
        Some(count) => Outcome::Page(tasks, count),
        None => Outcome::Tasks(tasks),
    }
}

fn task(task: &Value) -> Task {
    let assignees = task["assignees"].as_array().unwrap().iter();
    Task {
        id: task["id"].as_i64(),
        description: task["description"].as_str().unwrap().to_owned(),
        completed: task["completed"].as_bool().unwrap(),
        emails: assignees.map(|user| user["email"].as_str().unwrap().to_owned()).collect(),
    }
}
