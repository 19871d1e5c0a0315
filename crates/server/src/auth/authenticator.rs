//! Looks up API keys in the database, and caches what it finds.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use domain::{ApiKey, AuthError, Error, KeyDigest, Principal};
use store::{Database, KeyState};
use tokio::time::timeout;

use super::{
    key_cache::{KeyCache, KnownKey, Version},
    key_uses::KeyUses,
    look_up_limit::{LookUpLimit, TooManyLookUps},
    single_flight::SingleFlight,
    waiting::{Arrival, WaitingCalls},
};

/// How long callers share one look-up at most. Its connection may hang while others don't; the next
/// caller starts another look-up then.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(10);

/// Authenticates callers by their API keys.
#[derive(Clone, Debug)]
pub(crate) struct Authenticator {
    /// Where keys are looked up.
    pub(crate) database: Database,
    /// What was found.
    pub(crate) cache: KeyCache,
    /// Where it is noted that a key was used.
    pub(crate) uses: KeyUses,
    /// The look-ups that run. One that began before a key was changed is not joined any more.
    pub(crate) look_ups: LookUps,
    /// Limits look-ups of keys that may not exist.
    pub(crate) limit: LookUpLimit,
    /// Limits the calls that wait for look-ups.
    pub(crate) waiting: WaitingCalls,
}

/// Look-ups that callers share.
pub(crate) type LookUps = SingleFlight<(KeyDigest, Version), LookUpResult>;

type LookUpResult = Result<Option<Arc<KnownKey>>, LookUpError>;

/// Why a key was not looked up.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum LookUpError {
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
    /// Returns the caller that the key of a call belongs to.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] if there is no key, or no valid one; [`Error::AddressNotAllowed`] if it is valid, but
    /// not accepted from the client's address; [`Error::Unavailable`] if
    /// the key is not cached and the database is not available; [`Error::Overloaded`] or
    /// [`Error::AddressOverloaded`] if too many keys that are not known are being looked up, or too many
    /// calls wait for that.
    pub(crate) async fn authenticate(
        &self,
        credentials: Result<ApiKey, AuthError>,
        arrival: &Arrival<'_>,
    ) -> Result<Principal, Error> {
        let key = self.find(credentials?.digest(), arrival).await?.ok_or(AuthError::InvalidKey)?;
        let (caller, now) = (key.record.principal, SystemTime::now());
        match key.record.state(now) {
            KeyState::Valid => {}
            KeyState::Revoked | KeyState::Expired => return Err(AuthError::InvalidKey.into()),
        }
        if !key.record.networks.allow(arrival.client.address()) {
            return Err(Error::AddressNotAllowed);
        }
        if key.is_used_in_another_minute(now) {
            self.uses.note(&caller, now);
        }
        Ok(caller)
    }

    async fn find(
        &self,
        digest: KeyDigest,
        arrival: &Arrival<'_>,
    ) -> Result<Option<Arc<KnownKey>>, Error> {
        if let Some(found) = self.cache.get(&digest).await {
            return Ok(found);
        }
        let _permit = self.waiting.admit(arrival, self.limit.remembers(&digest))?;
        let client = arrival.client.network();
        // Callers with the same key share one look-up, and none of them ends it: callers may go away
        // one after the other while the database is slow.
        let authenticator = self.clone();
        let version = self.cache.version();
        let look_up = async move { authenticator.look_up(digest, client, version).await };
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
        version: Version,
    ) -> LookUpResult {
        let _permit = self.limit.admit(&digest, client).await?;
        let found = timeout(LOOK_UP_TIMEOUT, self.database.find_api_key(digest)).await;
        let found = found.map_err(|elapsed| store::Error::Unavailable(Arc::new(elapsed)))??;
        if found.is_some() {
            self.limit.remember(digest).await;
        }
        Ok(self.cache.insert(digest, found, version).await)
    }
}
