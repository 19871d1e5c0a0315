//! What calls are made over.

use hyper::body::{Body as HttpBody, Bytes};
use proto::{
    cases::v1::case_service_client::CaseServiceClient,
    tasks::v1::task_service_client::TaskServiceClient,
};
use tonic::{body::Body, client::GrpcService, codegen::StdError};

/// What calls are made over: a channel to a server, or a service in the same process.
pub(crate) trait Transport:
    GrpcService<
        Body,
        ResponseBody: HttpBody<Data = Bytes, Error: Into<StdError>> + Send + Unpin + 'static,
        Future: Send + Unpin,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<T> Transport for T where
    T: GrpcService<
            Body,
            ResponseBody: HttpBody<Data = Bytes, Error: Into<StdError>> + Send + Unpin + 'static,
            Future: Send + Unpin,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

/// The largest response that is received: a page of 50 tasks with the longest descriptions and the
/// names of 50 assignees each takes some 5 MiB.
const MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;

/// Returns a client of the cases' service.
pub(crate) fn case_service<T>(transport: T) -> CaseServiceClient<T>
where
    T: GrpcService<
            Body,
            ResponseBody: HttpBody<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
        >,
    T::Error: Into<StdError>,
{
    CaseServiceClient::new(transport).max_decoding_message_size(MAX_RESPONSE_BYTES)
}

/// Returns a client of the tasks' service.
pub(crate) fn task_service<T>(transport: T) -> TaskServiceClient<T>
where
    T: GrpcService<
            Body,
            ResponseBody: HttpBody<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
        >,
    T::Error: Into<StdError>,
{
    TaskServiceClient::new(transport).max_decoding_message_size(MAX_RESPONSE_BYTES)
}
