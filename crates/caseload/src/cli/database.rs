//! Which database a command uses.

use clap::Args;
use store::DatabaseUrl;

#[derive(Args)]
pub(crate) struct DatabaseOptions {
    /// The database, as libpq takes it: postgresql://USER:PASSWORD@HOST:PORT/NAME?sslmode=…,
    /// several hosts included
    #[arg(long, env = "CASELOAD_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) database_url: DatabaseUrl,
}
