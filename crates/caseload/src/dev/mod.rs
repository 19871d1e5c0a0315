//! `caseload dev`: server, gateway, Postgres and demo data in one process.

mod api_key;
mod data_dir;
mod postgres;
mod ready;
mod welcome;

use std::{net::SocketAddr, path::Path, time::Duration};

use gateway::{Gateway, Upstream};
use runtime::{
    CancellationToken,
    address::reachable,
    shutdown::{self, DrainOptions},
};
use server::{Server, StartError};
use serving::{AdminPort, ConnectionOptions, ListenerTls, TlsOptions};
use store::DatabaseUrl;
use telemetry::{Admin, Traces, metrics::Metrics};
use tls::Probe;
use tokio::{task::JoinError, time::sleep};

use crate::{admin, cli::DevOptions, demo, failure::Failure};
use postgres::Postgres;
use ready::{Ready, ReadyFile};

/// How long to wait between two checks of readiness.
const READY_INTERVAL: Duration = Duration::from_millis(20);

pub(crate) async fn run(options: Box<DevOptions>) -> Result<(), Failure> {
    let stop = CancellationToken::new();
    shutdown::on_signal(stop.clone(), telemetry::logs::flush)?;
    let tls = ListenerTls::start(&options.connections.tls)?;
    let data_dir = data_dir::choose(options.data_dir.clone())?;
    // Without the lock another process uses the directory, and the ready file may be that one's.
    let lock = data_dir::try_lock(&data_dir)?;
    if let (Some(_), Some(path)) = (&lock, &options.ready_file) {
        ready::clear(path)?;
    }
    match options.database_url.clone() {
        Some(url) => run_on(&url, &data_dir, *options, tls, stop).await,
        None => {
            let postgres = Postgres::start(data_dir.join("postgres")).await?;
            let url = postgres.url().parse()?;
            let outcome = run_on(&url, &data_dir, *options, tls, stop).await;
            postgres.stop().await?;
            outcome
        }
    }
}

/// Prepares the database, serves until the token is cancelled, and drains.
async fn run_on(
    url: &DatabaseUrl,
    data_dir: &Path,
    options: DevOptions,
    tls: Option<ListenerTls>,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let database = admin::open(url);
    database.migrate().await?;
    let demo = demo::ensure(&database).await?;
    let key = api_key::load_or_create(data_dir)?;
    demo::ensure_key(&database, demo.tenant, &key).await?;
    drop(database);

    let scheme = if tls.is_some() { "https" } else { "http" };
    let url_of = |addr| format!("{scheme}://{}", reachable(addr));
    let version = env!("CARGO_PKG_VERSION");
    let metrics = Metrics::new("caseload", version);
    // Each part has its own spans, as if they were programs.
    let [of_server, of_gateway] =
        Traces::start_all(["caseload-server", "caseload-gateway"], version, &metrics)?;
    let admin_port = AdminPort::bind(options.admin)?;
    let server = Server::bind(options.server, url, &metrics)?;
    let server = server.with_tls(tls.clone()).with_tracer(of_server.tracer());
    let grpc_addr = server.local_addr();
    let upstream = url_of(grpc_addr).parse::<Upstream>()?.secured(&options.gateway.upstream_tls)?;
    let gateway = Gateway::bind(&options.gateway, &upstream, &metrics)?;
    let gateway = gateway.with_tls(tls).with_tracer(of_gateway.tracer());
    let http_addr = gateway.local_addr();
    let admin =
        Admin::new(&metrics).ready_if(server.readiness()).ready_if(gateway.readiness(&stop));
    let admin_addr = admin_port.as_ref().map(AdminPort::local_addr);

    let listener = options.connections.tls.clone();
    let announce = async {
        await_ready(grpc_addr, http_addr, &listener).await?;
        let ready = Ready {
            rest_url: url_of(http_addr),
            grpc_url: url_of(grpc_addr),
            database_url: url.expose().to_owned(),
            api_key: key.expose().to_owned(),
            case_id: demo.case_id.get(),
            admin_url: admin_addr.map(|addr| format!("http://{}", reachable(addr))),
        };
        welcome::print(&ready, url, options.gateway.docs);
        let file = options.ready_file.as_deref().map(|path| ReadyFile::write(path, &ready));
        file.transpose()
    };
    let serving = serve(server, gateway, options.connections, options.drain, announce, stop);
    let outcome = match admin_port {
        Some(port) => port.serve_during(serving, admin, metrics.listener("admin")).await,
        None => serving.await,
    };
    tokio::join!(of_server.end(), of_gateway.end());
    outcome
}

/// Runs server and gateway. The gateway drains first: its last requests need the server.
async fn serve(
    server: Server,
    gateway: Gateway,
    connections: ConnectionOptions,
    drain: DrainOptions,
    announce: impl Future<Output = Result<Option<ReadyFile>, Failure>>,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let server_stop = CancellationToken::new();
    let mut server = tokio::spawn(server.run(connections.clone(), drain, server_stop.clone()));
    let mut gateway = tokio::spawn(gateway.run(connections, drain, stop.clone()));

    // Checked in this order: a part that ends after the signal has not failed.
    let announced = tokio::select! {
        biased;
        () = stop.cancelled() => Ok(None),
        file = announce => file,
        ended = &mut server => Err(early_end("server", ended)),
        ended = &mut gateway => Err(early_end("gateway", ended.map(Ok))),
    };
    let outcome = match announced {
        Ok(file) => {
            let outcome = tokio::select! {
                biased;
                () = stop.cancelled() => Ok(()),
                ended = &mut server => Err(early_end("server", ended)),
                ended = &mut gateway => Err(early_end("gateway", ended.map(Ok))),
            };
            drop(file);
            outcome
        }
        Err(error) => Err(error),
    };
    stop.cancel();
    if !gateway.is_finished() {
        gateway.await?;
    }
    server_stop.cancel();
    if !server.is_finished() {
        server.await??;
    }
    outcome
}

/// Returns the failure of a part that ended without a signal.
fn early_end(part: &str, ended: Result<Result<(), StartError>, JoinError>) -> Failure {
    match ended {
        Ok(Ok(())) => format!("the {part} ended by itself").into(),
        Ok(Err(error)) => error.into(),
        Err(panic) => panic.into(),
    }
}

/// Blocks until the server is ready, and the gateway reports that it can reach the server.
async fn await_ready(
    grpc_addr: SocketAddr,
    http_addr: SocketAddr,
    tls: &TlsOptions,
) -> Result<(), Failure> {
    let (of_server, of_gateway) = (Probe::of(tls, true)?, Probe::of(tls, false)?);
    if let Some(probe) = &of_server
        && probe.is_refused(grpc_addr).await
    {
        return Err("the certificate of --tls-cert is not accepted as that of a client: see \
                    --tls-client-ca"
            .into());
    }
    while !server::is_serving(grpc_addr, of_server.as_ref()).await {
        sleep(READY_INTERVAL).await;
    }
    while !matches!(gateway::check(http_addr, of_gateway.as_ref()).await, Ok(true)) {
        sleep(READY_INTERVAL).await;
    }
    Ok(())
}
