//! `GET /api/v2/cases`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use proto::cases::v1::ListCasesRequest;

use super::{convert, dto::CaseList, example};
use crate::{
    case_value,
    context::Context,
    extract::{BaseUrl, CallOptions, CaseListOptions},
    openapi::{Route, Scope},
    page::Page,
    problem::Problem,
    upstream::{Client, Retry, Transport, case_service},
};

/// The operation of the OpenAPI document.
struct Operation;

/// Returns the route of the call.
pub(super) fn route<T: Transport>() -> Route<Context<T>> {
    Route::new(Operation, list::<T>)
        .calls("/caseload.cases.v1.CaseService/ListCases", &[Scope::CasesRead])
        .returns::<CaseList>(StatusCode::OK, "A page of the cases.", example::CASE_LIST)
}

/// Lists the cases.
///
/// Returns a page of the cases of the tenant, in the order of their creation. Filters are combined.
#[utoipa::path(
    impl_for = Operation,
    get,
    path = "/api/v2/cases",
    operation_id = "listCases"
)]
async fn list<T: Transport>(
    State(client): State<Client<T>>,
    list: CaseListOptions,
    base_url: BaseUrl,
    options: CallOptions,
) -> Result<Response, Problem> {
    let message = ListCasesRequest {
        page_size: list.page.per_page.into(),
        page_token: String::new(),
        skip: list.page.skip(),
        priority: list.priority.map_or(0, i32::from),
        status: list.status.map_or(0, i32::from),
        team_id: list.team_id,
        count_total: true,
    };
    let reply = client
        .call(Retry::Always, options, message, |transport, request| async {
            case_service(transport).list_cases(request).await
        })
        .await?;
    let filters = filters(&list);
    let page = |count| Page { options: list.page, filters, base_url, count }.to_meta();
    Ok(reply.map(|list| convert::to_list_body(list, page)).into_response())
}

/// Returns the parameters of the query string, apart from those that say which page.
fn filters(list: &CaseListOptions) -> Vec<(&'static str, String)> {
    let CaseListOptions { page: _, priority, status, team_id } = list;
    let priority =
        priority.map(|priority| ("priority", case_value::priority_name(priority).to_owned()));
    let status = status.map(|status| ("status", case_value::status_name(status).to_owned()));
    let team = team_id.map(|id| ("team_id", id.to_string()));
    [priority, status, team].into_iter().flatten().collect()
}
