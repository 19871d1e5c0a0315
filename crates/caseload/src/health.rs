//! `caseload health`: reports by the exit code whether a server is ready.

use std::process::ExitCode;

use crate::cli::HealthOptions;

pub(crate) async fn run(options: &HealthOptions) -> ExitCode {
    if server::is_serving(options.grpc_addr).await { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
