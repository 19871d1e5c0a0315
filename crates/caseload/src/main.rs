//! `caseload`: serve, develop, migrate, administer.

mod admin;
mod cli;
mod client;
mod demo;
#[cfg(feature = "dev")]
mod dev;
mod failure;
mod health;
mod migrate;
mod printable;
mod serve;

use std::error::Error;

use cli::{AdminCommand, Cli, Command, ImportCommand};
use runtime::{command_line, process};
use serving::TlsError;
use telemetry::logs;

fn main() {
    let code = match command_line::parse() {
        Ok(cli) => start(cli),
        Err(code) => code,
    };
    process::exit(code)
}

/// Runs the program, and returns its exit code.
fn start(cli: Cli) -> u8 {
    if let Err(message) = cli.check() {
        return command_line::reject::<Cli>(&message);
    }
    // Dropped last: what is logged until then is flushed.
    let _logs = match logs::start(&cli.log) {
        Ok(logs) => logs,
        Err(error) => return command_line::fail(&error),
    };
    process::run(cli.process, run(cli))
}

async fn run(cli: Cli) -> u8 {
    let outcome = match cli.command {
        Command::Serve(options) => serve::run(options).await,
        #[cfg(feature = "dev")]
        Command::Dev(options) => dev::run(options).await,
        Command::Migrate(options) => migrate::run(options).await,
        Command::Admin(options) => match options.command {
            AdminCommand::Import(ImportCommand { client, options: file }) => {
                return client::import_directory(&client, file, options.json).await;
            }
            AdminCommand::OnDatabase(command) => {
                admin::run(options.database_url.as_ref(), options.json, command).await
            }
        },
        Command::Tasks(options) => return client::tasks(*options).await,
        Command::Health(options) => return health::run(&options).await,
    };
    match outcome {
        Ok(()) => command_line::SUCCESS,
        Err(error) => {
            // The reason for the end comes last.
            logs::flush();
            if is_misconfiguration(&*error) {
                command_line::misconfigured(&*error)
            } else {
                command_line::fail(&*error)
            }
        }
    }
}

/// Whether somebody has to change what the program is configured with.
fn is_misconfiguration(error: &(dyn Error + 'static)) -> bool {
    error.is::<TlsError>()
        || error.downcast_ref().is_some_and(telemetry::TracesError::is_misconfiguration)
}
