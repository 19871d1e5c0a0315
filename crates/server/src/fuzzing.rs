//! The targets of `fuzz/`: each accepts any bytes, and panics if an invariant is broken.

use std::time::Duration;

use domain::{
    CaseQuery, CaseUpserts, DirectoryCaseQuery, Error, Precondition, TaskQuery, TaskUpdates,
    UserQuery, UserUpserts,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use proto::{
    Message as _, RequestLayout,
    cases::v1::{CaseUpdate, CreateCaseRequest, ListCasesRequest},
    directory::v1::{
        BatchUpsertCasesRequest, BatchUpsertUsersRequest, GetCaseRequest, GetUserRequest,
        ListCasesRequest as ListDirectoryCasesRequest, ListUsersRequest,
    },
    tasks::v1::{BatchCreateTasksRequest, BatchUpdateTasksRequest, ListTasksRequest, NewTask},
    wire::{Reason, header, limits},
};

use crate::{auth, cases, directory, layers, status, tasks};

/// Parses the value of `authorization`. An accepted key ends it.
pub fn bearer(bytes: &[u8]) {
    let Some(headers) = headers(http::header::AUTHORIZATION, bytes) else { return };
    match auth::api_key(&headers) {
        Ok(key) => assert!(bytes.ends_with(key.expose().as_bytes())),
        Err(error) => {
            let status = status::of_layer(&error.into());
            assert_eq!(status.code(), tonic::Code::Unauthenticated);
        }
    }
}

/// Parses the value of `grpc-timeout`: at most eight digits of hours.
pub fn grpc_timeout(bytes: &[u8]) {
    let Some(headers) = headers(header::GRPC_TIMEOUT.clone(), bytes) else { return };
    if let Some(timeout) = layers::grpc_timeout(&headers) {
        assert!(timeout <= Duration::from_secs(99_999_999 * 3600));
    }
}

/// Decodes and checks a message. It takes no more memory than was measured before, and the status of
/// an invalid one stays within the limit.
pub fn protobuf(bytes: &[u8]) {
    let layout = RequestLayout::of("/caseload.tasks.v1.TaskService/BatchCreateTasks");
    let size = layout.map(|layout| layout.decoded_size(bytes));
    let Ok(message) = BatchCreateTasksRequest::decode(bytes) else { return };
    let items = message.tasks.iter().map(|task| 1 + task.assignee_emails.len()).sum::<usize>();
    match size {
        Some(Ok(size)) => assert!(items <= limits::LIST_ITEMS && heap_bytes(&message) <= size),
        Some(Err(_)) => return assert!(items > limits::LIST_ITEMS),
        None => unreachable!("the method is in the contract"),
    }
    if let Err(error) = tasks::to_batch(message) {
        let status = status::from_error(&error, Reason::InvalidBatch, limits::STATUS_BYTES);
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert!(status.details().len() < limits::STATUS_BYTES);
    }
}

/// Decodes and checks a message that changes tasks. The status of an invalid one stays within the
/// limit.
pub fn updates(bytes: &[u8]) {
    let Ok(message) = BatchUpdateTasksRequest::decode(bytes) else { return };
    let drafts = message.tasks.into_iter().map(tasks::to_update_draft);
    match TaskUpdates::parse(message.case_id, drafts) {
        Ok(updates) => assert!((1..=25).contains(&updates.updates.len())),
        Err(violations) => assert_is_bounded(&Error::Invalid(violations)),
    }
}

/// Decodes and checks a message that lists tasks, page token and all.
pub fn list(bytes: &[u8]) {
    let Ok(message) = ListTasksRequest::decode(bytes) else { return };
    match TaskQuery::parse(tasks::to_list_draft(message)) {
        Ok(query) => assert!((1..=50).contains(&query.page_size) && query.skip >= 0),
        Err(violations) => assert_is_bounded(&Error::Invalid(violations)),
    }
}

/// Decodes and checks messages that create, change and list cases. The status of an invalid one stays
/// within the limit.
pub fn cases(bytes: &[u8]) {
    if let Ok(message) = CreateCaseRequest::decode(bytes) {
        match cases::to_new_case(message) {
            Ok(case) => assert!(case.tasks().len() <= 25),
            Err(error) => assert_is_bounded(&error),
        }
    }
    if let Ok(message) = CaseUpdate::decode(bytes)
        && let Err(violations) = domain::CaseUpdate::parse(cases::to_update_draft(message))
    {
        assert_is_bounded(&Error::Invalid(violations));
    }
    if let Ok(message) = ListCasesRequest::decode(bytes) {
        match CaseQuery::parse(cases::to_list_draft(message)) {
            Ok(query) => assert!((1..=50).contains(&query.page_size) && query.skip >= 0),
            Err(violations) => assert_is_bounded(&Error::Invalid(violations)),
        }
    }
}

/// Decodes and checks messages that feed, name and list users and cases. The status of an invalid one
/// stays within the limit.
pub fn directory(bytes: &[u8]) {
    if let Ok(message) = BatchUpsertUsersRequest::decode(bytes) {
        let drafts = message.users.into_iter().map(directory::to_user_draft);
        match UserUpserts::parse(drafts) {
            Ok(users) => {
                assert!((1..=UserUpserts::MAX_USERS).contains(&users.as_slice().len()));
                assert!(users.as_slice().iter().all(|user| !user.email.is_reserved()));
            }
            Err(violations) => assert_is_bounded(&Error::Invalid(violations)),
        }
    }
    if let Ok(message) = BatchUpsertCasesRequest::decode(bytes) {
        let drafts = message.cases.into_iter().map(directory::to_case_draft);
        match CaseUpserts::parse(drafts) {
            Ok(cases) => {
                assert!((1..=CaseUpserts::MAX_CASES).contains(&cases.as_slice().len()));
            }
            Err(violations) => assert_is_bounded(&Error::Invalid(violations)),
        }
    }
    if let Ok(message) = GetUserRequest::decode(bytes)
        && let Err(error) = directory::to_user_key(message.user)
    {
        assert_is_bounded(&error);
    }
    if let Ok(message) = GetCaseRequest::decode(bytes)
        && let Err(error) = directory::to_case_key(message.case)
    {
        assert_is_bounded(&error);
    }
    if let Ok(message) = ListUsersRequest::decode(bytes) {
        match UserQuery::parse(directory::to_user_list_draft(message)) {
            Ok(query) => assert!((1..=UserQuery::MAX_PAGE_SIZE).contains(&query.page_size.get())),
            Err(violations) => assert_is_bounded(&Error::Invalid(violations)),
        }
    }
    if let Ok(message) = ListDirectoryCasesRequest::decode(bytes) {
        match DirectoryCaseQuery::parse(directory::to_case_list_draft(message)) {
            Ok(query) => assert!((1..=100).contains(&query.page_size.get())),
            Err(violations) => assert_is_bounded(&Error::Invalid(violations)),
        }
    }
}

/// Parses a list of entity tags. Each of those that are found has its one spelling.
pub fn etags(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Precondition::OneOf(etags) = Precondition::parse(text) {
        assert!(etags.iter().all(|etag| text.contains(&etag.to_string())));
    }
}

fn assert_is_bounded(error: &Error) {
    let status = status::from_error(error, Reason::InvalidRequest, limits::STATUS_BYTES);
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert!(status.details().len() < limits::STATUS_BYTES);
}

/// Returns what a message takes on the heap.
fn heap_bytes(message: &BatchCreateTasksRequest) -> usize {
    let tasks = message.tasks.iter().map(|task| {
        let emails = task.assignee_emails.iter().map(String::capacity).sum::<usize>();
        let list = task.assignee_emails.capacity() * size_of::<String>();
        task.description.capacity() + emails + list
    });
    let list = message.tasks.capacity() * size_of::<NewTask>();
    message.request_id.capacity() + list + tasks.sum::<usize>()
}

fn headers(name: HeaderName, value: &[u8]) -> Option<HeaderMap> {
    let value = HeaderValue::from_bytes(value).ok()?;
    Some(HeaderMap::from_iter([(name, value)]))
}
