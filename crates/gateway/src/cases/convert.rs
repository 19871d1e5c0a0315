//! Between the documented JSON of cases and the messages of the gRPC contract.

use proto::{FieldMask, cases::v1};

use super::dto;
use crate::{
    case_value,
    extract::{Integer, Object},
    page::Meta,
    tasks::convert::{to_checked_task, to_new_task, to_task},
    times::Times,
};

/// A number that stands for none of the documented values, so that the server rejects it, with all
/// else that is wrong.
const UNKNOWN: i32 = -1;

pub(crate) fn to_request(
    body: dto::NewCase,
    idempotency_key: Option<String>,
    validate_only: bool,
) -> v1::CreateCaseRequest {
    let dto::NewCase { name, description, priority, status, team_id, tasks } = body;
    let case = v1::NewCase {
        name,
        description,
        priority: to_priority(priority.as_deref()),
        status: to_status(status.as_deref()),
        team_id: team_id.map(|Integer(id)| id),
        tasks: tasks.into_iter().map(|Object(task)| to_new_task(task)).collect(),
    };
    let request_id = idempotency_key.unwrap_or_default();
    v1::CreateCaseRequest { case: Some(case), request_id, validate_only }
}

pub(crate) fn to_update(id: i64, body: dto::UpdateCase, etag: String) -> v1::CaseUpdate {
    let dto::UpdateCase { name, description, priority, status, team_id } = body;
    // The members that the body has, also those whose value is the default.
    let paths = [
        name.is_some().then_some("name"),
        description.is_some().then_some("description"),
        priority.is_some().then_some("priority"),
        status.is_some().then_some("status"),
        team_id.is_some().then_some("team_id"),
    ];
    let paths = paths.into_iter().flatten().map(str::to_owned).collect();
    v1::CaseUpdate {
        id,
        name,
        description,
        priority: to_priority(priority.as_deref()),
        status: to_status(status.as_deref()),
        team_id: team_id.map(|Integer(id)| id),
        update_mask: Some(FieldMask { paths }),
        etag,
    }
}

pub(super) fn to_created_body(response: v1::CreateCaseResponse) -> dto::CreatedCase {
    let mut times = Times::default();
    let case = to_case(response.case.unwrap_or_default(), &mut times);
    let tasks = response.tasks.into_iter().map(|task| to_task(task, &mut times));
    dto::CreatedCase { case, tasks: tasks.collect() }
}

/// Returns a case that was only checked: it has neither id nor times.
pub(super) fn to_checked_body(response: v1::CreateCaseResponse) -> dto::CheckedCase {
    let case = response.case.unwrap_or_default();
    let (priority, status) = (case.priority(), case.status());
    dto::CheckedCase {
        name: case.name,
        description: case.description,
        priority: case_value::priority_name(priority),
        status: case_value::status_name(status),
        team_id: team_id(case.team_id),
        tasks: response.tasks.into_iter().map(to_checked_task).collect(),
    }
}

pub(super) fn to_case_body(case: v1::Case) -> dto::Case {
    to_case(case, &mut Times::default())
}

pub(super) fn to_list_body(
    list: v1::ListCasesResponse,
    meta: impl FnOnce(i64) -> Meta,
) -> dto::CaseList {
    let mut times = Times::default();
    let cases = list.cases.into_iter().map(|case| to_case(case, &mut times));
    dto::CaseList { cases: cases.collect(), meta: meta(list.total_size) }
}

fn to_case(case: v1::Case, times: &mut Times) -> dto::Case {
    let (priority, status) = (case.priority(), case.status());
    dto::Case {
        case_id: case.id,
        name: case.name,
        description: case.description,
        priority: case_value::priority_name(priority),
        status: case_value::status_name(status),
        team_id: team_id(case.team_id),
        created_at: times.write(case.created_at.unwrap_or_default()),
        updated_at: times.write(case.updated_at.unwrap_or_default()),
    }
}

/// Returns the id of a team; `None` if it stands for none.
fn team_id(id: i64) -> Option<i64> {
    Some(id).filter(|id| *id != 0)
}

fn to_priority(name: Option<&str>) -> i32 {
    name.map_or(0, |name| case_value::priority(name).map_or(UNKNOWN, i32::from))
}

fn to_status(name: Option<&str>) -> i32 {
    name.map_or(0, |name| case_value::status(name).map_or(UNKNOWN, i32::from))
}
