//! A process's life around its async part.

use std::{future::Future, num::NonZeroUsize, process::ExitCode, thread};

use clap::Args;
use tokio::runtime::Builder;

use crate::open_files;

/// What a process takes of its machine.
#[derive(Args, Clone, Copy, Debug)]
pub struct ProcessOptions {
    /// Threads for the network; those that write are apart [default: half of the processors that
    /// the process may use, at least 1]
    #[arg(long, env = "CASELOAD_THREADS", value_name = "COUNT", global = true)]
    pub threads: Option<NonZeroUsize>,
}

impl ProcessOptions {
    fn threads(self) -> usize {
        let half = || thread::available_parallelism().map_or(1, |all| all.get() / 2).max(1);
        self.threads.map_or_else(half, NonZeroUsize::get)
    }
}

/// Runs a program on a runtime of its own, and ends when it does.
///
/// It may open as many files as the system lets it: each connection is one.
///
/// It waits for no thread that still blocks: one that asks a database which has stopped answering
/// may do so for minutes.
pub fn run(options: ProcessOptions, program: impl Future<Output = ExitCode>) -> ExitCode {
    open_files::raise_limit();
    let mut builder = match options.threads() {
        // Without others to share with, the work needs no waking of threads.
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
