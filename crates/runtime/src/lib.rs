//! What Caseload's processes share: command lines, logs, request ids, connections, and
//! the way they end.

pub mod address;
pub mod command_line;
pub mod logs;
pub mod open_files;
pub mod process;
pub mod request_id;
pub mod request_log;
pub mod serving;
pub mod shutdown;
mod throttle;

/// What tells the parts of a process to end.
pub use tokio_util::sync::CancellationToken;
