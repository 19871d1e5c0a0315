//! The options of `caseload dev`.

use std::path::PathBuf;

use clap::Args;
use gateway::GatewayOptions;
use runtime::shutdown::DrainOptions;
use server::ServerOptions;
use serving::{AdminPortOptions, ConnectionOptions};
use store::DatabaseUrl;

#[derive(Args)]
pub(crate) struct DevOptions {
    /// The directory that keeps Postgres' data and the demo key between runs [default: "caseload"
    /// in the platform's directory for data]
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
    pub(crate) admin: AdminPortOptions,

    #[command(flatten)]
    pub(crate) drain: DrainOptions,
}

impl DevOptions {
    /// Checks the options that depend on each other.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.gateway.upstream_timeout >= self.server.idempotency.idempotency_ttl {
            return Err(
                "--upstream-timeout must be less than --idempotency-ttl: the gateway repeats a \
                 call within that time, and counts on the key"
                    .to_owned(),
            );
        }
        if self.server.pool.row_level_security && self.database_url.is_none() {
            return Err("--row-level-security needs --database-url: the private database is not \
                        set up for it"
                .to_owned());
        }
        self.gateway.upstream_tls.check(self.connections.tls.is_on())?;
        self.gateway.check(&self.connections)?;
        self.server.check()
    }
}
