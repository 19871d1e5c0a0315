//! Looks up API keys in the database, and caches what it finds.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use domain::{ApiKey, AuthError, Error, KeyDigest, Principal};
use moka::future::Cache;
use store::{ApiKeyRecord, Database};

/// The most keys of each cache. Each takes some hundred bytes.
const CACHED_KEYS: u64 = 10_000;

/// Authenticates callers by their API keys.
///
/// Keys that exist and keys that don't are cached apart, so that made-up keys displace made-up keys
/// only.
#[derive(Clone, Debug)]
pub(crate) struct Authenticator {
    database: Database,
    known: Cache<KeyDigest, Arc<ApiKeyRecord>>,
    unknown: Cache<KeyDigest, ()>,
}

impl Authenticator {
    /// Creates an authenticator that caches known keys for `key_ttl` and unknown ones for
    /// `unknown_key_ttl`.
    pub(crate) fn new(database: Database, key_ttl: Duration, unknown_key_ttl: Duration) -> Self {
        let known = Cache::builder().max_capacity(CACHED_KEYS).time_to_live(key_ttl).build();
        let unknown =
            Cache::builder().max_capacity(CACHED_KEYS).time_to_live(unknown_key_ttl).build();
        Self { database, known, unknown }
    }

    /// Returns the caller that the key of a call belongs to.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] if there is no key, or no valid one; [`Error::Unavailable`] if
    /// the key is not cached and the database is not available.
    pub(crate) async fn authenticate(
        &self,
        credentials: Result<ApiKey, AuthError>,
    ) -> Result<Principal, Error> {
        let key = self.find(credentials?.digest()).await?.ok_or(AuthError::InvalidKey)?;
        if key.is_valid(SystemTime::now()) {
            Ok(key.principal)
        } else {
            Err(AuthError::InvalidKey.into())
        }
    }

    async fn find(&self, digest: KeyDigest) -> Result<Option<Arc<ApiKeyRecord>>, Error> {
        if let Some(key) = self.known.get(&digest).await {
            return Ok(Some(key));
        }
        if self.unknown.get(&digest).await.is_some() {
            return Ok(None);
        }
        // Callers with the same key share one look-up.
        let found = self.known.try_get_with(digest, self.look_up(digest)).await;
        match found {
            Ok(key) => Ok(Some(key)),
            Err(miss) => match &*miss {
                Miss::Unknown => {
                    self.unknown.insert(digest, ()).await;
                    Ok(None)
                }
                Miss::Failed(error) => Err(error.clone().into()),
            },
        }
    }

    async fn look_up(&self, digest: KeyDigest) -> Result<Arc<ApiKeyRecord>, Miss> {
        self.database.find_api_key(digest).await?.map(Arc::new).ok_or(Miss::Unknown)
    }
}

/// Why a look-up returned no key.
#[derive(Debug, thiserror::Error)]
enum Miss {
    #[error("the API key does not exist")]
    Unknown,
    #[error("failed to look up an API key")]
    Failed(#[from] store::Error),
}
