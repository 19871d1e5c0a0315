//! What handlers take from a request, as typed extractors.
//!
//! An extractor that fails returns a [`Rejection`]. Handlers list their extractors in the order of
//! the checks: path, headers, body.

mod body_memory;
mod call_options;
mod case_id;
mod deadline;
mod forwarded;
mod header;
mod item_count;
mod json_body;
mod json_error;
mod object;
mod path;
mod rejection;
pub(crate) mod unread_body;

pub(crate) use body_memory::BodyMemory;
pub(crate) use call_options::CallOptions;
#[cfg(feature = "fuzzing")]
pub(crate) use call_options::idempotency_key;
pub(crate) use case_id::CaseId;
pub(crate) use deadline::{MaxTimeout, timeout};
pub(crate) use json_body::{JsonBody, RequestBody};
pub(crate) use json_error::{JsonError, ShapeError};
pub(crate) use object::Object;
pub(crate) use rejection::Rejection;
