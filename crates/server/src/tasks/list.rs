//! `ListTasks`: returns a page of the tasks of a case, or of a user.

use domain::{Error, Principal, Scope, TaskQuery};
use proto::tasks::v1::{ListTasksRequest, ListTasksResponse};
use store::Database;

use super::convert;
use crate::call::{Call, Reply};

/// One call of `ListTasks`.
pub(super) struct List<'a> {
    pub(super) database: &'a Database,
}

impl Call for List<'_> {
    type Request = ListTasksRequest;
    type Response = ListTasksResponse;

    const SCOPE: Scope = Scope::TasksRead;

    async fn run(
        self,
        caller: Principal,
        request: ListTasksRequest,
    ) -> Result<Reply<ListTasksResponse>, Error> {
        let query = TaskQuery::parse(convert::to_list_draft(request)).map_err(Error::Invalid)?;
        let page = self.database.list_tasks(caller.tenant, &query).await?;
        let next_page_token = page.next_page_token(&query.filter).unwrap_or_default();
        let total_size = page.total.unwrap_or_default();
        let tasks = page.tasks.into_iter().map(convert::from_task).collect();
        Ok(ListTasksResponse { tasks, next_page_token, total_size }.into())
    }
}
