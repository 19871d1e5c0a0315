//! Creates, rotates and revokes API keys. Servers learn of each change of a key by a trigger.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use diesel::{
    PgConnection,
    dsl::{now, sql},
    pg::data_types::PgTimestamp,
    prelude::*,
    select,
    sql_types::Timestamptz,
};
use domain::{
    Agent, AuditEvent, KeyDigest, KeyId, Networks, NewAuditEntry, Scope, Scopes, TenantId,
};

use super::record::{ApiKeyRecord, KeyState, NewApiKey, Row};
use crate::{
    audit::audited,
    database::Database,
    error::Error,
    schema::api_keys,
    tenants,
    time::{from_postgres, to_postgres},
};

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
            audited(connection, |connection| {
                let key = insert(connection, tenant, &key)?;
                let entry = described(entry(AuditEvent::KeyCreated, &key), &key);
                Ok((key, tenant, vec![entry]))
            })
        })
        .await
    }

    /// Gives a key other scopes. If there is no such key, nothing is changed.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::ConnectionLost`] and [`Error::Internal`].
    pub async fn set_api_key_scopes(&self, digest: KeyDigest, scopes: Scopes) -> Result<(), Error> {
        self.write("set_api_key_scopes", move |connection| {
            let key = api_keys::table.filter(api_keys::digest.eq(digest.as_bytes().as_slice()));
            let key: Option<(i64, i64)> =
                key.select((api_keys::tenant_id, api_keys::id)).first(connection).optional()?;
            let Some(key) = key else { return Ok(()) };
            audited(connection, |connection| {
                let scopes: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
                let key: ApiKeyRecord = diesel::update(api_keys::table.find(key))
                    .set(api_keys::scopes.eq(scopes))
                    .returning(Row::as_returning())
                    .get_result::<Row>(connection)?
                    .try_into()?;
                let entry = described(entry(AuditEvent::KeyScopesSet, &key), &key);
                Ok(((), key.principal.tenant, vec![entry]))
            })
        })
        .await
    }

    /// Creates a key that takes the place of another one: with its name, its scopes, its networks, and a life as long as
    /// that one's was when it was created. The other one expires at `until`, or when it would have anyway if
    /// that is sooner.
    ///
    /// # Errors
    /// [`Error::Missing`] if the tenant has no such key; [`Error::Invalid`] if it was revoked or has expired,
    /// by the database's clock: then it is not in use any more.
    pub async fn rotate_api_key(
        &self,
        tenant: TenantId,
        id: KeyId,
        digest: KeyDigest,
        until: SystemTime,
    ) -> Result<ApiKeyRecord, Error> {
        self.write("rotate_api_key", move |connection| {
            audited(connection, |connection| {
                let (old, time) = lock(connection, tenant, id)?;
                match old.state(time) {
                    KeyState::Valid => {}
                    KeyState::Revoked => {
                        return Err(Error::Invalid(format!("key {id} was revoked")));
                    }
                    KeyState::Expired => {
                        return Err(Error::Invalid(format!("key {id} has expired")));
                    }
                }
                let expires_at = match life(connection, &old)? {
                    None => None,
                    Some(life) => time.checked_add(life),
                };
                let key = NewApiKey {
                    name: old.name,
                    digest,
                    scopes: old.principal.scopes,
                    networks: old.networks,
                    expires_at,
                };
                let new = insert(connection, tenant, &key)?;
                let until = old.expires_at.map_or(until, |end| end.min(until));
                diesel::update(api_keys::table.find((tenant.get(), id.get())))
                    .set((
                        api_keys::expires_at.eq(to_postgres(until)),
                        api_keys::replaced_by.eq(new.principal.key.get()),
                    ))
                    .execute(connection)?;
                let created = described(entry(AuditEvent::KeyCreated, &new), &new);
                let rotated = NewAuditEntry::now(AuditEvent::KeyRotated, Agent::Session, id.get());
                let rotated = rotated.with("new_key", new.principal.key);
                Ok((new, tenant, vec![created, rotated.with("until", seconds(until))]))
            })
        })
        .await
    }

    /// Sets from which addresses a key is accepted.
    ///
    /// # Errors
    /// [`Error::Missing`] if the tenant has no such key.
    pub async fn set_api_key_networks(
        &self,
        tenant: TenantId,
        id: KeyId,
        networks: Networks,
    ) -> Result<ApiKeyRecord, Error> {
        self.write("set_api_key_networks", move |connection| {
            audited(connection, |connection| {
                let networks: Vec<_> = networks.iter().collect();
                let key: ApiKeyRecord =
                    diesel::update(api_keys::table.find((tenant.get(), id.get())))
                        .set(api_keys::allowed_networks.eq(networks))
                        .returning(Row::as_returning())
                        .get_result::<Row>(connection)
                        .optional()?
                        .ok_or_else(|| missing(tenant, id))?
                        .try_into()?;
                let entry = described(entry(AuditEvent::KeyNetworksSet, &key), &key);
                Ok((key, tenant, vec![entry]))
            })
        })
        .await
    }

    /// Revokes a key for good. A key that is revoked already keeps the time of its revocation.
    ///
    /// # Errors
    /// [`Error::Missing`] if the tenant has no such key.
    pub async fn revoke_api_key(&self, tenant: TenantId, id: KeyId) -> Result<ApiKeyRecord, Error> {
        self.write("revoke_api_key", move |connection| {
            audited(connection, |connection| {
                let key = api_keys::table.find((tenant.get(), id.get()));
                let revoked = diesel::update(key.filter(api_keys::revoked_at.is_null()))
                    .set(api_keys::revoked_at.eq(now))
                    .execute(connection)?;
                let key: ApiKeyRecord = key
                    .select(Row::as_select())
                    .first(connection)
                    .optional()?
                    .ok_or_else(|| missing(tenant, id))?
                    .try_into()?;
                let entry = (revoked > 0).then(|| entry(AuditEvent::KeyRevoked, &key));
                Ok((key, tenant, entry.into_iter().collect()))
            })
        })
        .await
    }
}

