//! `caseload admin`: what an installation needs before the first call.

mod output;
mod record;

use std::{
    num::NonZeroI64,
    time::{Duration, SystemTime},
};

use clap::{Args, Subcommand};
use domain::{ApiKey, Email, KeyId, Scope, TenantId};
use humantime::parse_duration;
use store::{Database, DatabaseUrl, NewApiKey, NewUser, PoolSettings};

use crate::{Failure, cli::AdminOptions, demo};
use output::Output;
use record::{CaseRecord, KeyRecord, TenantRecord, UserRecord};

/// What can be administered.
#[derive(Subcommand)]
pub(crate) enum AdminCommand {
    /// Tenants: whose data it is
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Users: whom tasks are assigned to
    #[command(subcommand)]
    User(UserCommand),
    /// Cases: what tasks belong to
    #[command(subcommand)]
    Case(CaseCommand),
    /// API keys: what calls are made with
    #[command(subcommand)]
    Key(KeyCommand),
    /// Create what the examples use: the tenant "Demo", three users, a case, and a new key
    ///
    /// The key is all that goes to standard output. What is there already is left as it is.
    Demo,
}

#[derive(Subcommand)]
pub(crate) enum TenantCommand {
    /// Create a tenant
    Create {
        /// Its name, unique in the installation: 1 to 200 characters
        name: String,
    },
    /// List all tenants
    List,
}

#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Create a user
    Create {
        #[command(flatten)]
        tenant: TenantOption,
        /// Their email, unique in the tenant; kept in lower case
        #[arg(value_parser = email)]
        email: Email,
        /// Their first name
        #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
        first_name: String,
        /// Their last name
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
        /// Its name: 1 to 200 characters
        name: String,
    },
    /// List a tenant's cases
    List(TenantOption),
}

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Create a key and show it, this once
    Create {
        #[command(flatten)]
        tenant: TenantOption,
        /// What it is for: 1 to 200 characters
        name: String,
        /// What it may do: tasks:read, tasks:write or admin; may be given several times
        #[arg(long = "scope", required = true, value_name = "SCOPE")]
        scopes: Vec<Scope>,
        /// How long it is valid, as in 90d [default: for good]
        #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
        expires_in: Option<Duration>,
    },
    /// List a tenant's keys, as far as they are stored
    List(TenantOption),
    /// Revoke a key for good; servers forget it within their --key-ttl
    Revoke {
        #[command(flatten)]
        tenant: TenantOption,
        /// The key's id, as listed
        id: NonZeroI64,
    },
}

#[derive(Args)]
pub(crate) struct TenantOption {
    /// The tenant's name
    #[arg(long, env = "CASELOAD_TENANT", value_name = "NAME")]
    tenant: String,
}

fn email(text: &str) -> Result<Email, String> {
    Email::parse(text.to_owned()).map_err(|_| "this is not an email address".to_owned())
}

/// The database, for a command that needs one connection and then ends.
pub(crate) fn open(url: &DatabaseUrl) -> Database {
    let checkout_timeout = Duration::from_secs(10);
    Database::open(url, &PoolSettings { writers: 0, readers: 1, checkout_timeout })
}

pub(crate) async fn run(options: AdminOptions) -> Result<(), Failure> {
    let database = open(&options.database.database_url);
    let output = Output { json: options.json };
    match options.command {
        AdminCommand::Tenant(command) => tenant(&database, output, command).await,
        AdminCommand::User(command) => user(&database, output, command).await,
        AdminCommand::Case(command) => case(&database, output, command).await,
        AdminCommand::Key(command) => key(&database, output, command).await,
        AdminCommand::Demo => {
            let demo = demo::ensure(&database).await?;
            let key = new_api_key()?;
            demo::add_key(&database, demo.tenant, &key).await?;
            eprintln!("The demo's case is {}. Its API key, shown this once:", demo.case_id);
            println!("{}", key.expose());
            Ok(())
        }
    }
}

async fn tenant(db: &Database, output: Output, command: TenantCommand) -> Result<(), Failure> {
    match command {
        TenantCommand::Create { name } => output.one::<TenantRecord>(db.create_tenant(name).await?),
        TenantCommand::List => output.all::<TenantRecord>(db.list_tenants().await?),
    }
}

async fn user(db: &Database, output: Output, command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Create { tenant, email, first_name, last_name } => {
            let user = NewUser { email, first_name, last_name };
            output.one::<UserRecord>(db.create_user(tenant.find(db).await?, user).await?)
        }
        UserCommand::List(tenant) => {
            output.all::<UserRecord>(db.list_users(tenant.find(db).await?).await?)
        }
    }
}

async fn case(db: &Database, output: Output, command: CaseCommand) -> Result<(), Failure> {
    match command {
        CaseCommand::Create { tenant, name } => {
            output.one::<CaseRecord>(db.create_case(tenant.find(db).await?, name).await?)
        }
        CaseCommand::List(tenant) => {
            output.all::<CaseRecord>(db.list_cases(tenant.find(db).await?).await?)
        }
    }
}

async fn key(db: &Database, output: Output, command: KeyCommand) -> Result<(), Failure> {
    match command {
        KeyCommand::Create { tenant, name, scopes, expires_in } => {
            let tenant = tenant.find(db).await?;
            let expires_at = match expires_in {
                None => None,
                Some(duration) => Some(
                    SystemTime::now().checked_add(duration).ok_or("--expires-in is too long")?,
                ),
            };
            let key = new_api_key()?;
            let scopes = scopes.into_iter().collect();
            let new = NewApiKey { name, digest: key.digest(), scopes, expires_at };
            let stored = db.create_api_key(tenant, new).await?;
            output.key(stored, &key)
        }
        KeyCommand::List(tenant) => {
            output.all::<KeyRecord>(db.list_api_keys(tenant.find(db).await?).await?)
        }
        KeyCommand::Revoke { tenant, id } => {
            let id = KeyId::new(id.get()).ok_or("a key's id is positive")?;
            output.one::<KeyRecord>(db.revoke_api_key(tenant.find(db).await?, id).await?)
        }
    }
}

impl TenantOption {
    async fn find(self, db: &Database) -> Result<TenantId, Failure> {
        let missing = format!("tenant {:?} does not exist", self.tenant);
        Ok(db.find_tenant(self.tenant).await?.ok_or(missing)?)
    }
}

/// A new key, from the system's source of randomness.
pub(crate) fn new_api_key() -> Result<ApiKey, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(ApiKey::from_random_bytes(bytes))
}
