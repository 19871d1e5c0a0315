//! The tenants of a new database.

use std::time::Duration;

use domain::{ApiKey, Networks, Scope};
use store::{Database, DatabaseUrl, NewApiKey, PoolSettings};

/// Migrates the database at a URL, and creates tenants, numbered from 1, each with an API key of this name
/// and with all scopes. Returns the keys, whose ids are numbered alike.
pub(crate) async fn create(url: &str, count: usize, key_name: &str) -> Vec<ApiKey> {
    let database = open(url);
    database.migrate().await.unwrap();
    let mut keys = Vec::new();
    for number in 1..=count {
        let tenant = database.create_tenant(format!("Tenant {number}")).await.unwrap();
        assert_eq!(usize::try_from(tenant.id.get()).unwrap(), number);
        let key = random_key();
        let new = NewApiKey {
            name: key_name.to_owned(),
            digest: key.digest(),
            scopes: Scope::ALL.into_iter().collect(),
            networks: Networks::default(),
            expires_at: None,
        };
        database.create_api_key(tenant.id, new).await.unwrap();
        keys.push(key);
    }
    keys
}

/// Returns the database at a URL, as commands use it.
pub(crate) fn open(url: &str) -> Database {
    let checkout_timeout = Duration::from_secs(10);
    let lock_timeout = Duration::from_secs(1);
    let settings = PoolSettings {
        writers: 0,
        readers: 1,
        changers: 0,
        checkout_timeout,
        lock_timeout,
        tenant_queue_length: 1,
    };
    Database::open(&url.parse::<DatabaseUrl>().unwrap(), &settings)
}

/// Returns a new API key, which is not stored.
pub(crate) fn random_key() -> ApiKey {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).unwrap();
    ApiKey::from_random_bytes(bytes)
}
