//! `caseload serve`: runs the gRPC server until a signal ends it.

use runtime::{CancellationToken, shutdown};
use server::Server;
use serving::ListenerTls;

use crate::{cli::ServeOptions, failure::Failure};

pub(crate) async fn run(options: Box<ServeOptions>) -> Result<(), Failure> {
    let ServeOptions { database, server, connections, drain } = *options;
    let stop = CancellationToken::new();
    shutdown::on_signal(stop.clone(), telemetry::logs::flush)?;
    let tls = ListenerTls::start(&connections.tls)?;
    let has_tls = tls.is_some();
    if has_tls {
        tls::reload_on_hangup()?;
    }
    let server = Server::bind(server, &database.database_url).await?.with_tls(tls);
    let (addr, database) = (server.local_addr(), database.database_url);
    tracing::info!(%addr, has_tls, %database, "serving gRPC");
    Ok(server.run(connections, drain, stop).await?)
}
