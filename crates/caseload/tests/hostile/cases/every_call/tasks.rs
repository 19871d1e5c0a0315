//! Calls about tasks.

use proto::tasks::v1::{
    BatchCreateTasksRequest, BatchCreateTasksResponse, BatchDeleteTasksRequest,
    BatchDeleteTasksResponse, BatchGetTasksRequest, BatchGetTasksResponse, BatchUpdateTasksRequest,
    BatchUpdateTasksResponse, CreateTaskRequest, CreateTaskResponse, DeleteTaskRequest,
    DeleteTaskResponse, GetIdempotencyRecordRequest, GetIdempotencyRecordResponse, GetTaskRequest,
    GetTaskResponse, ListTaskEventsRequest, ListTaskEventsResponse, ListTasksRequest,
    ListTasksResponse, NewTask, TaskUpdate, UpdateTaskRequest, UpdateTaskResponse,
};

use super::attacker::Attacker;
use crate::deployment::EMAIL;

/// The tasks of a batch: as many as there may be.
const TASKS: usize = 25;

/// Creates tasks, reads, lists and changes them in all ways, and deletes them.
pub(super) async fn round(attacker: &Attacker, round: usize) -> Option<()> {
    one(attacker, round).await?;
    batch(attacker, round).await
}

/// Leads one task through its life.
async fn one(attacker: &Attacker, round: usize) -> Option<()> {
    let case_id = attacker.tenant.case_id;
    let request_id = format!("one-{round}");
    let task = Some(new_task());
    let create = CreateTaskRequest { case_id, task, request_id, validate_only: false };
    let method = "caseload.tasks.v1.TaskService/CreateTask";
    let created: CreateTaskResponse = attacker.call(method, create).await?;
    let task_id = created.task?.id;
    let method = "caseload.tasks.v1.TaskService/GetTask";
    let get = GetTaskRequest { case_id, task_id };
    let _found: Option<GetTaskResponse> = attacker.call(method, get).await;
    let (task, validate_only) = (Some(completed(task_id)), false);
    let update = UpdateTaskRequest { case_id, task, validate_only };
    let method = "caseload.tasks.v1.TaskService/UpdateTask";
    let _updated: Option<UpdateTaskResponse> = attacker.call(method, update).await;
    let list = ListTaskEventsRequest { case_id, task_id, count_total: true, ..Default::default() };
    let method = "caseload.tasks.v1.TaskService/ListTaskEvents";
    let _events: Option<ListTaskEventsResponse> = attacker.call(method, list).await;
    let delete = DeleteTaskRequest { case_id, task_id, ..Default::default() };
    let method = "caseload.tasks.v1.TaskService/DeleteTask";
    let _deleted: Option<DeleteTaskResponse> = attacker.call(method, delete).await;
    Some(())
}

/// Leads a batch of tasks through its life.
async fn batch(attacker: &Attacker, round: usize) -> Option<()> {
    let case_id = attacker.tenant.case_id;
    let request_id = format!("batch-{round}");
    let (tasks, validate_only) = (vec![new_task(); TASKS], false);
    let create =
        BatchCreateTasksRequest { case_id, tasks, request_id: request_id.clone(), validate_only };
    let method = "caseload.tasks.v1.TaskService/BatchCreateTasks";
    let created: BatchCreateTasksResponse = attacker.call(method, create).await?;
    let task_ids: Vec<_> = created.tasks.iter().map(|task| task.id).collect();
    let get = GetIdempotencyRecordRequest { request_id };
    let method = "caseload.tasks.v1.TaskService/GetIdempotencyRecord";
    let _record: Option<GetIdempotencyRecordResponse> = attacker.call(method, get).await;
    let get = BatchGetTasksRequest { case_id, task_ids: task_ids.clone() };
    let method = "caseload.tasks.v1.TaskService/BatchGetTasks";
    let _found: Option<BatchGetTasksResponse> = attacker.call(method, get).await;
    // Those of the case, then those of a user in all cases.
    for case_id in [case_id, 0] {
        let assignee_email = EMAIL.to_owned();
        let (page_size, count_total) = (50, true);
        let list = ListTasksRequest {
            case_id,
            page_size,
            assignee_email,
            count_total,
            ..Default::default()
        };
        let method = "caseload.tasks.v1.TaskService/ListTasks";
        let _listed: Option<ListTasksResponse> = attacker.call(method, list).await;
    }
    let tasks = task_ids.iter().copied().map(completed).collect();
    let update = BatchUpdateTasksRequest { case_id, tasks, validate_only };
    let method = "caseload.tasks.v1.TaskService/BatchUpdateTasks";
    let _updated: Option<BatchUpdateTasksResponse> = attacker.call(method, update).await;
    let method = "caseload.tasks.v1.TaskService/BatchDeleteTasks";
    let delete = BatchDeleteTasksRequest { case_id, task_ids };
    let _deleted: BatchDeleteTasksResponse = attacker.call(method, delete).await?;
    Some(())
}

fn new_task() -> NewTask {
    NewTask { description: "one of many".to_owned(), assignee_emails: vec![EMAIL.to_owned()] }
}

fn completed(id: i64) -> TaskUpdate {
    TaskUpdate { id, completed: Some(true), ..Default::default() }
}
