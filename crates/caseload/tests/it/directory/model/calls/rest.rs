//! Calls about cases and tasks, over REST.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    directory::model::{
        caller::Caller,
        operation::{Action, NewTask, Request},
        state::{Case, Outcome, Person, Task, Times},
    },
    support::{App, Reply},
};

pub(super) async fn send(app: &App, caller: &Caller, request: &Request) -> Outcome {
    let action = &request.operation.action;
    if let Action::ListAllCases { status } = action {
        return list_cases(app, caller, *status).await;
    }
    let (method, path, body) = parts(request);
    let mut http = app.request(method, &path).bearer_auth(caller.key.expose());
    if let Action::CreateTasks { key: Some(key), .. } = action {
        http = http.header("idempotency-key", key.to_string());
    }
    let reply = Reply::of(body.iter().fold(http, |http, body| http.json(body))).await;
    if !reply.status.is_success() {
        return error(&reply);
    }
    let body = &reply.body;
    match action {
        Action::CreateCase { .. } => Outcome::CreatedCase(case(body), tasks(&body["tasks"])),
        Action::GetCase | Action::UpdateCase { .. } => Outcome::Cases(vec![(None, case(body))]),
        Action::DeleteCase => Outcome::Deleted,
        Action::CreateTasks { .. } | Action::ListTasks(_) => Outcome::Tasks(tasks(&body["tasks"])),
        Action::GetTask | Action::Assign(_) => Outcome::Tasks(vec![task(&body["task"])]),
        Action::GetRecord(_) => {
            let ids = body["idempotency_key"]["task_ids"].as_array().unwrap().iter();
            Outcome::Record(ids.map(|id| id.as_i64().unwrap()).collect())
        }
        action => unreachable!("{action:?} is of the directory"),
    }
}

/// Reads the whole list of cases, page by page.
async fn list_cases(app: &App, caller: &Caller, status: Option<&str>) -> Outcome {
    let filter = status.map_or_else(String::new, |status| format!("&status={status}"));
    let (mut cases, mut next) = (Vec::new(), Some(1));
    while let Some(page) = next {
        let path = format!("/api/v2/cases?page={page}&per_page=2{filter}");
        let http = app.request(Method::GET, &path).bearer_auth(caller.key.expose());
        let reply = Reply::of(http).await;
        if !reply.status.is_success() {
            return error(&reply);
        }
        let of_page = reply.body["cases"].as_array().unwrap().iter();
        cases.extend(of_page.map(|one| (None, case(one))));
        next = reply.body["meta"]["next_page_number"].as_i64();
        let count = reply.body["meta"]["count"].as_u64().unwrap();
        assert!(next.is_some() || count == cases.len() as u64, "{reply:?}");
    }
    Outcome::Cases(cases)
}

fn error(reply: &Reply) -> Outcome {
    let problem = reply.problem();
    let reasons = problem["errors"].as_array().unwrap().iter();
    let reasons = reasons.map(|item| item["details"].as_str().unwrap());
    let code = problem["code"].as_str().unwrap().to_owned();
    Outcome::Error(reasons.fold(code, |all, reason| all + " " + reason))
}

fn parts(request: &Request) -> (Method, String, Option<Value>) {
    let of_case = format!("/api/v2/cases/{}", request.case);
    let of_task = format!("{of_case}/tasks/{}", request.task);
    match &request.operation.action {
        Action::CreateCase { name, tasks } => {
            let body = json!({"name": name, "tasks": bodies(request, tasks)});
            (Method::POST, "/api/v2/cases".to_owned(), Some(body))
        }
        Action::GetCase => (Method::GET, of_case, None),
        // Members that are null are as good as absent.
        Action::UpdateCase { name, status } => {
            (Method::PUT, of_case, Some(json!({"name": name, "status": status})))
        }
        Action::DeleteCase => (Method::DELETE, of_case, None),
        Action::CreateTasks { tasks, .. } => {
            let body = json!({"tasks": bodies(request, tasks)});
            (Method::POST, of_case + "/tasks/batch", Some(body))
        }
        Action::GetRecord(key) => (Method::GET, format!("/api/v2/idempotency-keys/{key}"), None),
        Action::GetTask => (Method::GET, of_task, None),
        Action::Assign(emails) => {
            (Method::PUT, of_task, Some(json!({"assignee_emails": request.emails(emails)})))
        }
        Action::ListTasks(email) => {
            let email = request.email(*email).replace(' ', "%20");
            let path = format!("/api/v2/tasks?per_page=50&assignee_email={email}");
            (Method::GET, path, None)
        }
        action => unreachable!("{action:?} is of the directory"),
    }
}

fn bodies(request: &Request, tasks: &[NewTask]) -> Vec<Value> {
    let tasks = tasks.iter().map(|task| {
        let emails = request.emails(&task.emails);
        json!({"description": task.description, "assignee_emails": emails})
    });
    tasks.collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn case(case: &Value) -> Case {
    Case {
        id: case["case_id"].as_i64(),
        external_id: None,
        name: text(&case["name"]),
        description: text(&case["description"]),
        priority: text(&case["priority"]),
        status: text(&case["status"]),
        team_id: case["team_id"].as_i64().unwrap_or_default(),
        times: Some(times(case)),
    }
}

fn tasks(tasks: &Value) -> Vec<Task> {
    tasks.as_array().unwrap().iter().map(task).collect()
}

fn task(task: &Value) -> Task {
    let assignees = task["assignees"].as_array().unwrap().iter();
    Task {
        id: task["id"].as_i64().unwrap(),
        description: text(&task["description"]),
        assignees: assignees.map(person).collect(),
        times: Some(times(task)),
    }
}

fn times(of: &Value) -> Times {
    Times::in_seconds(seconds(&of["created_at"]), seconds(&of["updated_at"]))
}

/// Returns a time in seconds since 1970.
pub(in crate::directory::model) fn seconds(time: &Value) -> i64 {
    time.as_str().unwrap().parse::<proto::Timestamp>().unwrap().seconds
}

/// Returns a user as tasks and their histories have them.
pub(in crate::directory::model) fn person(user: &Value) -> Person {
    Person {
        id: text(&user["id"]).parse().unwrap(),
        email: text(&user["email"]),
        first_name: text(&user["first_name"]),
        last_name: text(&user["last_name"]),
    }
}
