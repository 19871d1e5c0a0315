//! `BatchCreateTasks`: creates up to 25 tasks for one case, all or none.

use std::time::Instant;

use domain::{Error, Principal, Scope};
use proto::tasks::v1::{BatchCreateTasksRequest, BatchCreateTasksResponse};
use store::TaskWriter;

use super::convert;
use crate::call::{Call, Reply};

/// One call of `BatchCreateTasks`.
pub(super) struct BatchCreate<'a> {
    pub(super) writer: &'a TaskWriter,
    pub(super) deadline: Option<Instant>,
}

impl Call for BatchCreate<'_> {
    type Request = BatchCreateTasksRequest;
    type Response = BatchCreateTasksResponse;

    const SCOPE: Scope = Scope::TasksWrite;

    async fn run(
        self,
        caller: Principal,
        request: BatchCreateTasksRequest,
    ) -> Result<Reply<BatchCreateTasksResponse>, Error> {
        let batch = convert::to_batch(request)?;
        let created = self.writer.create_until(self.deadline, caller.tenant, batch).await?;
        let tasks = created.tasks.into_iter().map(convert::from_task).collect();
        let message = BatchCreateTasksResponse { tasks };
        Ok(Reply { message, is_replay: created.is_replay })
    }
}
