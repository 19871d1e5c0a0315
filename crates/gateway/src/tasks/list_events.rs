//! `GET /api/v2/cases/{case_id}/tasks/{task_id}/events`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use proto::tasks::v1::ListTaskEventsRequest;

use super::{convert, dto::TaskEventList, example};
use crate::{
    context::Context,
    extract::{BaseUrl, CallOptions, CaseId, PageOptions, TaskId},
    openapi::{Route, Scope},
    page::Page,
    problem::Problem,
    upstream::{Client, Retry, Transport, task_service},
};

/// The operation of the OpenAPI document.
struct Operation;

/// Returns the route of the call.
pub(super) fn route<T: Transport>() -> Route<Context<T>> {
    Route::new(Operation, list_events::<T>)
        .calls("/caseload.tasks.v1.TaskService/ListTaskEvents", &[Scope::TasksRead])
        .returns::<TaskEventList>(StatusCode::OK, "A page of the events.", example::TASK_EVENTS)
}

/// Lists what was done to a task.
///
/// Returns a page of the events, in the order in which they happened. The history of a task that was deleted is
/// there, even if its case is gone since.
#[utoipa::path(
    impl_for = Operation,
    get,
    path = "/api/v2/cases/{case_id}/tasks/{task_id}/events",
    operation_id = "listTaskEvents"
)]
async fn list_events<T: Transport>(
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
