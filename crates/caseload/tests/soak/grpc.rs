//! Calls over gRPC.

use domain::ApiKey;
use proto::{
    cases::v1::{
        CaseStatus, CaseUpdate, CreateCaseRequest, DeleteCaseRequest, GetCaseRequest,
        ListCasesRequest, NewCase, Priority, UpdateCaseRequest,
        case_service_client::CaseServiceClient,
    },
    tasks::v1::{
        BatchCreateTasksRequest, BatchDeleteTasksRequest, BatchGetTasksRequest,
        BatchUpdateTasksRequest, CreateTaskRequest, DeleteTaskRequest, GetIdempotencyRecordRequest,
        GetTaskRequest, ListTaskEventsRequest, ListTasksRequest, NewTask, Task, TaskUpdate,
        UpdateTaskRequest, task_service_client::TaskServiceClient,
    },
};
use tonic::{Status, transport::Channel};

use crate::{
    call::{Answer, Call, NewTasks, Tasks, email},
    directory,
    request::request,
};

/// Makes a call.
pub(crate) async fn send(
    call: &Call,
    channel: Channel,
    key: &ApiKey,
    request_id: String,
) -> Result<Answer, Status> {
    match call {
        Call::BatchCreateTasks(new, _) | Call::CreateTask(new, _) => {
            create(call, new, channel, key, request_id).await
        }
        Call::GetTask(..)
        | Call::BatchGetTasks(_)
        | Call::ListTasks(_)
        | Call::ListTasksOfUser(_)
        | Call::ListTaskEvents(..)
        | Call::GetIdempotencyRecord(_) => read(call, channel, key).await,
        Call::UpdateTask(..)
        | Call::BatchUpdateTasks(..)
        | Call::DeleteTask(_)
        | Call::BatchDeleteTasks(_) => change(call, channel, key).await,
        Call::CreateCase(_)
        | Call::GetCase(_)
        | Call::ListCases
        | Call::UpdateCase(..)
        | Call::DeleteCase(_) => case(call, channel, key, request_id).await,
        _ => directory::send(call, channel, key).await,
    }
}

async fn create(
    call: &Call,
    new: &NewTasks,
    channel: Channel,
    key: &ApiKey,
    request_id: String,
) -> Result<Answer, Status> {
    let mut client = TaskServiceClient::new(channel);
    let (case_id, mut tasks, validate_only) = (new.case_id, new_tasks(new), false);
    let created = if matches!(call, Call::CreateTask(..)) {
        let message = CreateTaskRequest { case_id, task: tasks.pop(), request_id, validate_only };
        let response = client.create_task(request(message, key)).await?.into_inner();
        response.task.into_iter().collect()
    } else {
        let message = BatchCreateTasksRequest { case_id, tasks, request_id, validate_only };
        client.batch_create_tasks(request(message, key)).await?.into_inner().tasks
    };
    Ok(Answer { case_id, ids: ids(&created) })
}

async fn read(call: &Call, channel: Channel, key: &ApiKey) -> Result<Answer, Status> {
    let mut client = TaskServiceClient::new(channel);
    match call {
        Call::GetTask(of, index) => {
            let message = GetTaskRequest { case_id: of.case_id, task_id: of.ids[*index] };
            client.get_task(request(message, key)).await?;
        }
        Call::BatchGetTasks(of) => {
            let message = BatchGetTasksRequest { case_id: of.case_id, task_ids: of.ids.clone() };
            client.batch_get_tasks(request(message, key)).await?;
        }
        Call::ListTaskEvents(of, index) => {
            let (case_id, task_id) = (of.case_id, of.ids[*index]);
            let message = ListTaskEventsRequest { case_id, task_id, ..Default::default() };
            client.list_task_events(request(message, key)).await?;
        }
        Call::GetIdempotencyRecord(of) => {
            let message = GetIdempotencyRecordRequest { request_id: of.idempotency_key() };
            client.get_idempotency_record(request(message, key)).await?;
        }
        Call::ListTasksOfUser(user) => {
            let message = ListTasksRequest { assignee_email: email(*user), ..Default::default() };
            client.list_tasks(request(message, key)).await?;
        }
        Call::ListTasks(case_id) => {
            let message = ListTasksRequest { case_id: *case_id, ..Default::default() };
            client.list_tasks(request(message, key)).await?;
        }
        other => unreachable!("{other:?} reads no tasks"),
    }
    Ok(Answer::default())
}

