//! `caseload health`: reports by the exit code whether a server is ready.

use runtime::{
    address::reachable,
    command_line::{FAILURE, SUCCESS, fail},
};
use tls::Probe;

use crate::cli::HealthOptions;

pub(crate) async fn run(options: &HealthOptions) -> u8 {
    let probe = match Probe::of(&options.tls, true) {
        Ok(probe) => probe,
        Err(error) => return fail(&error),
    };
    if server::is_serving(options.grpc_addr, probe.as_ref()).await {
        return SUCCESS;
    }
    match probe {
        Some(probe) if probe.is_refused(reachable(options.grpc_addr)).await => SUCCESS,
        _ => FAILURE,
    }
}
