//! Requests over gRPC.

use proto::{
    FieldMask,
    tasks::v1::{
        self, BatchCreateTasksRequest, BatchDeleteTasksRequest, BatchGetTasksRequest,
        BatchUpdateTasksRequest, CreateTaskRequest, DeleteTaskRequest, GetIdempotencyRecordRequest,
        GetTaskRequest, ListTasksRequest, TaskUpdate, UpdateTaskRequest,
    },
};
use tonic::Status;

use super::{
    caller::Caller,
    operation::{NewTask, PER_PAGE, Request, Update},
    prediction::Outcome,
    task::Task,
};
use crate::support::{App, code_and_reasons, new_task};

/// Makes a request over gRPC, and returns its outcome.
pub(super) async fn send(app: &App, caller: &Caller, request: &Request) -> Outcome {
    let result = try_send(app, caller, request.clone()).await;
    result.unwrap_or_else(|status| Outcome::Error(code_and_reasons(&status)))
}

async fn try_send(app: &App, caller: &Caller, request: Request) -> Result<Outcome, Status> {
    let mut client = app.grpc_client().await;
    let outcome = match request {
        Request::Create { case, is_batch, tasks, key, is_trial } => {
            let (case_id, request_id) = (case, key.unwrap_or_default());
            let mut tasks: Vec<_> = tasks.iter().map(to_message).collect();
            if is_batch {
                let validate_only = is_trial;
                let message = BatchCreateTasksRequest { case_id, tasks, request_id, validate_only };
                let response = client.batch_create_tasks(caller.with_key(message)).await?;
                Outcome::Tasks(from_messages(response.into_inner().tasks))
            } else {
                let (task, validate_only) = (tasks.pop(), is_trial);
                let message = CreateTaskRequest { case_id, task, request_id, validate_only };
                let response = client.create_task(caller.with_key(message)).await?;
                Outcome::Tasks(from_messages(response.into_inner().task))
            }
        }
        Request::Get { case, id } => {
            let message = GetTaskRequest { case_id: case, task_id: id };
            let response = client.get_task(caller.with_key(message)).await?;
            Outcome::Tasks(from_messages(response.into_inner().task))
        }
        Request::BatchGet { case, ids } => {
            let message = BatchGetTasksRequest { case_id: case, task_ids: ids };
            let response = client.batch_get_tasks(caller.with_key(message)).await?;
            Outcome::Tasks(from_messages(response.into_inner().tasks))
        }
        Request::List { case, completed, email, page } => {
            let message = ListTasksRequest {
                case_id: case.unwrap_or_default(),
                page_size: PER_PAGE.try_into().unwrap(),
                skip: i64::from((page - 1) * PER_PAGE),
                completed,
                assignee_email: email.unwrap_or_default().to_owned(),
                count_total: true,
                ..Default::default()
            };
            let response = client.list_tasks(caller.with_key(message)).await?.into_inner();
            Outcome::Page(from_messages(response.tasks), response.total_size)
        }
        Request::Update { case, is_batch, updates, is_trial } => {
            let (case_id, validate_only) = (case, is_trial);
            let mut tasks: Vec<_> = updates.iter().map(to_update).collect();
            if is_batch {
                let message = BatchUpdateTasksRequest { case_id, tasks, validate_only };
                let response = client.batch_update_tasks(caller.with_key(message)).await?;
                Outcome::Tasks(from_messages(response.into_inner().tasks))
            } else {
                let message = UpdateTaskRequest { case_id, task: tasks.pop(), validate_only };
                let response = client.update_task(caller.with_key(message)).await?;
                Outcome::Tasks(from_messages(response.into_inner().task))
            }
        }
        Request::Delete { case, is_batch: true, ids, .. } => {
            let message = BatchDeleteTasksRequest { case_id: case, task_ids: ids };
            client.batch_delete_tasks(caller.with_key(message)).await?;
            Outcome::Deleted
        }
        Request::Delete { case, ids, etag, .. } => {
            let message = DeleteTaskRequest { case_id: case, task_id: ids[0], etag };
            client.delete_task(caller.with_key(message)).await?;
            Outcome::Deleted
        }
        Request::Record { key } => {
            let message = GetIdempotencyRecordRequest { request_id: key };
            let response = client.get_idempotency_record(caller.with_key(message)).await?;
            Outcome::Record(response.into_inner().record.unwrap().task_ids)
        }
    };
    Ok(outcome)
}

fn to_message(task: &NewTask) -> v1::NewTask {
    new_task(task.description, &task.emails)
}

fn to_update(update: &Update) -> TaskUpdate {
    let Update { id, fields, etag, .. } = update;
    let names = [
        ("description", fields.description.is_some()),
        ("completed", fields.completed.is_some()),
        ("assignee_emails", fields.emails.is_some()),
    ];
    let paths = names.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name.to_owned());
    TaskUpdate {
        id: *id,
        description: fields.description.map(str::to_owned),
        completed: fields.completed,
        assignee_emails: fields.emails.iter().flatten().map(ToString::to_string).collect(),
        update_mask: Some(FieldMask { paths: paths.collect() }),
        etag: etag.clone(),
    }
}

fn from_messages(tasks: impl IntoIterator<Item = v1::Task>) -> Vec<Task> {
    let task = |task: v1::Task| Task {
        id: Some(task.id).filter(|id| *id != 0),
        description: task.description,
        completed: task.completed,
        emails: task.assignees.into_iter().map(|assignee| assignee.email).collect(),
    };
    tasks.into_iter().map(task).collect()
}
