//! What is printed of tenants, users, cases and keys.

use std::time::SystemTime;

use domain::{Case, Scope, Tenant, User};
use humantime::format_rfc3339_seconds;
use serde::Serialize;
use store::ApiKeyRecord;

/// Can be printed as a row of a table, or as a JSON object with the same members.
pub(super) trait Record: Serialize {
    /// The members, in the order of the columns.
    const COLUMNS: &'static [&'static str];
}

#[derive(Serialize)]
pub(super) struct TenantRecord {
    id: i64,
    name: String,
    created_at: String,
}

impl Record for TenantRecord {
    const COLUMNS: &'static [&'static str] = &["id", "name", "created_at"];
}

impl From<Tenant> for TenantRecord {
    fn from(tenant: Tenant) -> Self {
        Self { id: tenant.id.get(), name: tenant.name, created_at: rfc3339(tenant.created_at) }
    }
}

#[derive(Serialize)]
pub(super) struct UserRecord {
    id: i64,
    email: String,
    first_name: String,
    last_name: String,
}

impl Record for UserRecord {
    const COLUMNS: &'static [&'static str] = &["id", "email", "first_name", "last_name"];
}

impl From<User> for UserRecord {
    fn from(user: User) -> Self {
        Self {
            id: user.id.get(),
            email: user.email.into_string(),
            first_name: user.first_name,
            last_name: user.last_name,
        }
    }
}

#[derive(Serialize)]
pub(super) struct CaseRecord {
    id: i64,
    name: String,
    created_at: String,
}

impl Record for CaseRecord {
    const COLUMNS: &'static [&'static str] = &["id", "name", "created_at"];
}

impl From<Case> for CaseRecord {
    fn from(case: Case) -> Self {
        Self { id: case.id.get(), name: case.name, created_at: rfc3339(case.created_at) }
    }
}

/// A key as it is stored. Its secret is not stored: `key` is present only when it is created.
#[derive(Serialize)]
pub(super) struct KeyRecord {
    id: i64,
    name: String,
    scopes: Vec<&'static str>,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
}

impl Record for KeyRecord {
    const COLUMNS: &'static [&'static str] =
        &["id", "name", "scopes", "created_at", "expires_at", "revoked_at", "valid"];
}

impl From<ApiKeyRecord> for KeyRecord {
    fn from(key: ApiKeyRecord) -> Self {
        Self {
            id: key.principal.key.get(),
            scopes: key.principal.scopes.iter().map(Scope::as_str).collect(),
            created_at: rfc3339(key.created_at),
            expires_at: key.expires_at.map(rfc3339),
            revoked_at: key.revoked_at.map(rfc3339),
            valid: key.is_valid(SystemTime::now()),
            name: key.name,
            key: None,
        }
    }
}

fn rfc3339(time: SystemTime) -> String {
    format_rfc3339_seconds(time).to_string()
}