/// Returns an entry about a key, made by a command.
fn entry(event: AuditEvent, key: &ApiKeyRecord) -> NewAuditEntry {
    NewAuditEntry::now(event, Agent::Session, key.principal.key.get())
}

/// Adds what the key permits.
fn described(entry: NewAuditEntry, key: &ApiKeyRecord) -> NewAuditEntry {
    let join = |texts: Vec<String>| texts.join(",");
    let scopes = join(key.principal.scopes.iter().map(|scope| scope.to_string()).collect());
    let entry = entry.with("scopes", scopes);
    let entry = match key.networks.allow_all() {
        true => entry,
        false => entry.with(
            "networks",
            join(key.networks.iter().map(|network| network.to_string()).collect()),
        ),
    };
    match key.expires_at {
        Some(time) => entry.with("expires", seconds(time)),
        None => entry,
    }
}

/// Returns the time in whole seconds since 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Locks a key against other changes, and returns it with the database's time.
fn lock(
    connection: &mut PgConnection,
    tenant: TenantId,
    id: KeyId,
) -> Result<(ApiKeyRecord, SystemTime), Error> {
    let row = api_keys::table
        .find((tenant.get(), id.get()))
        .select(Row::as_select())
        .for_no_key_update()
        .first(connection)
        .optional()?;
    let time: PgTimestamp = select(sql::<Timestamptz>("now()")).get_result(connection)?;
    let key = row.ok_or_else(|| missing(tenant, id)).and_then(TryInto::try_into)?;
    Ok((key, from_postgres(time)))
}

/// Returns for how long a key was to be valid when it was created; `None` if it was to be for ever. A key that was
/// rotated expires at another time since, but the key that took its place has as long a life.
fn life(connection: &mut PgConnection, key: &ApiKeyRecord) -> Result<Option<Duration>, Error> {
    let tenant = key.principal.tenant.get();
    let mut latest = key.clone();
    while let Some(next) = latest.replaced_by.filter(|next| *next > latest.principal.key) {
        let row: Row = api_keys::table
            .find((tenant, next.get()))
            .select(Row::as_select())
            .first(connection)?;
        latest = row.try_into()?;
    }
    let end = latest.expires_at;
    Ok(end.map(|end| end.duration_since(latest.created_at).unwrap_or_default()))
}

fn insert(
    connection: &mut PgConnection,
    tenant: TenantId,
    key: &NewApiKey,
) -> Result<ApiKeyRecord, Error> {
    let scopes: Vec<&str> = key.scopes.iter().map(Scope::as_str).collect();
    diesel::insert_into(api_keys::table)
        .values((
            api_keys::tenant_id.eq(tenant.get()),
            api_keys::name.eq(&key.name),
            api_keys::digest.eq(key.digest.as_bytes().as_slice()),
            api_keys::scopes.eq(scopes),
            api_keys::allowed_networks.eq(key.networks.iter().collect::<Vec<_>>()),
            api_keys::expires_at.eq(key.expires_at.map(to_postgres)),
        ))
        .returning(Row::as_returning())
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
        })?
        .try_into()
}

fn missing(tenant: TenantId, id: KeyId) -> Error {
    Error::Missing(format!("key {id} of tenant {tenant}"))
}
