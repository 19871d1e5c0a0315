//! The commands of `caseload admin audit`.

use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use domain::Anchor;
use runtime::command_line::{YEAR, count, duration};

/// The least age of entries that are pruned.
const LEAST_AGE: Duration = Duration::from_secs(24 * 3600);

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// List entries, the oldest first; of all tenants, unless one is given
    List {
        #[command(flatten)]
        tenant: OptionalTenant,
        /// Since when: a time in UTC, as in 2030-01-31T00:00:00Z, or how long ago, as in 24h
        #[arg(long, value_parser = since, default_value = "24h", value_name = "TIME")]
        since: SystemTime,
        /// The most entries of a tenant; it is said if there are more
        #[arg(long, value_parser = count(1_u32..=100_000), default_value = "1000", value_name = "COUNT")]
        limit: u32,
    },
    /// Check that no entry was changed or is missing; of all tenants, unless one is given
    ///
    /// It prints an anchor of each log. Who keeps it elsewhere can prove later, with --expect, that all entries up
    /// to then are as they were. Exit code 1 means that a log is not intact.
    Verify {
        #[command(flatten)]
        tenant: OptionalTenant,
        /// An anchor that was printed before; may be given several times
        #[arg(long, requires = "tenant", value_name = "ANCHOR")]
        expect: Vec<Anchor>,
    },
    /// Delete the oldest entries, as the owner of the tables; what is left can still be verified
    Prune {
        #[command(flatten)]
        tenant: OptionalTenant,
        /// How old the entries are that are deleted, as in 400d; a day at least
        #[arg(long, value_parser = duration(LEAST_AGE..=100 * YEAR), value_name = "DURATION")]
        older_than: Duration,
    },
}

#[derive(Args)]
pub(crate) struct OptionalTenant {
    /// The tenant's name
    #[arg(long, env = "CASELOAD_TENANT", value_name = "NAME")]
    pub(crate) tenant: Option<String>,
}

fn since(text: &str) -> Result<SystemTime, String> {
    if let Ok(time) = humantime::parse_rfc3339(text) {
        return Ok(time);
    }
    let ago = humantime::parse_duration(text);
    let time = ago.ok().and_then(|ago| SystemTime::now().checked_sub(ago));
    time.ok_or_else(|| {
        "it is a time in UTC, as in 2030-01-31T00:00:00Z, or how long ago, as in 24h".to_owned()
    })
}
