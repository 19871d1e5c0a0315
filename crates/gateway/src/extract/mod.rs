//! What handlers take from a request, as typed extractors.
//!
//! An extractor that fails returns a [`Rejection`]. Handlers list their extractors in the order of
//! the checks: path, headers, body.

mod base_url;
mod body_id;
mod body_memory;
mod call_options;
mod case_id;
mod case_list_options;
mod deadline;
mod forwarded;
mod forwarded_host;
mod header;
mod if_match;
mod ignored_body;
mod integer;
mod item_count;
mod json_body;
mod json_error;
mod key_in_path;
mod list_options;
mod no_parameters;
mod nullable;
mod object;
mod page_options;
mod path;
mod query;
mod rejection;
mod task_id;
mod validate_only;

pub(crate) use base_url::BaseUrl;
pub(crate) use body_id::BodyId;
pub(crate) use body_memory::BodyMemory;
pub(crate) use call_options::CallOptions;
#[cfg(feature = "fuzzing")]
pub(crate) use call_options::idempotency_key;
pub(crate) use case_id::CaseId;
pub(crate) use case_list_options::CaseListOptions;
pub(crate) use deadline::{MaxTimeout, timeout};
pub(crate) use if_match::{IfMatch, NoIfMatch};
pub(crate) use ignored_body::IgnoredBody;
pub(crate) use integer::Integer;
pub(crate) use json_body::{JsonBody, RequestBody};
pub(crate) use json_error::{JsonError, ShapeError};
pub(crate) use key_in_path::KeyInPath;
pub(crate) use list_options::{ASSIGNEE_EMAIL, ListOptions};
pub(crate) use no_parameters::NoParameters;
pub(crate) use nullable::null_as_default;
pub(crate) use object::Object;
pub(crate) use page_options::PageOptions;
pub(crate) use query::QueryError;
pub(crate) use rejection::Rejection;
pub(crate) use task_id::TaskId;
pub(crate) use validate_only::ValidateOnly;
