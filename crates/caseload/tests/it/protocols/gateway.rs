//! What differs between the protocols: the gateway reads what REST has in the path, in the query string
//! and in headers by itself, before it calls the server, and reports it in its own way.

use domain::IdempotencyKey;
use proto::wire::limits;

use super::{
    operation::{Call, CaseFilter},
    outcome::{Failure, Outcome, Place},
    tenant::Request,
};

/// Returns the outcome over REST of a request that had this outcome over gRPC.
pub(super) fn over_rest(request: &Request<'_>, over_grpc: Outcome) -> Outcome {
    let Some(failure) = rejection(request) else { return over_grpc };
    assert!(over_grpc.is_err(), "the gateway rejects what the server accepts: {over_grpc:?}");
    Err(failure)
}

/// Returns why the gateway rejects a request: the first of these that applies.
fn rejection(request: &Request<'_>) -> Option<Failure> {
    let call = &request.operation.call;
    path(request).or_else(|| query(call)).or_else(|| header(call))
}

/// There is no case, and no task, whose id is not positive.
fn path(request: &Request<'_>) -> Option<Failure> {
    let call = &request.operation.call;
    let has_case = !matches!(
        call,
        Call::CreateCase { .. }
            | Call::ListCases { .. }
            | Call::ListTasks { is_of_case: false, .. }
            | Call::GetRecord { .. }
    );
    let has_task = matches!(
        call,
        Call::GetTask { .. }
            | Call::ListEvents { .. }
            | Call::UpdateTask { .. }
            | Call::DeleteTask { .. }
    );
    let not_found = |reason| Some(Failure::new("NOT_FOUND", reason, Place::Whole));
    if has_case && request.case <= 0 {
        return not_found("CASE_NOT_FOUND");
    }
    if has_task && request.tasks[0] <= 0 { not_found("TASK_NOT_FOUND") } else { None }
}

/// Over gRPC, these are fields, whose reasons say more.
fn query(call: &Call) -> Option<Failure> {
    let Call::ListCases { filter: CaseFilter { priority, status, team_id }, .. } = call else {
        return None;
    };
    let faults = [
        ("priority", "UNKNOWN_VALUE", *priority == Some("URGENT")),
        ("status", "UNKNOWN_VALUE", *status == Some("open")),
        ("team_id", "OUT_OF_RANGE", team_id.is_some_and(|id| !(1..=limits::TEAM_ID).contains(&id))),
    ];
    let faults = faults.into_iter().filter(|(.., is_wrong)| *is_wrong);
    let faults: Vec<_> = faults
        .map(|(name, reason, _)| (reason.to_owned(), Place::Parameter(name.to_owned())))
        .collect();
    (!faults.is_empty()).then(|| Failure { code: "INVALID_ARGUMENT".to_owned(), faults })
}

/// Over gRPC, the idempotency key is a field.
fn header(call: &Call) -> Option<Failure> {
    let (Call::CreateCase { key, .. }
    | Call::CreateTask { key, .. }
    | Call::CreateTasks { key, .. }) = call
    else {
        return None;
    };
    let is_malformed = IdempotencyKey::parse(key.clone()?).is_err();
    is_malformed.then(|| Failure::new("INVALID_ARGUMENT", "IDEMPOTENCY_KEY_INVALID", Place::Whole))
}
