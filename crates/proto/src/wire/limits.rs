//! Limits that both sides of the wire state or rely on.

/// The most tasks that a request may be about.
pub const BATCH_TASKS: usize = 25;

/// The most emails of a task's assignees in a request.
pub const ASSIGNEES: usize = 50;

/// The longest email, in bytes.
pub const EMAIL_BYTES: usize = 254;

/// The longest description of a task, in Unicode scalar values.
pub const TASK_DESCRIPTION_CHARS: usize = 10_000;

/// The longest name of a case, in Unicode scalar values.
pub const CASE_NAME_CHARS: usize = 200;

/// The longest description of a case, in Unicode scalar values.
pub const CASE_DESCRIPTION_CHARS: usize = 10_000;

/// The greatest integer up to which JSON numbers are exact for everybody who reads them (RFC 8259, 6). The
/// ids of tasks and cases stay below.
pub const EXACT_INTEGER: i64 = (1 << 53) - 1;

/// The greatest id of a team.
pub const TEAM_ID: i64 = EXACT_INTEGER;

/// The most items of a page over REST.
pub const PAGE_ITEMS: u8 = 50;

/// The number of items of a page whose size is not given.
pub const DEFAULT_PAGE_ITEMS: u8 = 20;

/// The longest request id that is used as it is, in bytes.
pub const REQUEST_ID_BYTES: usize = 128;

/// The longest idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_BYTES: usize = 255;

/// The largest request body that the gateway reads, in bytes.
pub const BODY_BYTES: usize = 1024 * 1024;

/// The largest message that the server reads, in bytes. A batch that reaches every limit has 1.3 MiB.
pub const MESSAGE_BYTES: usize = 2 * 1024 * 1024;

/// The most items that the lists of a request may have in all, those of nested lists included. It is
/// far above what any valid request has, so that the violation of a documented limit is reported as
/// such. It bounds the memory of a message, whose items may take a few bytes on the wire, and dozens
/// in memory.
pub const LIST_ITEMS: usize = 10_000;

/// The largest head of a request that the gateway reads, in bytes.
pub const GATEWAY_HEAD_BYTES: u32 = 16 * 1024;

/// The largest head of a request that the server reads, in bytes: twice that of the gateway, which
/// adds headers and lengthens names.
pub const SERVER_HEAD_BYTES: u32 = 2 * GATEWAY_HEAD_BYTES;

/// The most calls on one connection to the server, and the most that the server takes at once of calls
/// that were reset before it began them.
pub const CALLS_PER_CONNECTION: u32 = 4096;

/// The most metadata of a status, in bytes as HTTP/2 counts them (name, value and 32 for each
/// header), for callers that don't ask for more: what gRPC's libraries take by default.
pub const STATUS_BYTES: usize = 8 * 1024;

/// The most metadata of a status that a caller may ask for, in bytes. It fits 1,250 violations: 25
/// tasks with 50 invalid emails each.
pub const MAX_STATUS_BYTES: usize = 1024 * 1024;
