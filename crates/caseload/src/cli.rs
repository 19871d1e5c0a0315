//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use gateway::GatewayOptions;
use runtime::{process::ProcessOptions, shutdown::DrainOptions};
use server::ServerOptions;
use serving::ConnectionOptions;
use store::DatabaseUrl;
use telemetry::logs::LogOptions;

use crate::admin::AdminCommand;

/// Creates and tracks the tasks of cases.
///
/// To try it, run `caseload dev`: it starts everything in one process, on a Postgres of its own,
/// and prints a request that works. To run it for others: `caseload migrate`, then
/// `caseload serve` and, for REST, `caseload-gateway`; `caseload admin` creates tenants, users,
/// cases and keys.
///
/// Every option is also read from the environment, as shown. Exit codes: 0 for success, 1 for
/// failure, 64 for a command line or configuration that makes no sense.
#[derive(Parser)]
#[command(name = "caseload", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) process: ProcessOptions,

    #[command(flatten)]
    pub(crate) log: LogOptions,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve gRPC
    ///
    /// Starts without the database and becomes ready when it comes; grpc.health.v1 tells. SIGTERM
    /// withdraws readiness, lets what runs finish, then ends.
    Serve(Box<ServeOptions>),
    /// Serve gRPC and REST in one process, with a private Postgres and demo data
    Dev(Box<DevOptions>),
    /// Bring the database's schema up to date
    Migrate(MigrateOptions),
    /// Create, list and revoke what an installation needs: tenants, users, cases, API keys
    Admin(AdminOptions),
    /// Tell by the exit code whether the server at --grpc-addr is ready (0) or not (1)
    Health(HealthOptions),
}

#[derive(Args)]
pub(crate) struct DatabaseOptions {
    /// The database, as libpq takes it: postgresql://USER:PASSWORD@HOST:PORT/NAME?sslmode=…,
    /// several hosts included
    #[arg(long, env = "CASELOAD_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) database_url: DatabaseUrl,
}

#[derive(Args)]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    pub(crate) database: DatabaseOptions,

    #[command(flatten)]
    pub(crate) server: ServerOptions,

    #[command(flatten)]
    pub(crate) connections: ConnectionOptions,

    #[command(flatten)]
    pub(crate) drain: DrainOptions,
}

#[derive(Args)]
pub(crate) struct DevOptions {
    /// Where Postgres' data and the demo key are kept between starts [default: "caseload" in the
    /// platform's directory for data]
    #[arg(long, env = "CASELOAD_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Use this database instead of a private one
    #[arg(long, env = "CASELOAD_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) database_url: Option<DatabaseUrl>,

    /// Once everything serves, write its addresses and the demo key to this file, as JSON; removed
    /// at the end
    #[arg(long, env = "CASELOAD_READY_FILE", value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) gateway: GatewayOptions,

    #[command(flatten)]
    pub(crate) server: ServerOptions,

    #[command(flatten)]
    pub(crate) connections: ConnectionOptions,

    #[command(flatten)]
    pub(crate) drain: DrainOptions,
}

#[derive(Args)]
pub(crate) struct MigrateOptions {
    #[command(flatten)]
    pub(crate) database: DatabaseOptions,

    /// Change nothing; fail where a migration is yet to be run
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Args)]
pub(crate) struct AdminOptions {
    #[command(flatten)]
    pub(crate) database: DatabaseOptions,

    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: AdminCommand,
}

#[derive(Args)]
pub(crate) struct HealthOptions {
    /// Where the server is
    #[arg(
        long,
        env = "CASELOAD_GRPC_ADDR",
        default_value = "127.0.0.1:50051",
        value_name = "ADDR:PORT"
    )]
    pub(crate) grpc_addr: SocketAddr,
}
