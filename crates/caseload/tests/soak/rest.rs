//! Calls over REST.

use std::net::SocketAddr;

use domain::ApiKey;
use reqwest::{Method, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    call::{Answer, Call, NewTasks, Tasks, email},
    failed::{self, Failed},
    failure::Failure,
    request::TIMEOUT,
};

/// Makes a call.
pub(crate) async fn send(
    call: &Call,
    http: &reqwest::Client,
    gateway: SocketAddr,
    key: &ApiKey,
    idempotency_key: &str,
) -> Result<Answer, Failed> {
    let (method, path, body) = request(call);
    let mut request = http
        .request(method, format!("http://{gateway}/api/v2/{path}"))
        .bearer_auth(key.expose())
        .header("request-timeout", TIMEOUT.as_secs_f64().to_string());
    if !idempotency_key.is_empty() {
        request = request.header("idempotency-key", idempotency_key);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    match request.send().await {
        Ok(response) => answer(call, response).await,
        Err(error) if error.is_connect() => Err(Failure::no_connection().into()),
        Err(_) => Err(Failure::unknown("connection lost").into()),
    }
}

async fn answer(call: &Call, response: Response) -> Result<Answer, Failed> {
    let (status, pause) = (response.status(), failed::retry_after(response.headers()));
    let Ok(body) = response.bytes().await else {
        return Err(Failure::unknown("connection lost within the response").into());
    };
    if !status.is_success() {
        let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
        let reason = problem["errors"][0]["details"].as_str().unwrap_or("no reason");
        return Err(Failed { failure: Failure::of_response(status.as_u16(), reason), pause });
    }
    if call.creates().is_none() {
        return Ok(Answer::default());
    }
    let created: Created = serde_json::from_slice(&body)
        .map_err(|error| Failure::Unexpected(format!("an invalid response: {error}")))?;
    let tasks = created.tasks.into_iter().chain(created.task);
    Ok(Answer { case_id: created.case_id, ids: tasks.map(|task| task.id).collect() })
}

/// What a response to a creation has, of a task, several ones, or a case.
#[derive(Deserialize)]
struct Created {
    task: Option<CreatedTask>,
    #[serde(default)]
    tasks: Vec<CreatedTask>,
    #[serde(default)]
    case_id: i64,
}

#[derive(Deserialize)]
struct CreatedTask {
    id: i64,
}

/// Returns the method, the path below `/api/v2`, and the body.
fn request(call: &Call) -> (Method, String, Option<Value>) {
    let tasks = |case_id: i64| format!("cases/{case_id}/tasks");
    let batch = |case_id: i64| format!("cases/{case_id}/tasks/batch");
    let task = |of: &Tasks, index: usize| format!("cases/{}/tasks/{}", of.case_id, of.ids[index]);
    let case = |id: i64| format!("cases/{id}");
    match call {
        Call::BatchCreateTasks(new, _) => {
            (Method::POST, batch(new.case_id), Some(json!({"tasks": new_tasks(new)})))
        }
        Call::CreateTask(new, _) => {
            (Method::POST, tasks(new.case_id), Some(new_tasks(new)[0].take()))
        }
        Call::GetTask(of, index) => (Method::GET, task(of, *index), None),
        Call::ListTasks(case_id) => (Method::GET, tasks(*case_id), None),
        Call::ListTasksOfUser(user) => {
            (Method::GET, format!("tasks?assignee_email={}", email(*user)), None)
        }
        Call::ListTaskEvents(of, index) => {
            (Method::GET, format!("{}/events", task(of, *index)), None)
        }
        Call::UpdateTask(of, index, completed) => {
            (Method::PUT, task(of, *index), Some(update(of, *index, *completed)))
        }
        Call::BatchUpdateTasks(of, completed) => {
            let tasks = of.ids.iter().enumerate().map(|(index, id)| {
                let mut task = update(of, index, *completed);
                task["id"] = json!(id);
                task
            });
            let tasks: Vec<_> = tasks.collect();
            (Method::PUT, batch(of.case_id), Some(json!({"tasks": tasks})))
        }
        Call::DeleteTask(of) => (Method::DELETE, task(of, 0), None),
        Call::BatchDeleteTasks(of) => {
            (Method::DELETE, batch(of.case_id), Some(json!({"task_ids": of.ids})))
        }
        Call::GetIdempotencyRecord(of) => {
            (Method::GET, format!("idempotency-keys/{}", of.idempotency_key()), None)
        }
        Call::CreateCase(new) => {
            let body = json!({
                "name": new.case_name(), "priority": "LOW", "status": "OPEN",
                "tasks": new_tasks(new),
            });
            (Method::POST, "cases".to_owned(), Some(body))
        }
        Call::GetCase(id) => (Method::GET, case(*id), None),
        Call::ListCases => (Method::GET, "cases".to_owned(), None),
        Call::UpdateCase(of, closes) => {
            let status = if *closes { "CLOSED" } else { "OPEN" };
            let body = json!({"name": of.case_name(), "status": status});
            (Method::PUT, case(of.case_id), Some(body))
        }
        Call::DeleteCase(of) => (Method::DELETE, case(of.case_id), None),
        other => unreachable!("{other:?} is not part of REST"),
    }
}

fn new_tasks(new: &NewTasks) -> Vec<Value> {
    let task = |index| json!({"description": new.description(index), "assignee_emails": new.emails(index)});
    (0..new.assignees.len()).map(task).collect()
}

fn update(of: &Tasks, index: usize, completed: bool) -> Value {
    json!({"description": of.changed(index, completed), "completed": completed})
}
