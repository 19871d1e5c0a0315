//! `UpdateTask`: changes one task.

use domain::{Error, Principal, Scope, TaskUpdates};
use proto::tasks::v1::{UpdateTaskRequest, UpdateTaskResponse};
use store::Database;

use super::convert;
use crate::call::{Call, Reply};

/// One call of `UpdateTask`.
pub(super) struct Update<'a> {
    pub(super) database: &'a Database,
    pub(super) request_id: String,
}

impl Call for Update<'_> {
    type Request = UpdateTaskRequest;
    type Response = UpdateTaskResponse;

    const SCOPE: Scope = Scope::TasksWrite;

    async fn run(
        self,
        caller: Principal,
        request: UpdateTaskRequest,
    ) -> Result<Reply<UpdateTaskResponse>, Error> {
        let UpdateTaskRequest { case_id, task, validate_only } = request;
        let draft = convert::to_update_draft(task.unwrap_or_default());
        let tasks = async {
            let updates = TaskUpdates::parse(case_id, [draft].into_iter());
            let updates = updates.map_err(Error::Invalid)?;
            let actor = caller.acting_in(self.request_id);
            self.database.update_tasks(&actor, updates, validate_only).await
        };
        let tasks = tasks.await.map_err(Error::of_one_task)?;
        let task = tasks.into_iter().next().map(convert::from_task);
        Ok(UpdateTaskResponse { task }.into())
    }
}
