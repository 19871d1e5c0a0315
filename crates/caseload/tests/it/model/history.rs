//! What was done to tasks, as the model expects it and as the service tells it.

use std::{collections::BTreeSet, mem::replace};

use proto::tasks::v1::{TaskEvent, TaskEventKind};

use super::{caller::Caller, task::Task};
use crate::support::{App, kind_name, read_history, reassignment};

/// Something that was done to a task: its kind, the emails of the users whom it is about, the new
/// description, and the name of the key.
pub(super) type Event = (String, Vec<String>, String, String);

/// Returns what a change does to a task, in the order of the events.
pub(super) fn changes(before: &Task, after: &Task, key: &str) -> Vec<Event> {
    let mut events = Vec::new();
    let mut add = |kind: &str, users, description: &str| {
        events.push((kind.to_owned(), users, description.to_owned(), key.to_owned()));
    };
    if before.description != after.description {
        add("described", vec![], &after.description);
    }
    if before.completed != after.completed {
        add(if after.completed { "completed" } else { "reopened" }, vec![], "");
    }
    for (kind, users) in reassignment(&before.emails, &after.emails) {
        add(kind, users, "");
    }
    events
}

/// Returns the event of a task's creation.
pub(super) fn created(task: &Task, key: &str) -> Event {
    ("created".to_owned(), task.emails.clone(), String::new(), key.to_owned())
}

/// Returns the event of a task's deletion.
pub(super) fn deleted(key: &str) -> Event {
    ("deleted".to_owned(), Vec::new(), String::new(), key.to_owned())
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

/// Reads the whole history of a task. Returns its events, and what they add up to.
pub(super) async fn read(app: &App, caller: &Caller, case: i64, task: i64) -> (Vec<Event>, State) {
    let events = read_history(app, |page| caller.with_key(page), (case, task)).await;
    let state = State::of(&events);
    (events.into_iter().map(to_event).collect(), state)
}

fn to_event(event: TaskEvent) -> Event {
    let kind = kind_name(event.kind());
    let users = event.users.into_iter().map(|user| user.email).collect();
    (kind, users, event.description, event.api_key.unwrap_or_default().name)
}
