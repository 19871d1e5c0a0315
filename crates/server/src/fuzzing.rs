//! The targets of `fuzz/`: each accepts any bytes, and panics if an invariant is broken.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use proto::wire::{header, limits};
use proto::{
    Message as _, RequestLayout,
    tasks::v1::{BatchCreateTasksRequest, NewTask},
};

use crate::{auth, layers, status, tasks};

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
        let status = status::from_error(&error, limits::STATUS_BYTES);
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert!(status.details().len() < limits::STATUS_BYTES);
    }
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
