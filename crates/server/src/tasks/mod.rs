//! The calls of `TaskService`: one file each, one line each here.

mod batch_create;
mod batch_delete;
mod batch_get;
mod batch_update;
mod convert;
mod create;
mod delete;
mod get;
mod get_idempotency_record;
mod list;
mod list_events;
mod update;

use std::sync::Arc;

use proto::tasks::v1::{
    BatchCreateTasksRequest, BatchCreateTasksResponse, BatchDeleteTasksRequest,
    BatchDeleteTasksResponse, BatchGetTasksRequest, BatchGetTasksResponse, BatchUpdateTasksRequest,
    BatchUpdateTasksResponse, CreateTaskRequest, CreateTaskResponse, DeleteTaskRequest,
    DeleteTaskResponse, GetIdempotencyRecordRequest, GetIdempotencyRecordResponse, GetTaskRequest,
    GetTaskResponse, ListTaskEventsRequest, ListTaskEventsResponse, ListTasksRequest,
    ListTasksResponse, UpdateTaskRequest, UpdateTaskResponse, task_service_server::TaskService,
};
use store::{Database, TaskReader, TaskWriter};
use tonic::{Request, Response, Status};

use crate::{
    call::{CallRunner, request_id_of},
    layers::CallDeadline,
};
use batch_create::BatchCreate;
use batch_delete::BatchDelete;
use batch_get::BatchGet;
use batch_update::BatchUpdate;
pub(crate) use convert::{from_new_tasks, from_task, to_task_draft};
#[cfg(feature = "fuzzing")]
pub(crate) use convert::{to_batch, to_list_draft, to_update_draft};
use create::Create;
use delete::Delete;
use get::Get;
use get_idempotency_record::GetIdempotencyRecord;
use list::List;
use list_events::ListEvents;
use update::Update;

/// The implementation of `TaskService`.
#[derive(Debug)]
pub(crate) struct Tasks {
    pub(crate) runner: Arc<CallRunner>,
    pub(crate) database: Database,
    pub(crate) writer: Arc<TaskWriter>,
    pub(crate) reader: TaskReader,
}

#[tonic::async_trait]
impl TaskService for Tasks {
    async fn batch_create_tasks(
        &self,
        request: Request<BatchCreateTasksRequest>,
    ) -> Result<Response<BatchCreateTasksResponse>, Status> {
        let deadline = CallDeadline::of(request.extensions());
        let request_id = request_id_of(&request);
        let call =
            BatchCreate { writer: &self.writer, deadline, database: &self.database, request_id };
        self.runner.run(call, request).await
    }

    async fn batch_delete_tasks(
        &self,
        request: Request<BatchDeleteTasksRequest>,
    ) -> Result<Response<BatchDeleteTasksResponse>, Status> {
        let request_id = request_id_of(&request);
        self.runner.run(BatchDelete { database: &self.database, request_id }, request).await
    }

    async fn batch_get_tasks(
        &self,
        request: Request<BatchGetTasksRequest>,
    ) -> Result<Response<BatchGetTasksResponse>, Status> {
        self.runner.run(BatchGet { reader: &self.reader }, request).await
    }

    async fn batch_update_tasks(
        &self,
        request: Request<BatchUpdateTasksRequest>,
    ) -> Result<Response<BatchUpdateTasksResponse>, Status> {
        let request_id = request_id_of(&request);
        self.runner.run(BatchUpdate { database: &self.database, request_id }, request).await
    }

    async fn create_task(
        &self,
        request: Request<CreateTaskRequest>,
    ) -> Result<Response<CreateTaskResponse>, Status> {
        let deadline = CallDeadline::of(request.extensions());
        let request_id = request_id_of(&request);
        let call = Create { writer: &self.writer, deadline, database: &self.database, request_id };
        self.runner.run(call, request).await
    }

    async fn delete_task(
        &self,
        request: Request<DeleteTaskRequest>,
    ) -> Result<Response<DeleteTaskResponse>, Status> {
        let request_id = request_id_of(&request);
        self.runner.run(Delete { database: &self.database, request_id }, request).await
    }

    async fn get_task(
        &self,
        request: Request<GetTaskRequest>,
    ) -> Result<Response<GetTaskResponse>, Status> {
        self.runner.run(Get { reader: &self.reader }, request).await
    }

    async fn get_idempotency_record(
        &self,
        request: Request<GetIdempotencyRecordRequest>,
    ) -> Result<Response<GetIdempotencyRecordResponse>, Status> {
        self.runner.run(GetIdempotencyRecord { database: &self.database }, request).await
    }

    async fn list_task_events(
        &self,
        request: Request<ListTaskEventsRequest>,
    ) -> Result<Response<ListTaskEventsResponse>, Status> {
        self.runner.run(ListEvents { database: &self.database }, request).await
    }

    async fn list_tasks(
        &self,
        request: Request<ListTasksRequest>,
    ) -> Result<Response<ListTasksResponse>, Status> {
        self.runner.run(List { database: &self.database }, request).await
    }

    async fn update_task(
        &self,
        request: Request<UpdateTaskRequest>,
    ) -> Result<Response<UpdateTaskResponse>, Status> {
        let request_id = request_id_of(&request);
        self.runner.run(Update { database: &self.database, request_id }, request).await
    }
}
