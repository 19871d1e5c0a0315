//! `GET /api/v2/cases/{case_id}/tasks` and `GET /api/v2/tasks`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use proto::tasks::v1::ListTasksRequest;

use super::convert;
use crate::{
    extract::{BaseUrl, CallOptions, CaseId, ListOptions},
    page::Page,
    problem::Problem,
    upstream::{Client, Retry, Transport, task_service},
};

/// Lists the tasks of a case.
pub(crate) async fn list_of_case<T: Transport>(
    State(client): State<Client<T>>,
    CaseId(case_id): CaseId,
    list: ListOptions,
    base_url: BaseUrl,
    options: CallOptions,
) -> Result<Response, Problem> {
    list_tasks(client, Some(case_id), list, base_url, options).await
}

/// Lists the tasks of a user, over all cases.
pub(crate) async fn list_of_user<T: Transport>(
    State(client): State<Client<T>>,
    list: ListOptions,
    base_url: BaseUrl,
    options: CallOptions,
) -> Result<Response, Problem> {
    list_tasks(client, None, list, base_url, options).await
}

async fn list_tasks<T: Transport>(
    client: Client<T>,
    case_id: Option<i64>,
    list: ListOptions,
    base_url: BaseUrl,
    options: CallOptions,
) -> Result<Response, Problem> {
    let message = ListTasksRequest {
        case_id: case_id.unwrap_or_default(),
        page_size: list.page.per_page.into(),
        page_token: String::new(),
        skip: list.page.skip(),
        completed: list.completed,
        assignee_email: list.assignee_email.clone().unwrap_or_default(),
        updated_after: list.updated_after,
        count_total: true,
    };
    let reply = client
        .call(Retry::Always, options, message, |transport, request| async {
            task_service(transport).list_tasks(request).await
        })
        .await?;
    let filters = filters(&list);
    let page = |count| Page { options: list.page, filters, base_url, count }.to_meta();
    Ok(reply.map(|list| convert::to_list_body(list, case_id.is_none(), page)).into_response())
}

/// Returns the parameters of the query string, apart from those that say which page.
fn filters(list: &ListOptions) -> Vec<(&'static str, String)> {
    let ListOptions { page: _, completed, assignee_email, updated_after } = list;
    let completed = completed.map(|completed| ("completed", completed.to_string()));
    let email = assignee_email.clone().map(|email| ("assignee_email", email));
    let time = updated_after.map(|time| ("updated_after", time.to_string()));
    [completed, email, time].into_iter().flatten().collect()
}
