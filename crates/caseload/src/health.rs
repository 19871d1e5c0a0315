//! `caseload health`: reports by the exit code whether a server is ready.

use runtime::command_line::{FAILURE, SUCCESS};

use crate::cli::HealthOptions;

pub(crate) async fn run(options: &HealthOptions) -> u8 {
    if server::is_serving(options.grpc_addr).await { SUCCESS } else { FAILURE }
}
