//! `caseload`: serve, develop, migrate, administer.

mod admin;
mod cli;
mod demo;
#[cfg(feature = "dev")]
mod dev;
mod failure;
mod health;
mod migrate;
mod serve;

use std::process::ExitCode;

use cli::{Cli, Command};
use runtime::{command_line, process};
use telemetry::logs;

fn main() -> ExitCode {
    let cli: Cli = match command_line::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    // Dropped last: what is logged until then is flushed.
    let _logs = match logs::start(&cli.log) {
        Ok(logs) => logs,
        Err(error) => return command_line::fail(&error),
    };
    process::run(cli.process, run(cli))
}

async fn run(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Command::Serve(options) => serve::run(options).await,
        #[cfg(feature = "dev")]
        Command::Dev(options) => dev::run(options).await,
        Command::Migrate(options) => migrate::run(options).await,
        Command::Admin(options) => admin::run(options).await,
        Command::Health(options) => return health::run(&options).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The reason for the end comes last.
            logs::flush();
            command_line::fail(&*error)
        }
    }
}
