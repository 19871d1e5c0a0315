//! The calls of `TaskService`.

use std::sync::Arc;

use domain::{Error, Scope};
use proto::tasks::v1::{
    BatchCreateTasksRequest, BatchCreateTasksResponse, task_service_server::TaskService,
};
use store::TaskWriter;
use tonic::{
    Request, Response, Status,
    metadata::{MetadataMap, MetadataValue},
};

use crate::{
    convert,
    keys::Keys,
    rates::{Allowance, Rates},
    status,
};

/// The metadata that tells that a request was answered before.
const REPLAYED: &str = "idempotency-replayed";

/// The service: what it needs to answer.
#[derive(Debug)]
pub(crate) struct Tasks {
    pub(crate) keys: Keys,
    pub(crate) rates: Rates,
    pub(crate) writer: Arc<TaskWriter>,
}

#[tonic::async_trait]
impl TaskService for Tasks {
    async fn batch_create_tasks(
        &self,
        request: Request<BatchCreateTasksRequest>,
    ) -> Result<Response<BatchCreateTasksResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let mut allowance = Allowance::default();
        match self.batch_create(&metadata, message, &mut allowance).await {
            Ok(mut response) => {
                allowance.write_to(response.metadata_mut());
                Ok(response)
            }
            Err(error) => {
                log(&error);
                let mut status = status::from_error(&error);
                allowance.write_to(status.metadata_mut());
                Err(status)
            }
        }
    }
}

impl Tasks {
    async fn batch_create(
        &self,
        metadata: &MetadataMap,
        message: BatchCreateTasksRequest,
        allowance: &mut Allowance,
    ) -> Result<Response<BatchCreateTasksResponse>, Error> {
        let caller = self.keys.authenticate(metadata).await?;
        caller.require(Scope::TasksWrite)?;
        self.rates.take(&caller, allowance)?;
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
