//! `ListTaskEvents`: returns a page of what was done to a task.

use domain::{Error, EventListDraft, EventQuery, Principal, Scope};
use proto::tasks::v1::{ListTaskEventsRequest, ListTaskEventsResponse};
use store::Database;

use super::convert;
use crate::call::{Call, Reply};

/// One call of `ListTaskEvents`.
pub(super) struct ListEvents<'a> {
    pub(super) database: &'a Database,
}

impl Call for ListEvents<'_> {
    type Request = ListTaskEventsRequest;
    type Response = ListTaskEventsResponse;

    const SCOPE: Scope = Scope::TasksRead;

    async fn run(
        self,
        caller: Principal,
        request: ListTaskEventsRequest,
    ) -> Result<Reply<ListTaskEventsResponse>, Error> {
        let query = EventQuery::parse(EventListDraft {
            case_id: request.case_id,
            task_id: request.task_id,
            page_size: request.page_size,
            page_token: request.page_token,
            skip: request.skip,
            count_total: request.count_total,
        });
        let query = query.map_err(Error::Invalid)?;
        let page = self.database.list_task_events(caller.tenant, &query).await?;
        let next_page_token = page.next_page_token(&query.key).unwrap_or_default();
        let total_size = page.total.unwrap_or_default();
        let task_events = page.events.into_iter().map(convert::from_event).collect();
        Ok(ListTaskEventsResponse { task_events, next_page_token, total_size }.into())
    }
}
