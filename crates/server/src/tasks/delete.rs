//! `DeleteTask`: deletes one task.

use domain::{Error, Precondition, Principal, Scope, TaskIds};
use proto::tasks::v1::{DeleteTaskRequest, DeleteTaskResponse};
use store::Database;

use crate::call::{Call, Reply};

/// One call of `DeleteTask`.
pub(super) struct Delete<'a> {
    pub(super) database: &'a Database,
    pub(super) request_id: String,
}

impl Call for Delete<'_> {
    type Request = DeleteTaskRequest;
    type Response = DeleteTaskResponse;

    const SCOPE: Scope = Scope::TasksWrite;

    async fn run(
        self,
        caller: Principal,
        request: DeleteTaskRequest,
    ) -> Result<Reply<DeleteTaskResponse>, Error> {
        let DeleteTaskRequest { case_id, task_id, etag } = request;
        let deletion = async {
            let mut ids = TaskIds::parse(case_id, &[task_id]).map_err(Error::Invalid)?;
            ids.precondition = Precondition::parse(&etag);
            let actor = caller.acting_in(self.request_id);
            self.database.delete_tasks(&actor, &ids).await
        };
        deletion.await.map_err(Error::of_one_task)?;
        Ok(DeleteTaskResponse {}.into())
    }
}
