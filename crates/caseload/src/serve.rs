//! `caseload serve`: runs the gRPC server until a signal ends it.

use runtime::{CancellationToken, shutdown};
use server::Server;
use serving::{AdminPort, ListenerTls};
use telemetry::{Admin, Traces, metrics::Metrics};

use crate::{cli::ServeOptions, failure::Failure};

pub(crate) async fn run(options: Box<ServeOptions>) -> Result<(), Failure> {
    let ServeOptions { database, server, connections, admin, drain } = *options;
    let stop = CancellationToken::new();
    shutdown::on_signal(stop.clone(), telemetry::logs::flush)?;
    let tls = ListenerTls::start(&connections.tls)?;
    let has_tls = tls.is_some();
    if has_tls {
        tls::reload_on_hangup()?;
    }
    let version = env!("CARGO_PKG_VERSION");
    let metrics = Metrics::new("caseload", version);
    let traces = Traces::start("caseload-server", version, &metrics)?;
    let admin_port = AdminPort::bind(admin)?;
    let server = Server::bind(server, &database.database_url, &metrics)?;
    let server = server.with_tls(tls).with_tracer(traces.tracer());
    let (addr, database) = (server.local_addr(), database.database_url);
    tracing::info!(%addr, has_tls, %database, "serving gRPC");
    let admin = Admin::new(&metrics).ready_if(server.readiness());
    let running = server.run(connections, drain, stop);
    let outcome = match admin_port {
        Some(port) => port.serve_during(running, admin, metrics.listener("admin")).await,
        None => running.await,
    };
    // Also if serving has failed: the last spans say what was done until then.
    traces.end().await;
    Ok(outcome?)
}
