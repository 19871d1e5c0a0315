//! What was done to tasks, as the model expects it and as the service tells it.

use reqwest::Method;

use super::{
    caller::Caller,
    calls::{micros, person, person_of_rest, seconds},
    state::{Person, Times},
};
use crate::support::{App, Reply, kind_name, read_history, reassignment};

/// Something that was done to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    kind: String,
    /// The name of the caller's key.
    key: String,
    /// The ids of those who were added or removed.
    users: Vec<i64>,
    /// The ids of all assignees after it, in order.
    assignees: Vec<i64>,
}

/// Returns the event of a task's creation.
pub(super) fn created(assignees: &[i64], key: &str) -> Event {
    event("created", assignees.to_vec(), assignees, key)
}

/// Returns the events of a change of the assignees.
pub(super) fn assigned(before: &[i64], after: &[i64], key: &str) -> Vec<Event> {
    let events = reassignment(before, after).into_iter();
    events.map(|(kind, users)| event(kind, users, after, key)).collect()
}

/// Returns the event of a task's deletion.
pub(super) fn deleted(key: &str) -> Event {
    event("deleted", Vec::new(), &[], key)
}

fn event(kind: &str, users: Vec<i64>, assignees: &[i64], key: &str) -> Event {
    Event { kind: kind.to_owned(), key: key.to_owned(), users, assignees: assignees.to_vec() }
}

/// A history that was read.
#[derive(Debug)]
pub(super) struct History {
    pub(super) events: Vec<Event>,
    /// Everybody whom it names.
    pub(super) users: Vec<Person>,
    /// The times of the first event and of the last one.
    pub(super) times: Times,
}

/// Reads the whole history of a task over gRPC.
pub(super) async fn over_grpc(app: &App, caller: &Caller, case: i64, task: i64) -> History {
    let (mut events, mut all_users, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for event in read_history(app, |page| caller.request(page), (case, task)).await {
        let kind = kind_name(event.kind());
        let users: Vec<_> = event.users.into_iter().map(person).collect();
        times.push(micros(event.created_at.unwrap()));
        events.push(Event {
            kind,
            key: event.api_key.unwrap().name,
            users: users.iter().map(|user| user.id).collect(),
            assignees: event.assignee_ids.iter().map(|id| id.parse().unwrap()).collect(),
        });
        all_users.extend(users);
    }
    let times = Times { created_at: times[0], updated_at: times[times.len() - 1], unit: 1 };
    History { events, users: all_users, times }
}

/// Reads the whole history of a task over REST, by several pages.
pub(super) async fn over_rest(app: &App, caller: &Caller, case: i64, task: i64) -> History {
    let (mut events, mut all_users, mut times) = (Vec::new(), Vec::new(), Vec::new());
    let mut next = Some(1);
    while let Some(page) = next {
        let path = format!("/api/v2/cases/{case}/tasks/{task}/events?page={page}&per_page=3");
        let http = app.request(Method::GET, &path).bearer_auth(caller.key.expose());
        let reply = Reply::of(http).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        for event in reply.body["task_events"].as_array().unwrap() {
            let users = event["users"].as_array().into_iter().flatten();
            let users: Vec<_> = users.map(person_of_rest).collect();
            let ids = event["assignee_ids"].as_array().into_iter().flatten();
            times.push(seconds(&event["created_at"]));
            events.push(Event {
                kind: event["kind"].as_str().unwrap().to_owned(),
                key: event["api_key"]["name"].as_str().unwrap().to_owned(),
                users: users.iter().map(|user| user.id).collect(),
                assignees: ids.map(|id| id.as_str().unwrap().parse().unwrap()).collect(),
            });
            all_users.extend(users);
        }
        next = reply.body["meta"]["next_page_number"].as_i64();
    }
    let times = Times::in_seconds(times[0], times[times.len() - 1]);
    History { events, users: all_users, times }
}
