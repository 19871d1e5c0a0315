//! Runs the async part of a program.

use std::{future::Future, process::ExitCode, thread};

use clap::Args;
use tokio::runtime::Builder;

use crate::{command_line::count, open_files};

/// How many resources of the machine a process uses.
#[derive(Args, Clone, Copy, Debug)]
pub struct ProcessOptions {
    /// The number of threads for network I/O, apart from the writer threads [default: half of the
    /// processors that the process may use, at least 1]
    #[arg(long, env = "CASELOAD_THREADS", value_parser = count(1_usize..=1024), value_name = "COUNT", global = true)]
    pub threads: Option<usize>,
}

impl ProcessOptions {
    fn threads(self) -> usize {
        let half = || thread::available_parallelism().map_or(1, |all| all.get() / 2).max(1);
        self.threads.unwrap_or_else(half)
    }
}

/// Runs a program on a new Tokio runtime and returns its exit code. Raises the limit of open files
/// before.
///
/// Doesn't wait for threads that still block when the program has completed: a query to a database
/// that has stopped responding may block for minutes.
pub fn run(options: ProcessOptions, program: impl Future<Output = ExitCode>) -> ExitCode {
    open_files::raise_limit();
    let mut builder = match options.threads() {
        // With one thread, this scheduler saves the cost of waking threads.
        1 => Builder::new_current_thread(),
        threads => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return crate::command_line::fail(&error),
    };
    let code = runtime.block_on(program);
    runtime.shutdown_background();
    code
}
