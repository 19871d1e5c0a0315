//! How Caseload's processes start and stop: command lines, threads, open files, signals, shutdown.

pub mod address;
pub mod command_line;
pub mod open_files;
pub mod process;
pub mod shutdown;

/// Asks the parts of a process to stop.
pub use tokio_util::sync::CancellationToken;