async fn change(call: &Call, channel: Channel, key: &ApiKey) -> Result<Answer, Status> {
    let mut client = TaskServiceClient::new(channel);
    let validate_only = false;
    match call {
        Call::UpdateTask(of, index, completed) => {
            let task = Some(update(of, *index, *completed));
            let message = UpdateTaskRequest { case_id: of.case_id, task, validate_only };
            client.update_task(request(message, key)).await?;
        }
        Call::BatchUpdateTasks(of, completed) => {
            let tasks = (0..of.ids.len()).map(|index| update(of, index, *completed)).collect();
            let message = BatchUpdateTasksRequest { case_id: of.case_id, tasks, validate_only };
            client.batch_update_tasks(request(message, key)).await?;
        }
        Call::DeleteTask(of) => {
            let (case_id, task_id) = (of.case_id, of.ids[0]);
            let message = DeleteTaskRequest { case_id, task_id, ..Default::default() };
            client.delete_task(request(message, key)).await?;
        }
        Call::BatchDeleteTasks(of) => {
            let message = BatchDeleteTasksRequest { case_id: of.case_id, task_ids: of.ids.clone() };
            client.batch_delete_tasks(request(message, key)).await?;
        }
        other => unreachable!("{other:?} changes no tasks"),
    }
    Ok(Answer::default())
}

async fn case(
    call: &Call,
    channel: Channel,
    key: &ApiKey,
    request_id: String,
) -> Result<Answer, Status> {
    let mut client = CaseServiceClient::new(channel);
    let validate_only = false;
    match call {
        Call::CreateCase(new) => {
            let case = NewCase {
                name: new.case_name(),
                priority: Priority::Low.into(),
                status: CaseStatus::Open.into(),
                tasks: new_tasks(new),
                ..Default::default()
            };
            let message = CreateCaseRequest { case: Some(case), request_id, validate_only };
            let response = client.create_case(request(message, key)).await?.into_inner();
            let case_id = response.case.unwrap_or_default().id;
            return Ok(Answer { case_id, ids: ids(&response.tasks) });
        }
        Call::GetCase(case_id) => {
            let message = GetCaseRequest { case_id: *case_id };
            client.get_case(request(message, key)).await?;
        }
        Call::ListCases => {
            client.list_cases(request(ListCasesRequest::default(), key)).await?;
        }
        Call::UpdateCase(of, closes) => {
            let status = if *closes { CaseStatus::Closed } else { CaseStatus::Open };
            let case = CaseUpdate {
                id: of.case_id,
                name: Some(of.case_name()),
                status: status.into(),
                ..Default::default()
            };
            let message = UpdateCaseRequest { case: Some(case), validate_only };
            client.update_case(request(message, key)).await?;
        }
        Call::DeleteCase(of) => {
            let message = DeleteCaseRequest { case_id: of.case_id, ..Default::default() };
            client.delete_case(request(message, key)).await?;
        }
        other => unreachable!("{other:?} is about no case"),
    }
    Ok(Answer::default())
}

fn new_tasks(new: &NewTasks) -> Vec<NewTask> {
    let task =
        |index| NewTask { description: new.description(index), assignee_emails: new.emails(index) };
    (0..new.assignees.len()).map(task).collect()
}

fn update(of: &Tasks, index: usize, completed: bool) -> TaskUpdate {
    TaskUpdate {
        id: of.ids[index],
        description: Some(of.changed(index, completed)),
        completed: Some(completed),
        ..Default::default()
    }
}

fn ids(tasks: &[Task]) -> Vec<i64> {
    tasks.iter().map(|task| task.id).collect()
}
