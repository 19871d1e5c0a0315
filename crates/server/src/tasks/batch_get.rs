//! `BatchGetTasks`: returns up to 25 tasks of a case, all or none.

use domain::{Error, Principal, Scope, TaskIds};
use proto::{
    tasks::v1::{BatchGetTasksRequest, BatchGetTasksResponse},
    wire::Reason,
};
use store::TaskReader;

use super::convert;
use crate::call::{Call, Reply};

/// One call of `BatchGetTasks`.
pub(super) struct BatchGet<'a> {
    pub(super) reader: &'a TaskReader,
}

impl Call for BatchGet<'_> {
    type Request = BatchGetTasksRequest;
    type Response = BatchGetTasksResponse;

    const SCOPE: Scope = Scope::TasksRead;
    const INVALID: Reason = Reason::InvalidBatch;

    async fn run(
        self,
        caller: Principal,
        request: BatchGetTasksRequest,
    ) -> Result<Reply<BatchGetTasksResponse>, Error> {
        let ids = TaskIds::parse(request.case_id, &request.task_ids).map_err(Error::Invalid)?;
        let tasks = self.reader.batch_get_tasks(caller.tenant, ids).await?;
        let tasks = tasks.into_iter().map(convert::from_task).collect();
        Ok(BatchGetTasksResponse { tasks }.into())
    }
}
