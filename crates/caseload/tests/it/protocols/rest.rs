//! Requests over REST.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{
    operation::{Call, CaseFields, NewTask, Page, TaskChange},
    outcome::{Case, Event, Failure, List, Outcome, Place, Record, Success, Task, User},
    tenant::Request,
};
use crate::support::{App, Reply};

/// Makes a request over REST.
pub(super) async fn send(app: &App, request: &Request<'_>) -> Outcome {
    let (method, path, body) = parts(request);
    let mut http = app.request(method, &path).bearer_auth(request.key.expose());
    let call = &request.operation.call;
    match call {
        Call::CreateCase { key: Some(key), .. }
        | Call::CreateTask { key: Some(key), .. }
        | Call::CreateTasks { key: Some(key), .. } => http = http.header("idempotency-key", key),
        Call::UpdateCase { .. }
        | Call::DeleteCase { .. }
        | Call::UpdateTask { .. }
        | Call::DeleteTask { .. }
            if !request.etags[0].is_empty() =>
        {
            http = http.header("if-match", &request.etags[0]);
        }
        _ => {}
    }
    let reply = Reply::of(body.iter().fold(http, |http, body| http.json(body))).await;
    if reply.status.is_success() { Ok(success(call, &reply)) } else { Err(failure(&reply)) }
}

/// Returns the method, the path with its query string, and the body.
fn parts(request: &Request<'_>) -> (Method, String, Option<Value>) {
    let body = Body { writes_null: request.operation.writes_null };
    let case = format!("/api/v2/cases/{}", request.case);
    let task = || format!("{case}/tasks/{}", request.tasks[0]);
    let trial = |is_trial: &bool| if *is_trial { "?validate_only=true" } else { "" };
    match &request.operation.call {
        Call::CreateCase { fields, tasks, is_trial, .. } => {
            let mut body_of_case = body.case(fields);
            body_of_case["tasks"] = tasks.iter().map(|task| body.new_task(task)).collect();
            (Method::POST, format!("/api/v2/cases{}", trial(is_trial)), Some(body_of_case))
        }
        Call::GetCase => (Method::GET, case, None),
        Call::ListCases { filter, page } => {
            let mut query = Query::of(*page);
            query.add("priority", filter.priority);
            query.add("status", filter.status);
            query.add("team_id", filter.team_id);
            (Method::GET, format!("/api/v2/cases{}", query.0), None)
        }
        Call::UpdateCase { fields, is_trial, .. } => {
            (Method::PUT, case + trial(is_trial), Some(body.case(fields)))
        }
        Call::DeleteCase { .. } => (Method::DELETE, case, None),
        Call::CreateTask { task, is_trial, .. } => {
            (Method::POST, format!("{case}/tasks{}", trial(is_trial)), Some(body.new_task(task)))
        }
        Call::CreateTasks { tasks, is_trial, .. } => {
            let tasks: Value = tasks.iter().map(|task| body.new_task(task)).collect();
            let path = format!("{case}/tasks/batch{}", trial(is_trial));
            (Method::POST, path, Some(json!({"tasks": tasks})))
        }
        Call::GetTask { .. } => (Method::GET, task(), None),
        Call::ListTasks { is_of_case, filter, page } => {
            let mut query = Query::of(*page);
            query.add("completed", filter.completed);
            query.add("assignee_email", filter.email.as_ref());
            query.add("updated_after", filter.updated_after);
            let path = if *is_of_case { format!("{case}/tasks") } else { "/api/v2/tasks".into() };
            (Method::GET, path + &query.0, None)
        }
        Call::ListEvents { page, .. } => {
            (Method::GET, format!("{}/events{}", task(), Query::of(*page).0), None)
        }
        Call::UpdateTask { change, is_trial } => {
            let members = Value::Object(body.change(change));
            (Method::PUT, task() + trial(is_trial), Some(members))
        }
        Call::UpdateTasks { changes, is_trial } => {
            let named = changes.iter().zip(&request.tasks).zip(&request.etags);
            let tasks = named.map(|((change, id), etag)| {
                let mut members = body.change(change);
                members.insert("id".to_owned(), (*id).into());
                let etag = Some(etag.clone()).filter(|etag| !etag.is_empty());
                body.add(&mut members, "etag", etag);
                Value::Object(members)
            });
            let tasks: Value = tasks.collect();
            let path = format!("{case}/tasks/batch{}", trial(is_trial));
            (Method::PUT, path, Some(json!({"tasks": tasks})))
        }
        Call::DeleteTask { .. } => (Method::DELETE, task(), None),
        Call::DeleteTasks { .. } => {
            let body = json!({"task_ids": request.tasks});
            (Method::DELETE, format!("{case}/tasks/batch"), Some(body))
        }
        Call::GetRecord { key } => {
            (Method::GET, format!("/api/v2/idempotency-keys/{}", encoded(key)), None)
        }
    }
}

/// A query string.
struct Query(String);

impl Query {
    fn of(page: Page) -> Self {
        Self(format!("?page={}&per_page={}", page.number, page.size))
    }

    fn add(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.0 += &format!("&{name}={}", encoded(&value.to_string()));
        }
    }
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// How bodies are written.
struct Body {
    /// Whether absent members are null.
    writes_null: bool,
}

impl Body {
    fn add(&self, members: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
        let value: Value = value.map_or(Value::Null, Into::into);
        if !value.is_null() || self.writes_null {
            members.insert(name.to_owned(), value);
        }
    }

