//! What both sides of the wire must agree on beyond the messages: reasons, headers, limits, and
//! what each method does.

pub mod header;
pub mod limits;
mod method;
mod reason;
mod sent_at;
mod written;

pub use method::{Access, METHODS, access, creates_tasks, is_of_directory};
pub use reason::{FieldReason, Reason, http_status};
pub use sent_at::{MalformedSentAt, SentAt};
pub use written::written;

/// The domain of the reasons: `google.rpc.ErrorInfo.domain`. Statuses without it were not written
/// by the server.
pub const ERROR_DOMAIN: &str = "caseload";

/// The key in `google.rpc.ErrorInfo.metadata` under which a status says how many field violations
/// there are in all. A status that would be too large lists the first ones only.
pub const VIOLATION_COUNT: &str = "violation_count";

/// The key in `google.rpc.ErrorInfo.metadata` under which a status names the scope that the
/// caller's API key lacks, or the scopes, with spaces between them, of which it needs one.
pub const MISSING_SCOPE: &str = "scope";
