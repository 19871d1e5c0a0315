//! Looks up API keys in the database, and caches what it finds.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use domain::{ApiKey, AuthError, Error, KeyDigest, Principal};
use moka::future::Cache;
use store::{ApiKeyRecord, Database};
use tokio::time::timeout;

use super::{
    look_up_limit::{LookUpLimit, TooManyLookUps},
    single_flight::SingleFlight,
    waiting::{Arrival, WaitingCalls},
};
use crate::metrics::KeyMetrics;

/// The most keys of each cache. Each takes some hundred bytes.
const CACHED_KEYS: u64 = 10_000;

/// How long callers share one look-up at most. Its connection may hang while others don't; the next
/// caller starts another look-up then.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(10);

/// Authenticates callers by their API keys.
///
/// Keys that exist and keys that don't are cached apart, so that made-up keys displace made-up keys
/// only.
#[derive(Clone, Debug)]
pub(crate) struct Authenticator {
    database: Database,
    known: Cache<KeyDigest, Arc<ApiKeyRecord>>,
    unknown: Cache<KeyDigest, ()>,
    look_ups: SingleFlight<KeyDigest, LookUpResult>,
    limit: LookUpLimit,
    waiting: WaitingCalls,
    metrics: KeyMetrics,
}

type LookUpResult = Result<Option<Arc<ApiKeyRecord>>, LookUpError>;

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
    /// Creates an authenticator that caches known keys for `key_ttl` and unknown ones for
    /// `unknown_key_ttl`, and looks up keys within a limit, while as many calls wait as may.
    pub(crate) fn new(
        database: Database,
        key_ttl: Duration,
        unknown_key_ttl: Duration,
        limit: LookUpLimit,
        waiting: WaitingCalls,
        metrics: KeyMetrics,
    ) -> Self {
        let known = Cache::builder().max_capacity(CACHED_KEYS).time_to_live(key_ttl).build();
        let unknown =
            Cache::builder().max_capacity(CACHED_KEYS).time_to_live(unknown_key_ttl).build();
        let look_ups = SingleFlight::new();
        Self { database, known, unknown, look_ups, limit, waiting, metrics }
    }

    /// Returns the caller that the key of a call belongs to.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] if there is no key, or no valid one; [`Error::Unavailable`] if
    /// the key is not cached and the database is not available; [`Error::Overloaded`] or
    /// [`Error::AddressOverloaded`] if too many keys that are not known are being looked up, or too many
    /// calls wait for that.
    pub(crate) async fn authenticate(
        &self,
        credentials: Result<ApiKey, AuthError>,
        arrival: &Arrival<'_>,
    ) -> Result<Principal, Error> {
        let key = self.find(credentials?.digest(), arrival).await?.ok_or(AuthError::InvalidKey)?;
        if key.is_valid(SystemTime::now()) {
            Ok(key.principal)
        } else {
            Err(AuthError::InvalidKey.into())
        }
    }

    async fn find(
        &self,
        digest: KeyDigest,
        arrival: &Arrival<'_>,
    ) -> Result<Option<Arc<ApiKeyRecord>>, Error> {
        if let Some(key) = self.known.get(&digest).await {
            self.metrics.cached.inc();
            return Ok(Some(key));
        }
        if self.unknown.get(&digest).await.is_some() {
            self.metrics.cached_unknown.inc();
            return Ok(None);
        }
        self.metrics.looked_up.inc();
        let _permit = self.waiting.admit(arrival, self.limit.remembers(&digest))?;
        let client = arrival.client.network();
        // Callers with the same key share one look-up, and none of them ends it: callers may go away
        // one after the other while the database is slow.
        let authenticator = self.clone();
        let look_up = async move { authenticator.look_up(digest, client).await };
        match self.look_ups.run(digest, look_up).await {
            Some(found) => Ok(found?),
            None => Err(Error::Internal("the look-up of an API key panicked".into())),
        }
    }

    /// Looks a key up in the database, and caches what it finds.
    async fn look_up(&self, digest: KeyDigest, client: Option<IpAddr>) -> LookUpResult {
        let _permit = self.limit.admit(&digest, client).await?;
        let found = timeout(LOOK_UP_TIMEOUT, self.database.find_api_key(digest)).await;
        let found = found.map_err(|elapsed| store::Error::Unavailable(Arc::new(elapsed)))??;
        let key = found.map(Arc::new);
        match &key {
            Some(key) => {
                self.limit.remember(digest).await;
                self.known.insert(digest, Arc::clone(key)).await;
            }
            None => self.unknown.insert(digest, ()).await,
        }
        Ok(key)
    }
}
