//! `GET /api/v2/cases/{case_id}/tasks` and `GET /api/v2/tasks`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use proto::tasks::v1::{ListTasksRequest, ListTasksResponse};

use super::{
    convert,
    dto::{TaskList, TasksOfUser},
    example,
};
use crate::{
    context::Context,
    extract::{ASSIGNEE_EMAIL, BaseUrl, CallOptions, CaseId, ListOptions},
    openapi::{Route, Scope},
    page::{Meta, Page},
    problem::Problem,
    upstream::{Client, Reply, Retry, Transport, task_service},
};

/// The operations of the OpenAPI document.
struct OfCase;
struct OfUser;

/// Returns the route of the list of a case.
pub(super) fn route_of_case<T: Transport>() -> Route<Context<T>> {
    Route::new(OfCase, list_of_case::<T>)
        .calls("/caseload.tasks.v1.TaskService/ListTasks", &[Scope::TasksRead])
        .returns::<TaskList>(StatusCode::OK, "A page of the tasks.", example::TASK_LIST)
}

/// Returns the route of the list of a user.
pub(super) fn route_of_user<T: Transport>() -> Route<Context<T>> {
    Route::new(OfUser, list_of_user::<T>)
        .calls("/caseload.tasks.v1.TaskService/ListTasks", &[Scope::TasksRead])
        .requires(ASSIGNEE_EMAIL)
        .returns::<TasksOfUser>(StatusCode::OK, "A page of the tasks.", example::TASKS_OF_USER)
}

/// Lists the tasks of a case.
///
/// Returns a page of the tasks, in the order of their creation. Filters are combined.
#[utoipa::path(
    impl_for = OfCase,
    get,
    path = "/api/v2/cases/{case_id}/tasks",
    operation_id = "listTasks"
)]
async fn list_of_case<T: Transport>(
    State(client): State<Client<T>>,
    CaseId(case_id): CaseId,
    list: ListOptions,
    base_url: BaseUrl,
    options: CallOptions,
) -> Result<Response, Problem> {
    let (reply, page) = list_tasks(client, Some(case_id), list, base_url, options).await?;
    Ok(reply.map(|list| convert::to_list_body(list, page)).into_response())
}

/// Lists the tasks of a user.
///
/// Returns a page of the tasks of a user over all cases, in the order of their creation. Filters are
/// combined.
#[utoipa::path(
    impl_for = OfUser,
    get,
    path = "/api/v2/tasks",
    operation_id = "listTasksOfUser"
)]
async fn list_of_user<T: Transport>(
    State(client): State<Client<T>>,
    list: ListOptions,
    base_url: BaseUrl,
    options: CallOptions,
) -> Result<Response, Problem> {
    let (reply, page) = list_tasks(client, None, list, base_url, options).await?;
    Ok(reply.map(|list| convert::to_list_of_user_body(list, page)).into_response())
}

/// Makes the call. Returns its reply, and what makes the `meta` of the page from the number of tasks.
async fn list_tasks<T: Transport>(
    client: Client<T>,
    case_id: Option<i64>,
    list: ListOptions,
    base_url: BaseUrl,
    options: CallOptions,
) -> Result<(Reply<ListTasksResponse>, impl FnOnce(i64) -> Meta), Problem> {
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
    let options = list.page;
    Ok((reply, move |count| Page { options, filters, base_url, count }.to_meta()))
}

/// Returns the parameters of the query string, apart from those that say which page.
fn filters(list: &ListOptions) -> Vec<(&'static str, String)> {
    let ListOptions { page: _, completed, assignee_email, updated_after } = list;
    let completed = completed.map(|completed| ("completed", completed.to_string()));
    let email = assignee_email.clone().map(|email| (ASSIGNEE_EMAIL, email));
    let time = updated_after.map(|time| ("updated_after", time.to_string()));
    [completed, email, time].into_iter().flatten().collect()
}
