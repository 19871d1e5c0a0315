//! What is printed of tenants, users, cases and keys.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::{Case, DirectoryUser, ExternalId, KeyId, Scope, Tenant, User, UserId};
use humantime::format_rfc3339_seconds;
use serde::Serialize;
use store::{ApiKeyRecord, KeyState};

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

/// A user who is listed.
#[derive(Serialize)]
pub(super) struct ListedUserRecord {
    id: Option<i64>,
    email: String,
    first_name: String,
    last_name: String,
    external_id: Option<String>,
    deactivated_at: Option<String>,
    erased_at: Option<String>,
}

impl Record for ListedUserRecord {
    const COLUMNS: &'static [&'static str] =
        &["id", "email", "first_name", "last_name", "external_id", "deactivated_at", "erased_at"];
}

impl From<DirectoryUser> for ListedUserRecord {
    fn from(user: DirectoryUser) -> Self {
        Self {
            id: user.id.map(UserId::get),
            email: user.email.into_string(),
            first_name: user.first_name,
            last_name: user.last_name,
            external_id: user.external_id.map(ExternalId::into_string),
            deactivated_at: user.deactivated_at.map(rfc3339),
            erased_at: user.erased_at.map(rfc3339),
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
    allowed_networks: Vec<String>,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    last_used_at: Option<String>,
    replaced_by: Option<i64>,
    state: &'static str,
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
}

impl Record for KeyRecord {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "name",
        "scopes",
        "allowed_networks",
        "state",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
        "replaced_by",
    ];
}

impl From<ApiKeyRecord> for KeyRecord {
    fn from(key: ApiKeyRecord) -> Self {
        let state = key.state(SystemTime::now());
        Self {
            id: key.principal.key.get(),
            scopes: key.principal.scopes.iter().map(Scope::as_str).collect(),
            allowed_networks: key.networks.iter().map(|network| network.to_string()).collect(),
            created_at: rfc3339(key.created_at),
            expires_at: key.expires_at.map(rfc3339),
            revoked_at: key.revoked_at.map(rfc3339),
            last_used_at: key.last_used_at.map(rfc3339),
            replaced_by: key.replaced_by.map(KeyId::get),
            state: state.as_str(),
            valid: state == KeyState::Valid,
            name: key.name,
            key: None,
        }
    }
}

/// The last second that RFC 3339 can express: 9999-12-31T23:59:59Z, in time since 1970.
const LAST_SECOND: Duration = Duration::from_secs(253_402_300_799);

/// Returns the time in the format of RFC 3339. A time out of its range becomes the nearest in it:
/// Postgres stores times up to the year 294276, and infinity.
pub(super) fn rfc3339(time: SystemTime) -> String {
    // humantime panics for times out of this range.
    format_rfc3339_seconds(time.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST_SECOND)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_out_of_the_range_of_rfc_3339_becomes_the_nearest_in_it() {
        let after = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        for (time, text) in [
            (UNIX_EPOCH - Duration::from_secs(1), "1970-01-01T00:00:00Z"),
            (UNIX_EPOCH, "1970-01-01T00:00:00Z"),
            (after(1_711_381_239), "2024-03-25T15:40:39Z"),
            (UNIX_EPOCH + LAST_SECOND, "9999-12-31T23:59:59Z"),
            (UNIX_EPOCH + LAST_SECOND + Duration::from_nanos(1), "9999-12-31T23:59:59Z"),
            (after(9_000_000_000_000), "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(time), text);
        }
    }
}
