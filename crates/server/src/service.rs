//! The calls of `TaskService`.

use domain::{Error, Scope};
use proto::tasks::v1::{
    BatchCreateTasksRequest, BatchCreateTasksResponse, task_service_server::TaskService,
};
use store::TaskWriter;
use tonic::{
    Request, Response, Status,
    metadata::{MetadataMap, MetadataValue},
};

use crate::{convert, keys::Keys, status};

/// The metadata that tells that a request was answered before.
const REPLAYED: &str = "idempotency-replayed";

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
        self.batch_create(&metadata, message).await.map_err(|error| {
            log(&error);
            status::from_error(&error)
        })
    }
}

impl Tasks {
    async fn batch_create(
        &self,
        metadata: &MetadataMap,
        message: BatchCreateTasksRequest,
    ) -> Result<Response<BatchCreateTasksResponse>, Error> {
        let caller = self.keys.authenticate(metadata).await?;
        caller.require(Scope::TasksWrite)?;
        let batch = convert::to_batch(message)?;
        let created = self.writer.create(caller.tenant, batch).await?;
        let mut response = Response::new(convert::to_response(created.tasks));
        if created.is_replay {
            response.metadata_mut().insert(REPLAYED, MetadataValue::from_static("true"));
        }
        Ok(response)
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
