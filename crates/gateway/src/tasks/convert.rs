//! Between the documented JSON and the messages of the gRPC contract.

use proto::{FieldMask, tasks::v1};

use super::{dto, event_kind};
use crate::{extract::Object, page::Meta, times::Times};

pub(crate) fn to_request(
    case_id: i64,
    body: dto::CreateTasks,
    idempotency_key: Option<String>,
    validate_only: bool,
) -> v1::BatchCreateTasksRequest {
    let tasks = body.tasks.into_iter().map(|Object(task)| to_new_task(task)).collect();
    let request_id = idempotency_key.unwrap_or_default();
    v1::BatchCreateTasksRequest { case_id, tasks, request_id, validate_only }
}

pub(crate) fn to_new_task(task: dto::NewTask) -> v1::NewTask {
    v1::NewTask { description: task.description, assignee_emails: task.assignee_emails }
}

pub(super) fn to_update(id: i64, body: dto::UpdateTask, etag: String) -> v1::TaskUpdate {
    let dto::UpdateTask { description, completed, assignee_emails } = body;
    // The members that the body has, also those whose value is the default.
    let paths = [
        description.is_some().then_some("description"),
        completed.is_some().then_some("completed"),
        assignee_emails.is_some().then_some("assignee_emails"),
    ];
    let paths = paths.into_iter().flatten().map(str::to_owned).collect();
    let assignee_emails = assignee_emails.unwrap_or_default();
    let update_mask = Some(FieldMask { paths });
    v1::TaskUpdate { id, description, completed, assignee_emails, update_mask, etag }
}

pub(crate) fn to_updates(body: dto::UpdateTasks) -> Vec<v1::TaskUpdate> {
    let updates = body.tasks.into_iter().map(|Object(task)| {
        let dto::TaskChange { id, description, completed, assignee_emails, etag } = task;
        let update = dto::UpdateTask { description, completed, assignee_emails };
        to_update(id.0, update, etag.unwrap_or_default())
    });
    updates.collect()
}

pub(super) fn to_tasks_body(tasks: Vec<v1::Task>) -> dto::Tasks {
    let mut times = Times::default();
    dto::Tasks { tasks: tasks.into_iter().map(|task| to_task(task, &mut times)).collect() }
}

/// Returns tasks that were only checked: they have neither ids nor times.
pub(super) fn to_checked_tasks_body(tasks: Vec<v1::Task>) -> dto::CheckedTasks {
    dto::CheckedTasks { tasks: tasks.into_iter().map(to_checked_task).collect() }
}

pub(super) fn to_key_body(record: v1::IdempotencyRecord) -> dto::IdempotencyKey {
    dto::IdempotencyKey {
        idempotency_key: dto::IdempotencyRecord {
            key: record.request_id,
            outcome: dto::OUTCOME_CREATED,
            case_id: Some(record.case_id).filter(|id| *id != 0),
            task_ids: record.task_ids,
            created_at: Times::default().write(record.created_at.unwrap_or_default()),
        },
    }
}

pub(super) fn to_task_body(task: v1::Task) -> dto::OneTask {
    dto::OneTask { task: to_task(task, &mut Times::default()) }
}

pub(super) fn to_checked_task_body(task: v1::Task) -> dto::OneCheckedTask {
    dto::OneCheckedTask { task: to_checked_task(task) }
}

/// Returns a page of the tasks of a case.
pub(super) fn to_list_body(
    list: v1::ListTasksResponse,
    meta: impl FnOnce(i64) -> Meta,
) -> dto::TaskList {
    let dto::Tasks { tasks } = to_tasks_body(list.tasks);
    dto::TaskList { tasks, meta: meta(list.total_size) }
}

/// Returns a page of tasks of several cases.
pub(super) fn to_list_of_user_body(
    list: v1::ListTasksResponse,
    meta: impl FnOnce(i64) -> Meta,
) -> dto::TasksOfUser {
    let mut times = Times::default();
    let tasks = list.tasks.into_iter().map(|task| {
        let case_id = task.case_id;
        let task = to_task(task, &mut times);
        let dto::Task { id, description, completed, assignees, created_at, updated_at } = task;
        dto::TaskOfCase { id, case_id, description, completed, assignees, created_at, updated_at }
    });
    dto::TasksOfUser { tasks: tasks.collect(), meta: meta(list.total_size) }
}

/// Returns a page of what was done to a task.
pub(super) fn to_event_list_body(
    list: v1::ListTaskEventsResponse,
    meta: impl FnOnce(i64) -> Meta,
) -> dto::TaskEventList {
    let mut times = Times::default();
    let events = list.task_events.into_iter().map(|event| to_event(event, &mut times));
    dto::TaskEventList { task_events: events.collect(), meta: meta(list.total_size) }
}

fn to_event(event: v1::TaskEvent, times: &mut Times) -> dto::TaskEvent {
    use v1::TaskEventKind::{Assigned, Created, Described, Unassigned};
    let kind = event.kind();
    let has_users = matches!(kind, Created | Assigned | Unassigned);
    let key = event.api_key.unwrap_or_default();
    dto::TaskEvent {
        id: event.id,
        case_id: event.case_id,
        task_id: event.task_id,
        kind: event_kind::name(kind),
        api_key: dto::ApiKey { id: key.id, name: key.name },
        request_id: event.request_id,
        created_at: times.write(event.created_at.unwrap_or_default()),
        description: (kind == Described).then_some(event.description),
        users: has_users.then(|| event.users.into_iter().map(to_assignee).collect()),
        assignee_ids: has_users.then_some(event.assignee_ids),
    }
}

pub(crate) fn to_task(task: v1::Task, times: &mut Times) -> dto::Task {
    dto::Task {
        id: task.id,
        description: task.description,
        completed: task.completed,
        assignees: task.assignees.into_iter().map(to_assignee).collect(),
        created_at: times.write(task.created_at.unwrap_or_default()),
        updated_at: times.write(task.updated_at.unwrap_or_default()),
    }
}

pub(crate) fn to_checked_task(task: v1::Task) -> dto::CheckedTask {
    dto::CheckedTask {
        description: task.description,
        completed: task.completed,
        assignees: task.assignees.into_iter().map(to_assignee).collect(),
    }
}

fn to_assignee(assignee: v1::Assignee) -> dto::Assignee {
    dto::Assignee {
        id: assignee.id,
        email: assignee.email,
        first_name: assignee.first_name,
        last_name: assignee.last_name,
    }
}
