//! The rules of tasks, cases, users and keys, without any I/O.
//!
//! Input is parsed, not validated: a [`TaskBatch`], an [`Email`] or a [`CaseId`] that exists is
//! valid, so no other crate checks it again. Invalid input is reported as a list of
//! [`Violation`]s, each with the path of its field. Why a call failed is an [`Error`], which knows
//! neither gRPC nor HTTP.

mod actor;
mod api_key;
mod audit;
mod batch;
mod case;
mod case_key;
mod case_list;
mod case_update;
mod case_upsert;
mod change_token;
mod choice;
mod description;
mod directory_case_list;
mod directory_page;
mod email;
mod error;
mod etag;
mod event_list;
mod external_id;
mod hex;
mod host_name;
mod idempotency;
mod ids;
mod networks;
mod new_case;
mod new_task;
mod page_token;
mod person_name;
mod principal;
mod scope;
mod task;
mod task_event;
mod task_filter;
mod task_ids;
mod task_key;
mod task_list;
mod task_update;
mod tenant;
mod text;
mod time;
mod user;
mod user_key;
mod user_list;
mod user_upsert;
mod violation;

pub use actor::Actor;
pub use api_key::{ApiKey, KeyDigest, MalformedDigest, MalformedKey};
pub use audit::{
    Agent, Anchor, AuditDetails, AuditEntry, AuditEvent, AuditFault, AuditRecord, CallAgent,
    ChainHash, ChainVerifier, MalformedAnchor, NewAuditEntry,
};
pub use batch::TaskBatch;
pub use case::{
    Case, CaseDescription, CaseFields, CaseName, CaseStatus, CreatedCase, DirectoryCase, Priority,
};
pub use case_key::{CaseKey, CaseKeyDraft};
pub use case_list::{CaseFilter, CaseListDraft, CasePage, CaseQuery};
pub use case_update::{CaseUpdate, CaseUpdateDraft};
pub use case_upsert::{CaseUpsert, CaseUpsertDraft, CaseUpserts};
pub use change_token::ChangeToken;
pub use choice::Choice;
pub use description::Description;
pub use directory_case_list::{
    DirectoryCaseFilter, DirectoryCaseListDraft, DirectoryCasePage, DirectoryCaseQuery,
    DirectoryCaseStart,
};
pub use directory_page::DirectoryPageSize;
pub use email::Email;
pub use error::{AuthError, Cause, Effect, Error, Quota, Resource};
pub use etag::{Etag, Precondition};
pub use event_list::{EventListDraft, EventPage, EventQuery};
pub use external_id::ExternalId;
pub use host_name::{HostName, MalformedHostName};
pub use idempotency::{Fingerprint, FingerprintVersion, IdempotencyKey, Idempotent, Operation};
pub use ids::{CaseId, EventId, KeyId, TaskId, TeamId, TenantId, UserId};
pub use networks::{MalformedNetwork, Network, Networks};
pub use new_case::NewCase;
pub use new_task::{Assignment, NewTask, TaskDraft};
pub use page_token::{ListFilter, PageToken};
pub use person_name::PersonName;
pub use principal::Principal;
pub use scope::{Scope, Scopes, UnknownScope};
pub use task::{CreatedTasks, IdempotencyRecord, Task};
pub use task_event::{Assignees, TaskChange, TaskEvent};
pub use task_filter::{TaskFilter, TaskScope};
pub use task_ids::TaskIds;
pub use task_key::TaskKey;
pub use task_list::{ListDraft, TaskPage, TaskQuery};
pub use task_update::{TaskUpdate, TaskUpdates, UpdateDraft};
pub use tenant::Tenant;
pub use time::Time;
pub use user::{Change, DirectoryUser, User};
pub use user_key::{UserKey, UserKeyDraft};
pub use user_list::{UserFilter, UserListDraft, UserPage, UserQuery};
pub use user_upsert::{UserUpsert, UserUpsertDraft, UserUpserts};
pub use violation::{FieldPath, Reason, Rule, Violation, Violations};
