//! What Caseload knows about tasks, cases, users and keys, without any I/O.
//!
//! Input is parsed, not validated: a [`TaskBatch`], an [`Email`] or a [`CaseId`] that exists is
//! legal, so nothing behind this crate checks again. What is wrong with an input is a list of
//! [`Fault`]s, each with its place; why a call was refused is an [`Error`], which knows neither
//! gRPC nor HTTP.

mod api_key;
mod batch;
mod description;
mod email;
mod error;
mod fault;
mod id;
mod principal;
mod request_id;
mod task;

pub use api_key::{ApiKey, KeyDigest, MalformedKey};
pub use batch::{Assignment, NewTask, TaskBatch, TaskDraft};
pub use description::Description;
pub use email::Email;
pub use error::{AuthFault, Cause, Error, Resource, Share};
pub use fault::{Fault, Faults, Place, Reason};
pub use id::{CaseId, KeyId, TaskId, TenantId, UserId};
pub use principal::{Principal, Scope, Scopes, UnknownScope};
pub use request_id::{Fingerprint, RequestId};
pub use task::{Created, Task, User};
