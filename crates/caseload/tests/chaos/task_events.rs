//! The events that the history of a task must have, as the client knows that has changed it.

use std::collections::{BTreeSet, HashMap};

use proto::tasks::v1::{TaskEvent, TaskEventKind};

use crate::{deployment::KEY_NAME, endpoints::Contents};

/// What an event says of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    kind: TaskEventKind,
    /// Of a new description only.
    description: String,
    /// Whom it is about, by their emails.
    users: BTreeSet<String>,
    /// All assignees after it, in order, if it is about users.
    assignees: Vec<String>,
}

impl Said {
    fn of_kind(kind: TaskEventKind) -> Self {
        Self { kind, description: String::new(), users: BTreeSet::new(), assignees: Vec::new() }
    }

    /// Returns what an event must say about these users.
    fn of_users(kind: TaskEventKind, users: BTreeSet<String>, after: &Contents) -> Self {
        Self { users, assignees: after.emails.clone(), ..Self::of_kind(kind) }
    }
}

/// Returns what is wrong with the history of a task that was created and changed to have these contents one
/// after the other, by a tenant's only key, and whose deletion may be the last event.
pub(crate) fn error(
    events: &[TaskEvent],
    (tenant, case_id, task_id): (usize, i64, i64),
    contents: &[Contents],
    is_deleted: bool,
) -> Option<String> {
    let emails: HashMap<&str, &str> = events
        .iter()
        .flat_map(|event| &event.users)
        .map(|user| (user.id.as_str(), user.email.as_str()))
        .collect();
    let said: Vec<_> = events.iter().map(|event| said(event, &emails)).collect();
    let expected = expected(contents, is_deleted);
    if said != expected {
        return Some(format!("the history is {said:?} instead of {expected:?}"));
    }
    let key = i64::try_from(tenant + 1).unwrap();
    let is_ours = |event: &TaskEvent| {
        event.case_id == case_id
            && event.task_id == task_id
            && event.api_key.as_ref().is_some_and(|by| by.id == key && by.name == KEY_NAME)
            && !event.request_id.is_empty()
            && event.created_at.is_some()
    };
    if let Some(event) = events.iter().find(|event| !is_ours(event)) {
        return Some(format!("the history has {event:?}"));
    }
    let is_in_order = events.is_sorted_by(|one, next| {
        let time = |event: &TaskEvent| event.created_at.map(|time| (time.seconds, time.nanos));
        one.id < next.id && time(one) <= time(next)
    });
    (!is_in_order).then(|| format!("the history is not in order: {events:?}"))
}

fn said(event: &TaskEvent, emails: &HashMap<&str, &str>) -> Said {
    let email = |id: &String| emails.get(id.as_str()).copied().unwrap_or_default().to_owned();
    Said {
        kind: event.kind(),
        description: event.description.clone(),
        users: event.users.iter().map(|user| user.email.clone()).collect(),
        assignees: event.assignee_ids.iter().map(email).collect(),
    }
}

/// Returns the events of a creation, and of each change to the next contents, in their order.
fn expected(contents: &[Contents], is_deleted: bool) -> Vec<Said> {
    let users =
        |contents: &Contents| -> BTreeSet<String> { contents.emails.iter().cloned().collect() };
    let first = contents.iter().take(1);
    let mut expected: Vec<_> =
        first.map(|new| Said::of_users(TaskEventKind::Created, users(new), new)).collect();
    for change in contents.windows(2) {
        let [before, after] = change else { continue };
        if before.description != after.description {
            let description = after.description.clone();
            expected.push(Said { description, ..Said::of_kind(TaskEventKind::Described) });
        }
        match (before.completed, after.completed) {
            (false, true) => expected.push(Said::of_kind(TaskEventKind::Completed)),
            (true, false) => expected.push(Said::of_kind(TaskEventKind::Reopened)),
            (false, false) | (true, true) => {}
        }
        let lost: BTreeSet<_> = users(before).difference(&users(after)).cloned().collect();
        let won: BTreeSet<_> = users(after).difference(&users(before)).cloned().collect();
        // Another order is a change, too.
        let is_assigned = !won.is_empty() || lost.is_empty() && before.emails != after.emails;
        if !lost.is_empty() {
            expected.push(Said::of_users(TaskEventKind::Unassigned, lost, after));
        }
        if is_assigned {
            expected.push(Said::of_users(TaskEventKind::Assigned, won, after));
        }
    }
    expected.extend(is_deleted.then(|| Said::of_kind(TaskEventKind::Deleted)));
    expected
}
