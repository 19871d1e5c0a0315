//! `GET /api/v2/cases/{case_id}/tasks/{task_id}/events`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use proto::tasks::v1::ListTaskEventsRequest;

use super::convert;
use crate::{
    extract::{BaseUrl, CallOptions, CaseId, PageOptions, TaskId},
    page::Page,
    problem::Problem,
    upstream::{Client, Retry, Transport, task_service},
};

/// Lists what was done to a task.
pub(crate) async fn list_events<T: Transport>(
    State(client): State<Client<T>>,
    CaseId(case_id): CaseId,
    TaskId(task_id): TaskId,
    page: PageOptions,
    base_url: BaseUrl,
    options: CallOptions,
) -> Result<Response, Problem> {
    let message = ListTaskEventsRequest {
        case_id,
        task_id,
        page_size: page.per_page.into(),
        page_token: String::new(),
        skip: page.skip(),
        count_total: true,
    };
    let reply = client
        .call(Retry::Always, options, message, |transport, request| async {
            task_service(transport).list_task_events(request).await
        })
        .await?;
    let meta = |count| Page { options: page, filters: Vec::new(), base_url, count }.to_meta();
    Ok(reply.map(|list| convert::to_event_list_body(list, meta)).into_response())
}
