//! `BatchUpdateTasks`: changes up to 25 tasks of a case, all or none.

use domain::{Error, Principal, Scope, TaskUpdates};
use proto::{
    tasks::v1::{BatchUpdateTasksRequest, BatchUpdateTasksResponse},
    wire::Reason,
};
use store::Database;

use super::convert;
use crate::call::{Call, Reply};

/// One call of `BatchUpdateTasks`.
pub(super) struct BatchUpdate<'a> {
    pub(super) database: &'a Database,
    pub(super) request_id: String,
}

impl Call for BatchUpdate<'_> {
    type Request = BatchUpdateTasksRequest;
    type Response = BatchUpdateTasksResponse;

    const SCOPE: Scope = Scope::TasksWrite;
    const INVALID: Reason = Reason::InvalidBatch;

    async fn run(
        self,
        caller: Principal,
        request: BatchUpdateTasksRequest,
    ) -> Result<Reply<BatchUpdateTasksResponse>, Error> {
        let BatchUpdateTasksRequest { case_id, tasks, validate_only } = request;
        let drafts = tasks.into_iter().map(convert::to_update_draft);
        let updates = TaskUpdates::parse(case_id, drafts).map_err(Error::Invalid)?;
        let actor = caller.acting_in(self.request_id);
        let tasks = self.database.update_tasks(&actor, updates, validate_only).await?;
        let tasks = tasks.into_iter().map(convert::from_task).collect();
        Ok(BatchUpdateTasksResponse { tasks }.into())
    }
}
