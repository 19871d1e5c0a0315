//! `CreateTask`: creates one task.

use std::time::Instant;

use domain::{Error, Principal, Scope};
use proto::tasks::v1::{CreateTaskRequest, CreateTaskResponse};
use store::{Database, TaskWriter};

use super::convert;
use crate::call::{Call, Reply};

/// One call of `CreateTask`.
pub(super) struct Create<'a> {
    pub(super) writer: &'a TaskWriter,
    pub(super) deadline: Option<Instant>,
    pub(super) database: &'a Database,
    pub(super) request_id: String,
}

impl Call for Create<'_> {
    type Request = CreateTaskRequest;
    type Response = CreateTaskResponse;

    const SCOPE: Scope = Scope::TasksWrite;

    async fn run(
        self,
        caller: Principal,
        request: CreateTaskRequest,
    ) -> Result<Reply<CreateTaskResponse>, Error> {
        let is_trial = request.validate_only;
        let batch = convert::to_batch_of_one(request).map_err(Error::of_one_task)?;
        let (tasks, is_replay) = if is_trial {
            let users = self.database.check_batch(caller.tenant, &batch).await;
            (convert::from_trial(batch, users.map_err(Error::of_one_task)?), false)
        } else {
            let actor = caller.acting_in(self.request_id);
            let created = self.writer.create_until(self.deadline, actor, batch).await;
            let created = created.map_err(Error::of_one_task)?;
            (created.tasks.into_iter().map(convert::from_task).collect(), created.is_replay)
        };
        let message = CreateTaskResponse { task: tasks.into_iter().next() };
        Ok(Reply { message, is_replay })
    }
}
