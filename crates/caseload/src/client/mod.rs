//! Commands that call a server over gRPC: `caseload tasks`, `caseload admin import`.

mod api_key;
mod connection;
mod document;
mod error;
mod exit_code;
mod import;
mod output;
mod refusal;
mod retry;
mod stderr;
mod tasks;
mod tls;
mod tls_failure;

use crate::cli::{ClientOptions, DirectoryImportOptions, TasksCommand, TasksOptions};
use connection::Client;
use error::ClientError;
use output::Output;

/// Runs `caseload tasks`. Returns the exit code.
pub(crate) async fn tasks(options: TasksOptions) -> u8 {
    report(run_tasks(options).await)
}

/// Runs `caseload admin import`. Returns the exit code.
pub(crate) async fn import_directory(
    client: &ClientOptions,
    options: DirectoryImportOptions,
    json: bool,
) -> u8 {
    let outcome = async {
        let client = Client::open(client)?;
        import::directory(client, options, Output::new(json).go_on_unread()).await
    };
    report(outcome.await)
}

async fn run_tasks(options: TasksOptions) -> Result<u8, ClientError> {
    let TasksOptions { client, json, command } = options;
    let client = Client::open(&client)?;
    let mut output = Output::new(json);
    if !matches!(command, TasksCommand::List(_) | TasksCommand::Get(_)) {
        output = output.go_on_unread();
    }
    match command {
        TasksCommand::List(options) => tasks::list(&client, options, &mut output).await?,
        TasksCommand::Get(tasks) => tasks::get(&client, tasks, &mut output).await?,
        TasksCommand::Create(options) => tasks::create(&client, options, &mut output).await?,
        TasksCommand::Complete(tasks) => tasks::complete(&client, tasks, true, &mut output).await?,
        TasksCommand::Reopen(tasks) => tasks::complete(&client, tasks, false, &mut output).await?,
        TasksCommand::Assign(options) => tasks::assign(&client, options, &mut output).await?,
        TasksCommand::Delete(tasks) => tasks::delete(&client, tasks, &mut output).await?,
        TasksCommand::Import(options) => return import::tasks(client, options, output).await,
    }
    Ok(runtime::command_line::SUCCESS)
}

/// Prints why a command failed, if it did. Returns the exit code.
fn report(outcome: Result<u8, ClientError>) -> u8 {
    outcome.unwrap_or_else(|error| {
        error.print();
        error.exit_code()
    })
}
