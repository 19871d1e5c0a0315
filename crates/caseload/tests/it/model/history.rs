//! What was done to tasks, as the model expects it and as the service tells it.

use std::{collections::BTreeSet, mem::replace};

use proto::tasks::v1::{ListTaskEventsRequest, TaskEvent, TaskEventKind};

use super::{caller::Caller, task::Task};
use crate::support::App;

/// Something that was done to a task: its kind, the emails of the users whom it is about, the new
/// description, and the name of the key.
pub(super) type Event = (&'static str, Vec<String>, String, String);

/// Returns what a change does to a task, in the order of the events.
pub(super) fn changes(before: &Task, after: &Task, key: &str) -> Vec<Event> {
    let mut events = Vec::new();
    let mut add = |kind, users: Vec<&String>, description: &str| {
        let users = users.into_iter().cloned().collect();
        events.push((kind, users, description.to_owned(), key.to_owned()));
    };
    if before.description != after.description {
        add("described", vec![], &after.description);
    }
    if before.completed != after.completed {
        add(if after.completed { "completed" } else { "reopened" }, vec![], "");
    }
    let only_in = |one: &'_ [String], other: &[String]| -> Vec<String> {
        one.iter().filter(|email| !other.contains(email)).cloned().collect()
    };
    let lost = only_in(&before.emails, &after.emails);
    let won = only_in(&after.emails, &before.emails);
    if !lost.is_empty() {
        add("unassigned", lost.iter().collect(), "");
    }
    if !won.is_empty() || lost.is_empty() && before.emails != after.emails {
        add("assigned", won.iter().collect(), "");
    }
    events
}

/// Returns the event of a task's creation.
pub(super) fn created(task: &Task, key: &str) -> Event {
    ("created", task.emails.clone(), String::new(), key.to_owned())
}

/// Returns the event of a task's deletion.
pub(super) fn deleted(key: &str) -> Event {
    ("deleted", Vec::new(), String::new(), key.to_owned())
}

/// What the events of a task add up to.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) exists: bool,
    pub(super) completed: bool,
    /// The ids of the assignees, in order.
    pub(super) assignees: Vec<String>,
    /// The same, by who was added and who was removed.
    users: BTreeSet<String>,
}

impl State {
    /// Replays events, each of which must fit what was before.
    fn of(events: &[TaskEvent]) -> Self {
        let mut state = Self::default();
        for event in events {
            assert_eq!(state.exists, event.kind() != TaskEventKind::Created, "{event:?}");
            state.apply(event);
        }
        assert_eq!(state.users, state.assignees.iter().cloned().collect(), "{events:?}");
        state
    }

    fn apply(&mut self, event: &TaskEvent) {
        match event.kind() {
            TaskEventKind::Unspecified => panic!("{event:?}"),
            TaskEventKind::Completed => assert!(!replace(&mut self.completed, true)),
            TaskEventKind::Reopened => assert!(replace(&mut self.completed, false)),
            TaskEventKind::Described => {}
            TaskEventKind::Created | TaskEventKind::Assigned => {
                self.exists = true;
                for user in &event.users {
                    assert!(self.users.insert(user.id.clone()), "{event:?}");
                }
                self.assignees.clone_from(&event.assignee_ids);
            }
            TaskEventKind::Unassigned => {
                for user in &event.users {
                    assert!(self.users.remove(&user.id), "{event:?}");
                }
                self.assignees.clone_from(&event.assignee_ids);
            }
            TaskEventKind::Deleted => *self = Self::default(),
        }
    }
}

/// Reads the whole history of a task, by several pages. Returns its events, and what they add up to.
pub(super) async fn read(app: &App, caller: &Caller, case: i64, task: i64) -> (Vec<Event>, State) {
    let mut client = app.grpc_client().await;
    let mut events = Vec::new();
    let mut page_token = String::new();
    loop {
        let (case_id, task_id, page_size) = (case, task, 3);
        let page = ListTaskEventsRequest {
            case_id,
            task_id,
            page_size,
            page_token,
            ..ListTaskEventsRequest::default()
        };
        let page = client.list_task_events(caller.with_key(page)).await.unwrap().into_inner();
        events.extend(page.task_events);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let state = State::of(&events);
    (events.into_iter().map(to_event).collect(), state)
}

fn to_event(event: TaskEvent) -> Event {
    let kind = match event.kind() {
        TaskEventKind::Unspecified => "unspecified",
        TaskEventKind::Created => "created",
        TaskEventKind::Completed => "completed",
        TaskEventKind::Reopened => "reopened",
        TaskEventKind::Described => "described",
        TaskEventKind::Assigned => "assigned",
        TaskEventKind::Unassigned => "unassigned",
        TaskEventKind::Deleted => "deleted",
    };
    let users = event.users.into_iter().map(|user| user.email).collect();
    (kind, users, event.description, event.api_key.unwrap_or_default().name)
}
