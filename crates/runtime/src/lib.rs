//! How Caseload's processes start and end: command lines, threads, open files, signals, shutdown.

pub mod address;
pub mod command_line;
pub mod open_files;
pub mod process;
pub mod shutdown;

/// Asks the parts of a process to end.
pub use tokio_util::sync::CancellationToken;
