//! `caseload admin`: creates what an installation needs before the first call.

mod audit;
mod hosts;
mod output;
mod record;
mod verification;

use std::{
    num::NonZeroI64,
    time::{Duration, SystemTime},
};

use domain::{ApiKey, KeyId, Networks, TenantId};
use store::{Database, DatabaseUrl, NewApiKey, NewUser, PoolSettings};

use crate::{
    cli::{
        CaseCommand, DatabaseCommand, KeyCommand, NO_DATABASE, TenantCommand, TenantOption,
        UserCommand,
    },
    demo,
    failure::Failure,
};
use output::Output;
use record::{CaseRecord, KeyRecord, ListedUserRecord, TenantRecord, UserRecord};

/// Opens the database for a command that needs one connection and then ends.
pub(crate) fn open(url: &DatabaseUrl) -> Database {
    let checkout_timeout = Duration::from_secs(10);
    let lock_timeout = Duration::from_secs(5);
    Database::open(
        url,
        &PoolSettings {
            writers: 0,
            readers: 1,
            changers: 0,
            checkout_timeout,
            lock_timeout,
            tenant_queue_length: 1,
        },
    )
}

pub(crate) async fn run(
    database: Option<&DatabaseUrl>,
    json: bool,
    command: DatabaseCommand,
) -> Result<(), Failure> {
    let database = open(database.ok_or(NO_DATABASE)?);
    let output = Output { json };
    match command {
        DatabaseCommand::Tenant(command) => tenant(&database, output, command).await,
        DatabaseCommand::User(command) => user(&database, output, command).await,
        DatabaseCommand::Case(command) => case(&database, output, command).await,
        DatabaseCommand::Key(command) => key(&database, output, command).await,
        DatabaseCommand::Audit(command) => audit::run(&database, output, command).await,
        DatabaseCommand::Verify => verification::run(&database, output).await,
        DatabaseCommand::Demo => {
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
        TenantCommand::Host(command) => hosts::run(db, output, command).await,
    }
}

async fn user(db: &Database, output: Output, command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Create { tenant, email, first_name, last_name } => {
            let user = NewUser { email, first_name, last_name };
            output.one::<UserRecord>(db.create_user(tenant.find(db).await?, user).await?)
        }
        UserCommand::List(tenant) => {
            output.all::<ListedUserRecord>(db.list_users(tenant.find(db).await?).await?)
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
        KeyCommand::Create { tenant, name, scopes, networks, expires_in } => {
            let networks = Networks::new(networks).ok_or(TOO_MANY_NETWORKS)?;
            let tenant = tenant.find(db).await?;
            let expires_at = match expires_in {
                None => None,
                Some(duration) => Some(
                    SystemTime::now().checked_add(duration).ok_or("--expires-in is too long")?,
                ),
            };
            let key = new_api_key()?;
            let scopes = scopes.into_iter().collect();
            let new = NewApiKey { name, digest: key.digest(), scopes, networks, expires_at };
            let stored = db.create_api_key(tenant, new).await?;
            output.key(stored, &key)
        }
        KeyCommand::List(tenant) => {
            output.all::<KeyRecord>(db.list_api_keys(tenant.find(db).await?).await?)
        }
        KeyCommand::Allow { tenant, id, addresses } => {
            let id = key_id(id)?;
            let networks = Networks::new(addresses.into_networks()).ok_or(TOO_MANY_NETWORKS)?;
            let tenant = tenant.find(db).await?;
            output.one::<KeyRecord>(db.set_api_key_networks(tenant, id, networks).await?)
        }
        KeyCommand::Rotate { tenant, id, end } => {
            let id = key_id(id)?;
            let until = end.time().ok_or("--expires-in is too long")?;
            let tenant = tenant.find(db).await?;
            let key = new_api_key()?;
            output.key(db.rotate_api_key(tenant, id, key.digest(), until).await?, &key)
        }
        KeyCommand::Revoke { tenant, id } => {
            let id = key_id(id)?;
            output.one::<KeyRecord>(db.revoke_api_key(tenant.find(db).await?, id).await?)
        }
    }
}

const TOO_MANY_NETWORKS: &str = "a key has at most 100 networks";

fn key_id(id: NonZeroI64) -> Result<KeyId, Failure> {
    Ok(KeyId::new(id.get()).ok_or("a key's id is positive")?)
}

impl TenantOption {
    /// Returns the id of the tenant with this name.
    async fn find(self, db: &Database) -> Result<TenantId, Failure> {
        let missing = format!("tenant {:?} does not exist", self.tenant);
        Ok(db.find_tenant(self.tenant).await?.ok_or(missing)?)
    }
}

/// Returns a new key, from the system's source of randomness.
pub(crate) fn new_api_key() -> Result<ApiKey, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(ApiKey::from_random_bytes(bytes))
}
