//! Looks up API keys in the database, and caches what it finds.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use domain::{ApiKey, AuthError, Error, KeyDigest, Principal};
use store::{Database, KeyState};
use tokio::time::timeout;

use super::{
    key_cache::{KeyCache, KnownKey, Version},
    key_uses::KeyUses,
    look_up_limit::{LookUpLimit, TooManyLookUps},
    named_hosts::NamedHosts,
    single_flight::SingleFlight,
    tenant_hosts::TenantHosts,
    waiting::{Arrival, WaitingCalls},
};
use crate::{
    audit::{AuditLog, Refusal},
    metrics::KeyMetrics,
};

/// How long callers share one look-up at most. Its connection may hang while others don't; the next
/// caller starts another look-up then.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(10);

/// Authenticates callers by their API keys.
#[derive(Clone, Debug)]
pub(crate) struct Authenticator {
    /// Where keys are looked up.
    pub(super) database: Database,
    /// What was found.
    pub(super) cache: KeyCache,
    /// On which hosts the keys of which tenants are accepted.
    pub(super) hosts: TenantHosts,
    /// Where it is noted that a key was used.
    pub(super) uses: KeyUses,
    /// Where it is noted from where keys were used, and that keys were refused.
    pub(super) audit: AuditLog,
    /// A look-up that began before a key was changed is not joined any more.
    look_ups: SingleFlight<(KeyDigest, Version), LookUpResult>,
    limit: LookUpLimit,
    waiting: WaitingCalls,
    metrics: KeyMetrics,
}

type LookUpResult = Result<Option<Arc<KnownKey>>, LookUpError>;

/// Why a key was not looked up.
#[derive(Clone, Debug, thiserror::Error)]
enum LookUpError {
    #[error(transparent)]
    TooMany(#[from] TooManyLookUps),
    #[error(transparent)]
    Failed(#[from] store::Error),
}

impl From<LookUpError> for Error {
    fn from(error: LookUpError) -> Self {
        match error {
            LookUpError::TooMany(TooManyLookUps) => Self::Overloaded,
            LookUpError::Failed(error) => error.into(),
        }
    }
}

impl Authenticator {
    /// Creates an authenticator that looks keys up within a limit, while as many calls wait as may.
    pub(crate) fn new(
        database: Database,
        cache: KeyCache,
        limit: LookUpLimit,
        waiting: WaitingCalls,
        audit: AuditLog,
        metrics: KeyMetrics,
    ) -> Self {
        let (hosts, uses, look_ups) =
            (TenantHosts::default(), KeyUses::default(), SingleFlight::new());
        Self { database, cache, hosts, uses, audit, look_ups, limit, waiting, metrics }
    }

    /// Waits until keys can be accepted, which they can't as long as the hosts of tenants were not read.
    ///
    /// # Errors
    /// [`store::Error::Unavailable`] and [`store::Error::Internal`] if they can't be read.
    pub(crate) async fn prepared(self) -> Result<(), store::Error> {
        self.hosts.known().await
    }

    /// Returns the caller that the key of a call belongs to.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] if there is no key, or no valid one, or it is not accepted on one of the hosts that the
    /// call names; [`Error::AddressNotAllowed`] if it is valid, but not accepted from the client's address;
    /// [`Error::Unavailable`] if the key is not cached and the database is not available; [`Error::Overloaded`] or
    /// [`Error::AddressOverloaded`] if too many keys that are not known are being looked up, or too many
    /// calls wait for that, or for the hosts of tenants.
    pub(crate) async fn authenticate(
        &self,
        credentials: Result<ApiKey, AuthError>,
        arrival: &Arrival<'_>,
        hosts: &NamedHosts<'_>,
    ) -> Result<Principal, Error> {
        let key = self.find(credentials?.digest(), arrival).await?.ok_or(AuthError::InvalidKey)?;
        let wait = || self.waiting.admit(arrival, true);
        let is_host_allowed = self.hosts.allow(key.record.principal.tenant, hosts, wait).await?;
        self.accept(&key, arrival, is_host_allowed)
    }

    /// Checks a key that exists, and notes that it was used.
    fn accept(
        &self,
        key: &KnownKey,
        arrival: &Arrival<'_>,
        is_host_allowed: bool,
    ) -> Result<Principal, Error> {
        let (caller, now) = (key.record.principal, SystemTime::now());
        let refuse = |refusal, error| {
            self.audit.note_refusal((caller.tenant, caller.key), refusal, &arrival.origin());
            Err(error)
        };
        match key.record.state(now) {
            KeyState::Valid => {}
            KeyState::Revoked => return refuse(Refusal::Revoked, AuthError::InvalidKey.into()),
            KeyState::Expired => return refuse(Refusal::Expired, AuthError::InvalidKey.into()),
        }
        // On the host of another tenant, it is as unknown as that one's cases are to its holder.
        if !is_host_allowed {
            return refuse(Refusal::Host, AuthError::InvalidKey.into());
        }
        if !key.record.networks.allow(arrival.certain_address) {
            return refuse(Refusal::Address, Error::AddressNotAllowed);
        }
        if key.activity.is_used_in_another_minute(now) {
            self.uses.note(&caller, now);
        }
        let seen = key.activity.see(arrival.client.network(), now);
        self.audit.note_use(&caller, seen, || arrival.origin(), now);
        Ok(caller)
    }

    async fn find(
        &self,
        digest: KeyDigest,
        arrival: &Arrival<'_>,
    ) -> Result<Option<Arc<KnownKey>>, Error> {
        if let Some(found) = self.cache.get(&digest).await {
            match &found {
                Some(_) => self.metrics.cached.inc(),
                None => self.metrics.cached_unknown.inc(),
            };
            return Ok(found);
        }
        self.metrics.looked_up.inc();
        let _permit = self.waiting.admit(arrival, self.limit.remembers(&digest))?;
        let client = arrival.client.network();
        // Callers with the same key share one look-up, and none of them ends it: callers may go away
        // one after the other while the database is slow.
        let authenticator = self.clone();
        let (version, now) = (self.cache.version(), Instant::now());
        let look_up = async move { authenticator.look_up(digest, client, (version, now)).await };
        match self.look_ups.run((digest, version), look_up).await {
            Some(found) => Ok(found?),
            None => Err(Error::Internal("the look-up of an API key panicked".into())),
        }
    }

    /// Looks a key up in the database, and caches what it finds.
    async fn look_up(
        &self,
        digest: KeyDigest,
        client: Option<IpAddr>,
        begun: (Version, Instant),
    ) -> LookUpResult {
        let _permit = self.limit.admit(&digest, client).await?;
        let found = timeout(LOOK_UP_TIMEOUT, self.database.find_api_key(digest)).await;
        let found = found.map_err(|elapsed| store::Error::Unavailable(Arc::new(elapsed)))??;
        if found.is_some() {
            self.limit.remember(digest).await;
        }
        Ok(self.cache.insert(digest, found, begun).await)
    }
}
