//! The data of the documented example.

use domain::{ApiKey, CaseId, Email, Networks, Scope, TenantId};
use store::{Database, Error, NewApiKey, NewUser};

use crate::failure::Failure;

const TENANT: &str = "Demo";
const USERS: [(&str, &str, &str); 3] = [
    ("user1@example.com", "John", "Doe"),
    ("user2@example.com", "Jane", "Smith"),
    ("user3@example.com", "Bob", "Wilson"),
];

/// The tenant and the case of the example.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demo {
    pub(crate) tenant: TenantId,
    pub(crate) case_id: CaseId,
}

/// Creates the tenant, its three users, and a case, as far as they do not exist yet.
pub(crate) async fn ensure(database: &Database) -> Result<Demo, Failure> {
    let tenant = match database.find_tenant(TENANT.to_owned()).await? {
        Some(tenant) => tenant,
        None => database.create_tenant(TENANT.to_owned()).await?.id,
    };
    for (email, first_name, last_name) in USERS {
        let user = NewUser {
            email: Email::parse(email.to_owned()).map_err(|reason| reason.description)?,
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
        };
        match database.create_user(tenant, user).await {
            Ok(_) | Err(Error::Exists(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let case_id = match database.list_cases(tenant).await?.first() {
        Some(case) => case.id,
        None => database.create_case(tenant, "Suspicious sign-ins".to_owned()).await?.id,
    };
    Ok(Demo { tenant, case_id })
}

/// What the demo's key permits.
const SCOPES: [Scope; 4] =
    [Scope::TasksRead, Scope::TasksWrite, Scope::CasesRead, Scope::CasesWrite];

/// Stores a key with the scopes to read and write tasks and cases.
pub(crate) async fn add_key(
    database: &Database,
    tenant: TenantId,
    key: &ApiKey,
) -> Result<(), Failure> {
    Ok(store_key(database, tenant, key).await?)
}

/// Stores a key as [`add_key`] does, unless it is stored already: then it gets these scopes. An
/// earlier release may have stored it with fewer.
#[cfg(feature = "dev")]
pub(crate) async fn ensure_key(
    database: &Database,
    tenant: TenantId,
    key: &ApiKey,
) -> Result<(), Failure> {
    match store_key(database, tenant, key).await {
        Err(Error::Exists(_)) => {
            database.set_api_key_scopes(key.digest(), SCOPES.into_iter().collect()).await?;
            Ok(())
        }
        result => Ok(result?),
    }
}

async fn store_key(database: &Database, tenant: TenantId, key: &ApiKey) -> Result<(), Error> {
    let new = NewApiKey {
        name: "demo".to_owned(),
        digest: key.digest(),
        scopes: SCOPES.into_iter().collect(),
        networks: Networks::default(),
        expires_at: None,
    };
    database.create_api_key(tenant, new).await.map(|_| ())
}
