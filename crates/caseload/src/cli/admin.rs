//! The options and commands of `caseload admin`.

use std::{
    num::NonZeroI64,
    time::{Duration, SystemTime},
};

use clap::{Args, Subcommand};
use domain::{Email, Network, Scope};
use runtime::command_line::{YEAR, duration};
use store::DatabaseUrl;

use super::{
    audit::AuditCommand, client::ClientOptions, hosts::HostCommand, import::DirectoryImportOptions,
    tenant::TenantOption,
};

#[derive(Args)]
pub(crate) struct AdminOptions {
    // All commands but `import` need it.
    /// The database, as libpq takes it: postgresql://USER:PASSWORD@HOST:PORT/NAME?sslmode=…,
    /// several hosts included
    #[arg(long, env = "CASELOAD_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) database_url: Option<DatabaseUrl>,

    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: AdminCommand,
}

/// Why a command can't run without the URL of a database.
pub(crate) const NO_DATABASE: &str =
    "the command needs --database-url <URL>, or the environment variable CASELOAD_DATABASE_URL";

impl AdminOptions {
    /// Checks the options that depend on each other.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn check(&self) -> Result<(), String> {
        match (&self.command, &self.database_url) {
            (AdminCommand::Import(_), _) | (_, Some(_)) => Ok(()),
            (AdminCommand::OnDatabase(_), None) => Err(NO_DATABASE.to_owned()),
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum AdminCommand {
    #[command(flatten)]
    OnDatabase(DatabaseCommand),
    /// Create or change a user or a case for each line of a file, over gRPC; can be run again
    ///
    /// It needs no database, but a server, and an API key with the scope admin: in the environment
    /// variable CASELOAD_API_KEY, or in the file --api-key-file.
    Import(ImportCommand),
}

#[derive(Args)]
pub(crate) struct ImportCommand {
    #[command(flatten)]
    pub(crate) client: ClientOptions,
    #[command(flatten)]
    pub(crate) options: DirectoryImportOptions,
}

/// What can be administered in the database.
#[derive(Subcommand)]
pub(crate) enum DatabaseCommand {
    /// Tenants: organisations, whose data are separate
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Users: tasks are assigned to them
    #[command(subcommand)]
    User(UserCommand),
    /// Cases: tasks belong to them
    #[command(subcommand)]
    Case(CaseCommand),
    /// API keys: callers authenticate with them
    #[command(subcommand)]
    Key(KeyCommand),
    /// The audit log: what was administered, and how API keys were used
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Check that the data are consistent, as after a recovery from a backup; changes nothing
    ///
    /// It needs to read all tables, as their owner may. Exit code 1 means that something is wrong.
    Verify,
    /// Create what the examples use: the tenant "Demo", three users, a case, and a new key
    ///
    /// Only the key is written to standard output. What exists already stays as it is.
    Demo,
}

#[derive(Subcommand)]
pub(crate) enum TenantCommand {
    /// Create a tenant
    Create {
        /// The tenant's name, unique in the installation: 1 to 200 characters
        name: String,
    },
    /// List all tenants
    List,
    /// Host names of tenants: on them, keys of other tenants are not accepted
    #[command(subcommand)]
    Host(HostCommand),
}

#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Create a user
    Create {
        #[command(flatten)]
        tenant: TenantOption,
        /// The user's email, unique in the tenant; kept in lower case
        #[arg(value_parser = email)]
        email: Email,
        /// The user's first name
        #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
        first_name: String,
        /// The user's last name
        #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
        last_name: String,
    },
    /// List a tenant's users
    List(TenantOption),
}

#[derive(Subcommand)]
pub(crate) enum CaseCommand {
    /// Create a case
    Create {
        #[command(flatten)]
        tenant: TenantOption,
        /// The case's name: 1 to 200 characters
        name: String,
    },
    /// List a tenant's cases
    List(TenantOption),
}

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Create a key and print it: it can't be printed again
    Create {
        #[command(flatten)]
        tenant: TenantOption,
        /// What the key is for: 1 to 200 characters
        name: String,
        /// What the key permits: tasks:read, tasks:write, cases:read, cases:write or admin; may be given
        /// several times
        #[arg(long = "scope", required = true, value_name = "SCOPE")]
        scopes: Vec<Scope>,
        /// From where the key is accepted: an address or a network, as in 10.0.0.0/8 or 2001:db8::/32; may be
        /// given several times [default: from everywhere]
        #[arg(long = "allow-from", value_name = "NETWORK")]
        networks: Vec<Network>,
        /// How long the key is valid, as in 90d [default: without end]
        #[arg(long, value_parser = duration(Duration::ZERO..=100 * YEAR), value_name = "DURATION")]
        expires_in: Option<Duration>,
    },
    /// List a tenant's keys, without their secrets
    List(TenantOption),
    /// Set from where a key is accepted, instead of from where it was before
    Allow {
        #[command(flatten)]
        tenant: TenantOption,
        /// The key's id, as listed
        id: NonZeroI64,
        #[command(flatten)]
        addresses: AllowedAddresses,
    },
    /// Create a key that takes the place of another one, and print it: it can't be printed again
    ///
    /// The new key has the name, the scopes and the networks of the old one. If the old one expires, the new one is valid for as
    /// long as the old one was when it was created. Both are accepted until the time that is given here.
    Rotate {
        #[command(flatten)]
        tenant: TenantOption,
        /// The old key's id, as listed
        id: NonZeroI64,
        #[command(flatten)]
        end: OldKeyEnd,
    },
    /// Revoke a key, which can't be undone; servers stop accepting it within a second, or within their
    /// --key-ttl if they are not told
    Revoke {
        #[command(flatten)]
        tenant: TenantOption,
        /// The key's id, as listed
        id: NonZeroI64,
    },
}

/// From where a key is accepted.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct AllowedAddresses {
    /// The addresses or networks, as in 10.0.0.0/8 or 2001:db8::/32
    #[arg(value_name = "NETWORK")]
    networks: Vec<Network>,
    /// From everywhere
    #[arg(long)]
    everywhere: bool,
}

impl AllowedAddresses {
    /// Returns the networks; none for everywhere.
    pub(crate) fn into_networks(self) -> Vec<Network> {
        if self.everywhere { Vec::new() } else { self.networks }
    }
}

/// Until when a key is accepted that another one takes the place of.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct OldKeyEnd {
    /// How long the old key is still accepted, as in 7d; 0s ends it at once
    #[arg(long, value_parser = duration(Duration::ZERO..=100 * YEAR), value_name = "DURATION")]
    expires_in: Option<Duration>,
    /// Until when the old key is still accepted, in UTC, as in 2030-01-31T00:00:00Z
    #[arg(long, value_parser = future_time, value_name = "TIME")]
    until: Option<SystemTime>,
}

impl OldKeyEnd {
    /// Returns the time; `None` if it is too far away.
    pub(crate) fn time(&self) -> Option<SystemTime> {
        match (self.until, self.expires_in) {
            (Some(time), _) => Some(time),
            (None, duration) => SystemTime::now().checked_add(duration.unwrap_or_default()),
        }
    }
}

fn email(text: &str) -> Result<Email, String> {
    Email::parse_of_user(text.to_owned()).map_err(|rule| rule.description.to_owned())
}

fn future_time(text: &str) -> Result<SystemTime, String> {
    let time = humantime::parse_rfc3339(text)
        .map_err(|_| "a time is written in UTC, as in 2030-01-31T00:00:00Z".to_owned())?;
    if time < SystemTime::now() {
        return Err("the time has passed".to_owned());
    }
    Ok(time)
}
