//! What happens to a request before tonic decodes it, and to a response after tonic encoded it.

mod admission;
mod call_headers;
mod deadline;
mod error_info;

pub(crate) use admission::AdmissionLayer;
pub(crate) use call_headers::{CallHeaders, read_call_headers};
pub(crate) use deadline::DeadlineLayer;
#[cfg(feature = "fuzzing")]
pub(crate) use deadline::grpc_timeout;
pub(crate) use error_info::attach_error_info;
