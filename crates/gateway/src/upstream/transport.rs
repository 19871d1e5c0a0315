//! What calls are made over.

use hyper::body::{Body as HttpBody, Bytes};
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
