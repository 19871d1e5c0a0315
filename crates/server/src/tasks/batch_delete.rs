//! `BatchDeleteTasks`: deletes up to 25 tasks of a case, all or none.

use domain::{Error, Principal, Scope, TaskIds};
use proto::{
    tasks::v1::{BatchDeleteTasksRequest, BatchDeleteTasksResponse},
    wire::Reason,
};
use store::Database;

use crate::call::{Call, Reply};

/// One call of `BatchDeleteTasks`.
pub(super) struct BatchDelete<'a> {
    pub(super) database: &'a Database,
    pub(super) request_id: String,
}

impl Call for BatchDelete<'_> {
    type Request = BatchDeleteTasksRequest;
    type Response = BatchDeleteTasksResponse;

    const SCOPE: Scope = Scope::TasksWrite;
    const INVALID: Reason = Reason::InvalidBatch;

    async fn run(
        self,
        caller: Principal,
        request: BatchDeleteTasksRequest,
    ) -> Result<Reply<BatchDeleteTasksResponse>, Error> {
        let ids = TaskIds::parse(request.case_id, &request.task_ids).map_err(Error::Invalid)?;
        let actor = caller.acting_in(self.request_id);
        self.database.delete_tasks(&actor, &ids).await?;
        Ok(BatchDeleteTasksResponse {}.into())
    }
}
