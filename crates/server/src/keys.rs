//! Who calls: keys looked up in the database, and remembered for a while.

use std::{sync::Arc, time::SystemTime};

use domain::{AuthError, Error, KeyDigest, Principal};
use moka::future::Cache;
use store::{Database, Key};
use tonic::metadata::MetadataMap;

use crate::{KeyOptions, bearer};

/// How many keys of each kind are remembered. Each takes some hundred bytes.
const REMEMBERED: u64 = 10_000;

/// Tells who calls.
///
/// Keys that exist and keys that don't are remembered apart: whoever sends made-up keys pushes
/// only other made-up keys out of memory.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    database: Database,
    known: Cache<KeyDigest, Arc<Key>>,
    unknown: Cache<KeyDigest, ()>,
}

impl Keys {
    pub(crate) fn new(database: Database, options: &KeyOptions) -> Self {
        let known = Cache::builder().max_capacity(REMEMBERED).time_to_live(options.key_ttl).build();
        let unknown =
            Cache::builder().max_capacity(REMEMBERED).time_to_live(options.unknown_key_ttl).build();
        Self { database, known, unknown }
    }

    /// Who makes the call with this metadata.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`]; [`Error::Unavailable`] where the key must be looked up and
    /// can't be.
    pub(crate) async fn authenticate(&self, metadata: &MetadataMap) -> Result<Principal, Error> {
        let digest = bearer::key(metadata)?.digest();
        let key = self.find(digest).await?.ok_or(AuthError::InvalidKey)?;
        if key.is_valid(SystemTime::now()) {
            Ok(key.principal)
        } else {
            Err(AuthError::InvalidKey.into())
        }
    }

    async fn find(&self, digest: KeyDigest) -> Result<Option<Arc<Key>>, Error> {
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
                // A look-up has no effect that could be in doubt.
                Miss::Failed(store::Error::Unavailable(_) | store::Error::ConnectionLost(_)) => {
                    Err(Error::Unavailable(miss.into()))
                }
                Miss::Failed(_) => Err(Error::Internal(miss.into())),
            },
        }
    }

    async fn look_up(&self, digest: KeyDigest) -> Result<Arc<Key>, Miss> {
        self.database.find_key(digest).await?.map(Arc::new).ok_or(Miss::Unknown)
    }
}

/// Why a look-up found nothing.
#[derive(Debug, thiserror::Error)]
enum Miss {
    #[error("there is no such key")]
    Unknown,
    #[error("a key could not be looked up")]
    Failed(#[from] store::Error),
}
