//! `caseload-gateway`: Caseload's REST API.

use std::error::Error;

use caseload_gateway::{Gateway, GatewayOptions, Upstream, check};
use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use runtime::{
    CancellationToken, command_line,
    process::{self, ProcessOptions},
    shutdown::DrainOptions,
};
use serving::{AdminPort, AdminPortOptions, ConnectionOptions, ListenerTls, TlsError};
use telemetry::{
    Admin, Traces,
    logs::{self, LogOptions},
    metrics::Metrics,
};
use tls::Probe;

/// It gives memory back to the system soon after it was freed. glibc's allocator keeps what it once had: after an
/// outage in which thousands of requests waited at once, a gateway would have several times its usual memory until it
/// is started again.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Caseload's REST API: translates the documented JSON into gRPC calls.
///
/// It is stateless and holds no credentials: run as many as you like, at the edge, each pointed at
/// the gRPC servers (or at the balancer before them). GET /livez reports whether it runs, GET
/// /readyz whether a server behind it serves. On SIGTERM, running requests are completed first.
#[derive(Parser)]
#[command(name = "caseload-gateway", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    /// Address of a gRPC server, with https:// for TLS. Repeat it, or separate several by commas: calls
    /// go in turn to those that serve
    #[arg(
        long,
        env = "CASELOAD_UPSTREAM",
        default_value = "http://127.0.0.1:50051",
        value_name = "URL"
    )]
    upstream: Vec<Upstream>,

    #[command(flatten)]
    gateway: GatewayOptions,

    #[command(flatten)]
    connections: ConnectionOptions,

    #[command(flatten)]
    admin: AdminPortOptions,

    #[command(flatten)]
    drain: DrainOptions,

    #[command(flatten)]
    process: ProcessOptions,

    #[command(flatten)]
    log: LogOptions,
}

#[derive(Subcommand)]
enum Command {
    /// Check whether the gateway at --http-addr is ready: exit code 0 if it is, 1 if not
    Health,
}

fn main() {
    let code = match command_line::parse() {
        Ok(cli) => start(cli),
        Err(code) => code,
    };
    process::exit(code)
}

/// Runs the program, and returns its exit code.
fn start(cli: Cli) -> u8 {
    let upstream: Upstream = cli.upstream.iter().cloned().collect();
    let checked = cli.gateway.check(&cli.connections);
    if let Err(message) = checked.and_then(|()| cli.gateway.upstream_tls.check(upstream.has_tls()))
    {
        return command_line::reject::<Cli>(&message);
    }
    // Dropped last: what is logged until then is flushed.
    let _logs = match logs::start(&cli.log) {
        Ok(logs) => logs,
        Err(error) => return command_line::fail(&error),
    };
    process::run(cli.process, run(cli, upstream))
}

async fn run(cli: Cli, upstream: Upstream) -> u8 {
    let outcome = match cli.command {
        None => serve(&cli, upstream).await,
        Some(Command::Health) => return health(&cli).await,
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

async fn serve(cli: &Cli, upstream: Upstream) -> Result<(), Box<dyn Error>> {
    let shutdown = CancellationToken::new();
    runtime::shutdown::on_signal(shutdown.clone(), logs::flush)?;
    let tls = ListenerTls::start(&cli.connections.tls)?;
    let upstream = upstream.secured(&cli.gateway.upstream_tls)?;
    if tls.is_some() || upstream.has_tls() {
        tls::reload_on_hangup()?;
    }
    let has_tls = tls.is_some();
    let version = env!("CARGO_PKG_VERSION");
    let metrics = Metrics::new("caseload-gateway", version);
    let traces = Traces::start("caseload-gateway", version, &metrics)?;
    let admin_port = AdminPort::bind(cli.admin)?;
    let gateway = Gateway::bind(&cli.gateway, &upstream, &metrics)?;
    let gateway = gateway.with_tls(tls).with_tracer(traces.tracer());
    tracing::info!(addr = %gateway.local_addr(), has_tls, %upstream, "serving REST");
    let admin = Admin::new(&metrics).ready_if(gateway.readiness(&shutdown));
    let running = gateway.run(cli.connections.clone(), cli.drain, shutdown);
    match admin_port {
        Some(port) => port.serve_during(running, admin, metrics.listener("admin")).await,
        None => running.await,
    }
    traces.end().await;
    Ok(())
}

async fn health(cli: &Cli) -> u8 {
    let probe = match Probe::of(&cli.connections.tls, false) {
        Ok(probe) => probe,
        Err(error) => return command_line::fail(&error),
    };
    match check(cli.gateway.http_addr, probe.as_ref()).await {
        Ok(true) => command_line::SUCCESS,
        Ok(false) | Err(_) => command_line::FAILURE,
    }
}
