//! The command line.

mod admin;
mod audit;
mod client;
mod database;
#[cfg(feature = "dev")]
mod dev;
mod hosts;
mod import;
mod tasks;
mod tenant;

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand};
use runtime::{process::ProcessOptions, shutdown::DrainOptions};
use server::ServerOptions;
use serving::{AdminPortOptions, ConnectionOptions, TlsOptions};
use telemetry::logs::LogOptions;

pub(crate) use admin::{
    AdminCommand, AdminOptions, CaseCommand, DatabaseCommand, ImportCommand, KeyCommand,
    NO_DATABASE, TenantCommand, UserCommand,
};
pub(crate) use audit::{AuditCommand, OptionalTenant};
pub(crate) use client::ClientOptions;
use database::DatabaseOptions;
#[cfg(feature = "dev")]
pub(crate) use dev::DevOptions;
pub(crate) use hosts::{HostCommand, Switch};
pub(crate) use import::{
    DirectoryImportOptions, Format, ImportOptions, MAX_CONCURRENCY, TaskImportOptions,
};
pub(crate) use tasks::{
    AssignOptions, CreateOptions, ListOptions, SomeTasks, TasksCommand, TasksOptions,
};
pub(crate) use tenant::TenantOption;

/// Creates and tracks the tasks of cases.
///
#[cfg_attr(
    feature = "dev",
    doc = "To try it, run `caseload dev`: it starts everything in one process, on a Postgres of \
           its own, and prints a request that works."
)]
/// To run it in production: `caseload migrate`, then `caseload serve` and, for REST,
/// `caseload-gateway`; `caseload admin` creates tenants, users, cases and keys. `caseload tasks` is for
/// those who work on tasks.
///
/// Every option that configures a program is also read from the environment, as shown; the
/// arguments of single admin, migrate and tasks commands are not. Exit codes: 0 for success, 1 for
/// failure, 64 for an invalid command line or configuration; docs/CLI.md has those of `tasks`.
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

impl Cli {
    /// Checks the options that depend on each other.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn check(&self) -> Result<(), String> {
        match &self.command {
            Command::Serve(options) => options.server.check_alone(&options.connections),
            #[cfg(feature = "dev")]
            Command::Dev(options) => options.check(),
            Command::Admin(options) => options.check(),
            Command::Migrate(_) | Command::Tasks(_) | Command::Health(_) => Ok(()),
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve gRPC
    ///
    /// Starts without the database and becomes ready once it is reachable; grpc.health.v1 reports
    /// readiness. SIGTERM withdraws readiness, lets running requests finish, then ends the process.
    Serve(Box<ServeOptions>),
    /// Serve gRPC and REST in one process, with a private Postgres and demo data
    #[cfg(feature = "dev")]
    Dev(Box<DevOptions>),
    /// Bring the database's schema up to date
    Migrate(MigrateOptions),
    /// Create, list and revoke what an installation needs: tenants, users, cases, API keys
    Admin(Box<AdminOptions>),
    /// List, create, change, delete and import tasks, over gRPC
    ///
    /// The API key is in the environment variable CASELOAD_API_KEY, or in the file --api-key-file.
    Tasks(Box<TasksOptions>),
    /// Report by the exit code whether the server at --grpc-addr is ready (0) or not (1)
    Health(HealthOptions),
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
    pub(crate) admin: AdminPortOptions,

    #[command(flatten)]
    pub(crate) drain: DrainOptions,
}

#[derive(Args)]
pub(crate) struct MigrateOptions {
    #[command(flatten)]
    pub(crate) database: DatabaseOptions,

    /// Change nothing; fail if a migration is pending
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Args)]
pub(crate) struct HealthOptions {
    /// The address of the server
    #[arg(
        long,
        env = "CASELOAD_GRPC_ADDR",
        default_value = "127.0.0.1:50051",
        value_name = "ADDR:PORT"
    )]
    pub(crate) grpc_addr: SocketAddr,

    #[command(flatten)]
    pub(crate) tls: TlsOptions,
}
