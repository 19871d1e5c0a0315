//! Runs the async part of a program.

use std::{
    future::Future,
    io::{self, Write as _},
    thread,
};

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
pub fn run(options: ProcessOptions, program: impl Future<Output = u8>) -> u8 {
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

/// Ends the process with this exit code, whatever its threads do.
///
/// Nothing runs any more that a library has registered for the end of the process. OpenSSL, which libpq
/// uses for TLS and for passwords, frees there what it has, and a thread that is connecting to the
/// database at that moment would crash the process.
pub fn exit(code: u8) -> ! {
    // If it can't be written, nothing can be reported.
    let _unwritten = io::stdout().flush();
    signal_hook::low_level::exit(code.into())
}
