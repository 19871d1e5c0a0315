//! `GetTask`: returns one task.

use domain::{Error, Principal, Scope, TaskKey};
use proto::tasks::v1::{GetTaskRequest, GetTaskResponse};
use store::TaskReader;

use super::convert;
use crate::call::{Call, Reply};

/// One call of `GetTask`.
pub(super) struct Get<'a> {
    pub(super) reader: &'a TaskReader,
}

impl Call for Get<'_> {
    type Request = GetTaskRequest;
    type Response = GetTaskResponse;

    const SCOPE: Scope = Scope::TasksRead;

    async fn run(
        self,
        caller: Principal,
        request: GetTaskRequest,
    ) -> Result<Reply<GetTaskResponse>, Error> {
        let key = TaskKey::parse(request.case_id, request.task_id).map_err(Error::Invalid)?;
        let task = self.reader.get_task(caller.tenant, key).await?;
        Ok(GetTaskResponse { task: Some(convert::from_task(task)) }.into())
    }
}
