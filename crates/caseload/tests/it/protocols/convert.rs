//! Converts between what the test says and the messages of the contract.

use proto::{
    FieldMask, Timestamp,
    cases::v1::{self, CaseStatus, CaseUpdate, NewCase, Priority},
    tasks::v1::{self as tasks, Assignee, TaskEventKind, TaskUpdate},
};

use super::{
    operation::{CaseFields, NewTask, TaskChange},
    outcome::{Case, Event, Task, User},
};

pub(super) fn new_case(fields: &CaseFields, tasks: &[NewTask]) -> NewCase {
    NewCase {
        name: fields.name.clone().unwrap_or_default(),
        description: fields.description.clone().unwrap_or_default(),
        priority: priority(fields.priority),
        status: status(fields.status),
        team_id: fields.team_id,
        tasks: tasks.iter().map(new_task).collect(),
    }
}

pub(super) fn case_update(id: i64, fields: &CaseFields, etag: &str) -> CaseUpdate {
    let CaseFields { name, description, .. } = fields.clone();
    CaseUpdate {
        id,
        update_mask: mask(&[
            ("name", name.is_some()),
            ("description", description.is_some()),
            ("priority", fields.priority.is_some()),
            ("status", fields.status.is_some()),
            ("team_id", fields.team_id.is_some()),
        ]),
        name,
        description,
        priority: priority(fields.priority),
        status: status(fields.status),
        team_id: fields.team_id,
        etag: etag.to_owned(),
    }
}

pub(super) fn new_task(task: &NewTask) -> tasks::NewTask {
    tasks::NewTask {
        description: task.description.clone().unwrap_or_default(),
        assignee_emails: task.emails.clone().unwrap_or_default(),
    }
}

pub(super) fn task_update(id: i64, change: &TaskChange, etag: &str) -> TaskUpdate {
    TaskUpdate {
        id,
        description: change.description.clone(),
        completed: change.completed,
        assignee_emails: change.emails.clone().unwrap_or_default(),
        update_mask: mask(&[
            ("description", change.description.is_some()),
            ("completed", change.completed.is_some()),
            ("assignee_emails", change.emails.is_some()),
        ]),
        etag: etag.to_owned(),
    }
}

/// Returns a mask of the fields that a request has.
fn mask(fields: &[(&str, bool)]) -> Option<FieldMask> {
    let set = fields.iter().filter(|(_, is_set)| *is_set);
    Some(FieldMask { paths: set.map(|(name, _)| (*name).to_owned()).collect() })
}

/// A name that there is not becomes a number that there is not.
pub(super) fn priority(name: Option<&str>) -> i32 {
    let number = |name| Priority::from_str_name(&format!("PRIORITY_{name}"));
    name.map_or(0, |name| number(name).map_or(99, i32::from))
}

pub(super) fn status(name: Option<&str>) -> i32 {
    let number = |name| CaseStatus::from_str_name(&format!("CASE_STATUS_{name}"));
    name.map_or(0, |name| number(name).map_or(99, i32::from))
}

pub(super) fn case(case: v1::Case) -> Case {
    Case {
        id: id(case.id),
        priority: name(case.priority().as_str_name(), "PRIORITY_"),
        status: name(case.status().as_str_name(), "CASE_STATUS_"),
        team_id: id(case.team_id),
        times: times(case.created_at, case.updated_at),
        name: case.name,
        description: case.description,
    }
}

pub(super) fn task(task: tasks::Task) -> Task {
    Task {
        id: id(task.id),
        case: None,
        description: task.description,
        completed: task.completed,
        assignees: users(task.assignees),
        times: times(task.created_at, task.updated_at),
    }
}

fn users(users: Vec<Assignee>) -> Vec<User> {
    let user = |user: Assignee| User {
        id: user.id,
        email: user.email,
        first_name: user.first_name,
        last_name: user.last_name,
    };
    users.into_iter().map(user).collect()
}

pub(super) fn event(event: tasks::TaskEvent) -> Event {
    use TaskEventKind::{Assigned, Created, Described, Unassigned};
    let kind = event.kind();
    let has_users = matches!(kind, Created | Assigned | Unassigned);
    Event {
        case: event.case_id,
        task: event.task_id,
        kind: name(kind.as_str_name(), "TASK_EVENT_KIND_").to_lowercase(),
        key: event.api_key.unwrap().name,
        created_at: event.created_at.unwrap().seconds,
        description: (kind == Described).then_some(event.description),
        users: has_users.then(|| users(event.users)),
        assignee_ids: has_users.then_some(event.assignee_ids),
    }
}

/// 0 stands for none.
pub(super) fn id(id: i64) -> Option<i64> {
    Some(id).filter(|id| *id != 0)
}

fn times(created_at: Option<Timestamp>, updated_at: Option<Timestamp>) -> Option<(i64, i64)> {
    Some((created_at?.seconds, updated_at?.seconds))
}

fn name(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap().to_owned()
}
