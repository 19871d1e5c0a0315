//! An API key as it is stored.

use std::time::SystemTime;

use diesel::{pg::data_types::PgTimestamp, prelude::*};
use domain::{KeyDigest, KeyId, Networks, Principal, Scope, Scopes, TenantId};
use ipnet::IpNet;

use crate::{error::Error, schema::api_keys, time::from_postgres};

/// An API key to be stored.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// What it is for: 1 to 200 characters.
    pub name: String,
    /// The key's digest.
    pub digest: KeyDigest,
    /// What it may do: at least one scope.
    pub scopes: Scopes,
    /// From which addresses it is accepted.
    pub networks: Networks,
    /// When it expires; `None` if it never does.
    pub expires_at: Option<SystemTime>,
}

/// An API key as it is stored: everything but the key itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// The tenant and the id of the key, and its scopes.
    pub principal: Principal,
    /// What it is for.
    pub name: String,
    /// From which addresses it is accepted.
    pub networks: Networks,
    /// When it was created.
    pub created_at: SystemTime,
    /// When it expires; `None` if it never does.
    pub expires_at: Option<SystemTime>,
    /// When it was revoked; `None` if it was not.
    pub revoked_at: Option<SystemTime>,
    /// The last minute in which a server accepted it; `None` if none did.
    pub last_used_at: Option<SystemTime>,
    /// The key that was created to take its place.
    pub replaced_by: Option<KeyId>,
}

/// Whether a key is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is.
    Valid,
    /// It was revoked, whether it has expired since or not.
    Revoked,
    /// It has expired.
    Expired,
}

impl KeyState {
    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

impl ApiKeyRecord {
    /// Returns whether the key is accepted at this time.
    #[must_use]
    pub fn state(&self, time: SystemTime) -> KeyState {
        match (self.revoked_at, self.expires_at) {
            (Some(_), _) => KeyState::Revoked,
            (None, Some(expiry)) if expiry <= time => KeyState::Expired,
            (None, _) => KeyState::Valid,
        }
    }
}

/// The columns that a record is made of.
#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys)]
pub(super) struct Row {
    tenant_id: i64,
    id: i64,
    name: String,
    scopes: Vec<String>,
    created_at: PgTimestamp,
    expires_at: Option<PgTimestamp>,
    revoked_at: Option<PgTimestamp>,
    last_used_at: Option<PgTimestamp>,
    replaced_by: Option<i64>,
    allowed_networks: Vec<IpNet>,
}

impl TryFrom<Row> for ApiKeyRecord {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let invalid =
            || Error::internal(format!("API key {} is stored with an invalid id", row.id));
        // A newer release may know more scopes. To this one they permit nothing.
        let scopes: Scopes =
            row.scopes.iter().filter_map(|scope| scope.parse::<Scope>().ok()).collect();
        Ok(Self {
            principal: Principal {
                tenant: TenantId::new(row.tenant_id).ok_or_else(invalid)?,
                key: KeyId::new(row.id).ok_or_else(invalid)?,
                scopes,
            },
            name: row.name,
            networks: row.allowed_networks.into_iter().collect(),
            created_at: from_postgres(row.created_at),
            expires_at: row.expires_at.map(from_postgres),
            revoked_at: row.revoked_at.map(from_postgres),
            last_used_at: row.last_used_at.map(from_postgres),
            replaced_by: row.replaced_by.and_then(KeyId::new),
        })
    }
}
