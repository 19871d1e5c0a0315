//! `caseload`: serve, develop, migrate, administer.

mod admin;
mod cli;
mod demo;
mod dev;
mod health;
mod migrate;
mod serve;

use std::{error::Error, process::ExitCode};

use cli::{Cli, Command};
use runtime::{command_line, process};
use telemetry::logs;

/// Why a command failed. Each command tells it in one line and ends with exit code 1.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let cli: Cli = match command_line::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    logs::start(&cli.log);
    process::run(cli.process, run(cli))
}

async fn run(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Command::Serve(options) => serve::run(options).await,
        Command::Dev(options) => dev::run(options).await,
        Command::Migrate(options) => migrate::run(options).await,
        Command::Admin(options) => admin::run(options).await,
        Command::Health(options) => return health::run(&options).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => command_line::fail(&*error),
    }
}
