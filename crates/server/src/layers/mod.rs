//! What happens to a request before tonic decodes it, and to a response after tonic encoded it.

mod admission;
mod call_context;
mod deadline;
mod diagnostics;
mod error_info;
mod framing;
mod json_size;
mod message;
mod reception;
mod transit;

pub(crate) use admission::Admission;
pub(crate) use call_context::{CallContext, ResponseBytes};
pub(crate) use deadline::{CallDeadline, DeadlineLayer, grpc_timeout};
pub(crate) use diagnostics::Diagnostics;
pub(crate) use error_info::attach_error_info;
pub(crate) use framing::{Framing, framed, message_of};
pub(crate) use reception::{ReceptionLayer, ReceptionParts};
pub(crate) use transit::Transits;
