//! A process's life around its async part.

use std::{future::Future, process::ExitCode};

/// Runs a program on a runtime of its own, and ends when it does.
///
/// It waits for no thread that still blocks: one that asks a database which has stopped answering
/// may do so for minutes.
pub fn run(program: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return crate::command_line::fail(&error),
    };
    let code = runtime.block_on(program);
    runtime.shutdown_background();
    code
}
