//! The calls of `TaskService`.

use domain::{Error, Scope};
use proto::tasks::v1::{
    BatchCreateTasksRequest, BatchCreateTasksResponse, task_service_server::TaskService,
};
use store::TaskWriter;
use tonic::{Request, Response, Status, metadata::MetadataMap};

use crate::{convert, keys::Keys, status};

/// The service: what it needs to answer.
#[derive(Debug)]
pub(crate) struct Tasks {
    pub(crate) keys: Keys,
    pub(crate) writer: TaskWriter,
}

#[tonic::async_trait]
impl TaskService for Tasks {
    async fn batch_create_tasks(
        &self,
        request: Request<BatchCreateTasksRequest>,
    ) -> Result<Response<BatchCreateTasksResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        self.batch_create(&metadata, message).await.map_or_else(
            |error| {
                log(&error);
                Err(status::from_error(&error))
            },
            |response| Ok(Response::new(response)),
        )
    }
}

impl Tasks {
    async fn batch_create(
        &self,
        metadata: &MetadataMap,
        message: BatchCreateTasksRequest,
    ) -> Result<BatchCreateTasksResponse, Error> {
        let caller = self.keys.authenticate(metadata).await?;
        caller.require(Scope::TasksWrite)?;
        let batch = convert::to_batch(message)?;
        let tasks = self.writer.create(caller.tenant, batch).await?;
        Ok(convert::to_response(tasks))
    }
}

/// Logs what the caller isn't told: where a failure came from.
fn log(error: &Error) {
    use std::error::Error as _;

    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    if !causes.is_empty() {
        tracing::error!(%error, causes = causes.join(": "), "a call failed");
    }
}