    fn case(&self, fields: &CaseFields) -> Value {
        let mut members = Map::new();
        self.add(&mut members, "name", fields.name.clone());
        self.add(&mut members, "description", fields.description.clone());
        self.add(&mut members, "priority", fields.priority);
        self.add(&mut members, "status", fields.status);
        self.add(&mut members, "team_id", fields.team_id);
        members.into()
    }

    fn new_task(&self, task: &NewTask) -> Value {
        let mut members = Map::new();
        self.add(&mut members, "description", task.description.clone());
        self.add(&mut members, "assignee_emails", task.emails.clone());
        members.into()
    }

    fn change(&self, change: &TaskChange) -> Map<String, Value> {
        let mut members = Map::new();
        self.add(&mut members, "description", change.description.clone());
        self.add(&mut members, "completed", change.completed);
        self.add(&mut members, "assignee_emails", change.emails.clone());
        members
    }
}

fn failure(reply: &Reply) -> Failure {
    let problem = reply.problem();
    let faults = problem["errors"].as_array().unwrap().iter().map(|item| {
        let place = match (item["pointer"].as_str(), item["parameter"].as_str()) {
            (Some(pointer), None) => Place::Pointer(pointer.to_owned()),
            (None, Some(parameter)) => Place::Parameter(parameter.to_owned()),
            (None, None) => Place::Whole,
            (Some(_), Some(_)) => panic!("two places: {item}"),
        };
        (text(item, "details"), place)
    });
    Failure { code: text(&problem, "code"), faults: faults.collect() }
}

fn success(call: &Call, reply: &Reply) -> Success {
    let body = &reply.body;
    let mut success = Success {
        etag: Some(reply.header("etag").to_owned()).filter(|etag| !etag.is_empty()),
        is_replay: reply.header("idempotency-replayed") == "true",
        ..Success::default()
    };
    let list = |member: &str| body[member].as_array().unwrap().iter();
    match call {
        Call::CreateCase { .. } => {
            success.cases = vec![case(body)];
            success.tasks = list("tasks").map(task).collect();
        }
        Call::GetCase | Call::UpdateCase { .. } => success.cases = vec![case(body)],
        Call::ListCases { .. } => success.cases = list("cases").map(case).collect(),
        Call::CreateTask { .. } | Call::GetTask { .. } | Call::UpdateTask { .. } => {
            success.tasks = vec![task(&body["task"])];
        }
        Call::CreateTasks { .. } | Call::ListTasks { .. } | Call::UpdateTasks { .. } => {
            success.tasks = list("tasks").map(task).collect();
        }
        Call::ListEvents { .. } => success.events = list("task_events").map(event).collect(),
        Call::GetRecord { .. } => success.record = Some(record(&body["idempotency_key"])),
        Call::DeleteCase { .. } | Call::DeleteTask { .. } | Call::DeleteTasks { .. } => {}
    }
    success.list = body.get("meta").map(|meta| List {
        count: meta["count"].as_i64().unwrap(),
        has_next: !meta["next_page"].is_null(),
    });
    success
}

fn case(case: &Value) -> Case {
    Case {
        id: case["case_id"].as_i64(),
        name: text(case, "name"),
        description: text(case, "description"),
        priority: text(case, "priority"),
        status: text(case, "status"),
        team_id: case["team_id"].as_i64(),
        times: times(case),
    }
}

fn task(task: &Value) -> Task {
    Task {
        id: task["id"].as_i64(),
        case: task["case_id"].as_i64(),
        description: text(task, "description"),
        completed: task["completed"].as_bool().unwrap(),
        assignees: users(&task["assignees"]).unwrap(),
        times: times(task),
    }
}

fn users(users: &Value) -> Option<Vec<User>> {
    let user = |user: &Value| User {
        id: text(user, "id"),
        email: text(user, "email"),
        first_name: text(user, "first_name"),
        last_name: text(user, "last_name"),
    };
    Some(users.as_array()?.iter().map(user).collect())
}

fn event(event: &Value) -> Event {
    let ids = event["assignee_ids"].as_array();
    Event {
        case: event["case_id"].as_i64().unwrap(),
        task: event["task_id"].as_i64().unwrap(),
        kind: text(event, "kind"),
        key: text(&event["api_key"], "name"),
        created_at: seconds(&event["created_at"]),
        description: event["description"].as_str().map(str::to_owned),
        users: users(&event["users"]),
        assignee_ids: ids.map(|ids| ids.iter().map(|id| id.as_str().unwrap().into()).collect()),
    }
}

fn record(record: &Value) -> Record {
    let tasks = record["task_ids"].as_array().unwrap().iter();
    Record {
        key: text(record, "key"),
        case: record["case_id"].as_i64(),
        tasks: tasks.map(|id| id.as_i64().unwrap()).collect(),
        created_at: seconds(&record["created_at"]),
    }
}

fn times(of: &Value) -> Option<(i64, i64)> {
    let created_at = of.get("created_at")?;
    Some((seconds(created_at), seconds(&of["updated_at"])))
}

fn seconds(time: &Value) -> i64 {
    time.as_str().unwrap().parse::<proto::Timestamp>().unwrap().seconds
}

fn text(of: &Value, member: &str) -> String {
    of[member].as_str().unwrap_or_else(|| panic!("no {member}: {of}")).to_owned()
}
