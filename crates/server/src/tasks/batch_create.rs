//! `BatchCreateTasks`: creates up to 25 tasks for one case, all or none.

use std::time::Instant;

use domain::{Error, Principal, Scope};
use proto::{
    tasks::v1::{BatchCreateTasksRequest, BatchCreateTasksResponse},
    wire::Reason,
};
use store::{Database, TaskWriter};

use super::convert;
use crate::call::{Call, Reply};

/// One call of `BatchCreateTasks`.
pub(super) struct BatchCreate<'a> {
    pub(super) writer: &'a TaskWriter,
    pub(super) deadline: Option<Instant>,
    pub(super) database: &'a Database,
    pub(super) request_id: String,
}

impl Call for BatchCreate<'_> {
    type Request = BatchCreateTasksRequest;
    type Response = BatchCreateTasksResponse;

    const SCOPE: Scope = Scope::TasksWrite;
    const INVALID: Reason = Reason::InvalidBatch;

    async fn run(
        self,
        caller: Principal,
        request: BatchCreateTasksRequest,
    ) -> Result<Reply<BatchCreateTasksResponse>, Error> {
        let is_trial = request.validate_only;
        let batch = convert::to_batch(request)?;
        if is_trial {
            let users = self.database.check_batch(caller.tenant, &batch).await?;
            return Ok(BatchCreateTasksResponse { tasks: convert::from_trial(batch, users) }.into());
        }
        let actor = caller.acting_in(self.request_id);
        let created = self.writer.create_until(self.deadline, actor, batch).await?;
        let tasks = created.tasks.into_iter().map(convert::from_task).collect();
        let message = BatchCreateTasksResponse { tasks };
        Ok(Reply { message, is_replay: created.is_replay })
    }
}
