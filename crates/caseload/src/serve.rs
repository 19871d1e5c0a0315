//! `caseload serve`: runs the gRPC server until a signal ends it.

use runtime::{CancellationToken, shutdown};
use server::Server;

use crate::{cli::ServeOptions, failure::Failure};

pub(crate) async fn run(options: Box<ServeOptions>) -> Result<(), Failure> {
    let ServeOptions { database, server, connections, drain } = *options;
    let stop = CancellationToken::new();
    shutdown::on_signal(stop.clone(), telemetry::logs::flush)?;
    let server = Server::bind(server, &database.database_url).await?;
    tracing::info!(addr = %server.local_addr(), database = %database.database_url, "serving gRPC");
    Ok(server.run(connections, drain, stop).await?)
}
