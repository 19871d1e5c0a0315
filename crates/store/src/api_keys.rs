//! API keys. Only their digests are stored.

use std::time::SystemTime;

use diesel::{dsl::now, pg::data_types::PgTimestamp, prelude::*};
use domain::{KeyDigest, KeyId, Principal, Scope, Scopes, TenantId};

use crate::{
    database::Database,
    error::Error,
    schema::api_keys,
    tenants,
    time::{from_postgres, to_postgres},
};

/// An API key to be stored.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// What it is for: 1 to 200 characters.
    pub name: String,
    /// The key's digest.
    pub digest: KeyDigest,
    /// What it may do: at least one scope.
    pub scopes: Scopes,
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
    /// When it was created.
    pub created_at: SystemTime,
    /// When it expires; `None` if it never does.
    pub expires_at: Option<SystemTime>,
    /// When it was revoked; `None` if it was not.
    pub revoked_at: Option<SystemTime>,
}

impl ApiKeyRecord {
    /// Whether the key is neither revoked nor expired at this time.
    #[must_use]
    pub fn is_valid(&self, time: SystemTime) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expiry| time < expiry)
    }
}

type Row = (i64, i64, String, Vec<String>, PgTimestamp, Option<PgTimestamp>, Option<PgTimestamp>);

const COLUMNS: (
    api_keys::tenant_id,
    api_keys::id,
    api_keys::name,
    api_keys::scopes,
    api_keys::created_at,
    api_keys::expires_at,
    api_keys::revoked_at,
) = (
    api_keys::tenant_id,
    api_keys::id,
    api_keys::name,
    api_keys::scopes,
    api_keys::created_at,
    api_keys::expires_at,
    api_keys::revoked_at,
);

impl Database {
    /// Stores an API key.
    ///
    /// # Errors
    /// [`Error::Exists`] if the key is stored already, [`Error::Missing`] if the tenant does not exist,
    /// [`Error::Invalid`] if the name is too short or too long, or no scope is given.
    pub async fn create_api_key(
        &self,
        tenant: TenantId,
        key: NewApiKey,
    ) -> Result<ApiKeyRecord, Error> {
        self.write("create_api_key", move |connection| {
            let scopes: Vec<&str> = key.scopes.iter().map(Scope::as_str).collect();
            let row = diesel::insert_into(api_keys::table)
                .values((
                    api_keys::tenant_id.eq(tenant.get()),
                    api_keys::name.eq(&key.name),
                    api_keys::digest.eq(key.digest.as_bytes().as_slice()),
                    api_keys::scopes.eq(scopes),
                    api_keys::expires_at.eq(key.expires_at.map(to_postgres)),
                ))
                .returning(COLUMNS)
                .get_result::<Row>(connection)
                .map_err(|error| {
                    Error::on_constraint(error, |constraint| match constraint {
                        "api_keys_digest_key" => Some(Error::Exists("this key".to_owned())),
                        "api_keys_tenant_fkey" => Some(tenants::missing(tenant)),
                        "api_keys_name_check" => {
                            Some(Error::Invalid("a name has 1 to 200 characters".to_owned()))
                        }
                        "api_keys_scopes_check" => {
                            Some(Error::Invalid("a key has at least one scope".to_owned()))
                        }
                        _ => None,
                    })
                })?;
            to_record(row)
        })
        .await
    }

    /// Gives a key other scopes. Servers that know the key learn of it when they look it up again. If
    /// there is no such key, nothing is changed.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::ConnectionLost`] and [`Error::Internal`].
    pub async fn set_api_key_scopes(&self, digest: KeyDigest, scopes: Scopes) -> Result<(), Error> {
        self.write("set_api_key_scopes", move |connection| {
            let scopes: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
            diesel::update(api_keys::table)
                .filter(api_keys::digest.eq(digest.as_bytes().as_slice()))
                .set(api_keys::scopes.eq(scopes))
                .execute(connection)?;
            Ok(())
        })
        .await
    }

    /// Returns the key with this digest, valid or not; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn find_api_key(&self, digest: KeyDigest) -> Result<Option<ApiKeyRecord>, Error> {
        self.read("find_api_key", move |connection| {
            api_keys::table
                .filter(api_keys::digest.eq(digest.as_bytes().as_slice()))
                .select(COLUMNS)
                .first::<Row>(connection)
                .optional()?
                .map(to_record)
                .transpose()
        })
        .await
    }

    /// Returns a tenant's keys, in the order of their ids.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn list_api_keys(&self, tenant: TenantId) -> Result<Vec<ApiKeyRecord>, Error> {
        self.read("list_api_keys", move |connection| {
            api_keys::table
                .filter(api_keys::tenant_id.eq(tenant.get()))
                .order(api_keys::id)
                .select(COLUMNS)
                .load::<Row>(connection)?
                .into_iter()
                .map(to_record)
                .collect()
        })
        .await
    }

    /// Revokes a key for good. A key that is revoked already keeps the time of its revocation.
    ///
    /// # Errors
    /// [`Error::Missing`] if the tenant has no such key.
    pub async fn revoke_api_key(&self, tenant: TenantId, id: KeyId) -> Result<ApiKeyRecord, Error> {
        self.write("revoke_api_key", move |connection| {
            let key = api_keys::table.find((tenant.get(), id.get()));
            diesel::update(key.filter(api_keys::revoked_at.is_null()))
                .set(api_keys::revoked_at.eq(now))
                .execute(connection)?;
            key.select(COLUMNS)
                .first::<Row>(connection)
                .optional()?
                .ok_or_else(|| Error::Missing(format!("key {id} of tenant {tenant}")))
                .and_then(to_record)
        })
        .await
    }
}

fn to_record(row: Row) -> Result<ApiKeyRecord, Error> {
    let (tenant, id, name, scopes, created_at, expires_at, revoked_at) = row;
    let invalid = || Error::internal(format!("API key {id} is stored with an invalid id"));
    // A newer release may know more scopes. To this one they permit nothing.
    let scopes: Scopes = scopes.iter().filter_map(|scope| scope.parse::<Scope>().ok()).collect();
    Ok(ApiKeyRecord {
        principal: Principal {
            tenant: TenantId::new(tenant).ok_or_else(invalid)?,
            key: KeyId::new(id).ok_or_else(invalid)?,
            scopes,
        },
        name,
        created_at: from_postgres(created_at),
        expires_at: expires_at.map(from_postgres),
        revoked_at: revoked_at.map(from_postgres),
    })
}
