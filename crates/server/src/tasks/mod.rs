//! The calls of `TaskService`: one file each, one line each here.

mod batch_create;
mod convert;

use std::sync::Arc;

use proto::tasks::v1::{
    BatchCreateTasksRequest, BatchCreateTasksResponse, task_service_server::TaskService,
};
use store::TaskWriter;
use tonic::{Request, Response, Status};

use crate::{call::CallRunner, layers::CallDeadline};
use batch_create::BatchCreate;
#[cfg(feature = "fuzzing")]
pub(crate) use convert::to_batch;

/// The implementation of `TaskService`.
#[derive(Debug)]
pub(crate) struct Tasks {
    pub(crate) runner: CallRunner,
    pub(crate) writer: Arc<TaskWriter>,
}

#[tonic::async_trait]
impl TaskService for Tasks {
    async fn batch_create_tasks(
        &self,
        request: Request<BatchCreateTasksRequest>,
    ) -> Result<Response<BatchCreateTasksResponse>, Status> {
        let deadline = CallDeadline::of(request.extensions());
        self.runner.run(BatchCreate { writer: &self.writer, deadline }, request).await
    }
}
