//! The data that is loaded before the measurements.

use std::{process::Command, time::Duration};

use domain::{ApiKey, Networks, Scope};
use localdb::Cluster;
use store::{Database, DatabaseUrl, NewApiKey, PoolSettings};

/// The settings of Postgres that matter here.
pub(crate) const SETTINGS: [&str; 8] = [
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
];

/// Returns what Postgres answers to statements.
pub(crate) fn psql(cluster: &Cluster, url: &str, sql: &str) -> String {
    let output = Command::new(cluster.bin_dir().join("psql"))
        .args([url, "-XAtqv", "ON_ERROR_STOP=1", "-c", sql])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Migrates the database, and creates tenants, numbered from 1, with an API key each.
pub(crate) fn create_tenants(url: &str, count: i64) -> Vec<ApiKey> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
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
        let database = Database::open(&url.parse::<DatabaseUrl>().unwrap(), &settings);
        database.migrate().await.unwrap();
        let mut keys = Vec::new();
        for number in 1..=count {
            let tenant = database.create_tenant(format!("Tenant {number}")).await.unwrap();
            assert_eq!(tenant.id.get(), number);
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).unwrap();
            let key = ApiKey::from_random_bytes(bytes);
            let new = NewApiKey {
                name: "bench".to_owned(),
                digest: key.digest(),
                scopes: [Scope::TasksRead, Scope::TasksWrite].into_iter().collect(),
                networks: Networks::default(),
                expires_at: None,
            };
            database.create_api_key(tenant.id, new).await.unwrap();
            keys.push(key);
        }
        keys
    })
}
