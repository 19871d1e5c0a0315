//! The pool in use, which a failover replaces.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use diesel::r2d2::{CustomizeConnection as _, ManageConnection as _};

use super::{
    connector::Connector,
    lane::Lane,
    pool::{Pool, PoolSettings},
    session::{Session, Sharing, Tokened},
    tenant_shares::TenantShares,
    url::DatabaseUrl,
};
use crate::{
    error::Error, metrics::QueryMetrics, row_level_security::checked_policies::CheckedPolicies,
};

/// The pool in use, and what it takes to open another one like it.
pub(crate) struct CurrentPool {
    url: DatabaseUrl,
    settings: PoolSettings,
    /// `None` without row-level security.
    checked_policies: Option<Arc<CheckedPolicies>>,
    sharing: Sharing,
    pool: RwLock<Arc<Pool>>,
    /// What each tenant has of the connections for queries, for lists, for changes, for changes to
    /// locked rows, for the directory, and for the audit log.
    shares: Arc<TenantShares>,
    list_shares: Arc<TenantShares>,
    change_shares: Arc<TenantShares>,
    contended_shares: Arc<TenantShares>,
    directory_shares: Arc<TenantShares>,
    audit_shares: Arc<TenantShares>,
    callbacks: Mutex<Vec<Callback>>,
    metrics: Arc<QueryMetrics>,
}

type Callback = Box<dyn Fn(&Arc<CurrentPool>) + Send>;

impl CurrentPool {
    /// Starts a pool; see [`Pool::open`].
    pub(crate) fn open(
        url: &DatabaseUrl,
        settings: &PoolSettings,
        is_row_level_security_on: bool,
    ) -> Self {
        let (metrics, sharing) = (Arc::<QueryMetrics>::default(), Sharing::default());
        let pool = Arc::new(Pool::open(url, settings, &sharing, Arc::clone(&metrics)));
        Self {
            url: url.clone(),
            settings: *settings,
            checked_policies: is_row_level_security_on.then(Arc::default),
            sharing,
            pool: RwLock::new(pool),
            shares: TenantShares::new(settings.readers.div_ceil(2), settings.tenant_queue_length),
            list_shares: TenantShares::new(
                settings.readers.div_ceil(2),
                settings.tenant_queue_length,
            ),
            change_shares: TenantShares::new(
                settings.changers.div_ceil(2),
                settings.tenant_queue_length,
            ),
            contended_shares: TenantShares::new(1, settings.tenant_queue_length),
            directory_shares: TenantShares::new(1, settings.tenant_queue_length),
            audit_shares: TenantShares::new(1, settings.tenant_queue_length),
            callbacks: Mutex::default(),
            metrics,
        }
    }

    /// Returns the pool in use.
    pub(crate) fn get(&self) -> Arc<Pool> {
        Arc::clone(&self.pool.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns what the pools, one after the other, count and measure.
    pub(crate) fn metrics(&self) -> &QueryMetrics {
        &self.metrics
    }

    /// Returns the settings of the pool.
    pub(crate) fn settings(&self) -> &PoolSettings {
        &self.settings
    }

    /// Returns which policies were checked; `None` without row-level security.
    pub(crate) fn checked_policies(&self) -> Option<&Arc<CheckedPolicies>> {
        self.checked_policies.as_ref()
    }

    /// Returns what each tenant has of the connections of a lane; `None` if no tenant uses it.
    pub(crate) fn shares(&self, lane: Lane) -> Option<&Arc<TenantShares>> {
        match lane {
            Lane::Queries => Some(&self.shares),
            Lane::Lists => Some(&self.list_shares),
            Lane::Changes => Some(&self.change_shares),
            Lane::Contended => Some(&self.contended_shares),
            Lane::Directory => Some(&self.directory_shares),
            Lane::Audit => Some(&self.audit_shares),
            Lane::Checks => None,
        }
    }

    /// Opens another pool with the same URL and settings. It is not used until [`Self::replace`].
    pub(crate) fn open_another(&self) -> Arc<Pool> {
        Arc::new(Pool::open(&self.url, &self.settings, &self.sharing, Arc::clone(&self.metrics)))
    }

    /// Returns what opens a connection that belongs to no pool. To open one may take long, and does not need
    /// this.
    pub(crate) fn opener(&self) -> impl FnOnce() -> Result<Tokened, Error> + use<> {
        let connector = Connector::new(&self.url, self.sharing.clone());
        let session = Session { lock_timeout: self.settings.lock_timeout };
        move || {
            let mut connection = connector.connect().map_err(Error::unavailable)?;
            session.on_acquire(&mut connection).map_err(Error::unavailable)?;
            Ok(connection)
        }
    }

    /// Replaces the pool in use, abandons the old one, and runs the callbacks.
    pub(crate) fn replace(self: &Arc<Self>, pool: Arc<Pool>) {
        let mut current = self.pool.write().unwrap_or_else(PoisonError::into_inner);
        let old = mem::replace(&mut *current, pool);
        drop(current);
        old.abandon();
        self.metrics.failed_over();
        for callback in &*self.callbacks.lock().unwrap_or_else(PoisonError::into_inner) {
            callback(self);
        }
    }

    /// Registers a callback that runs after each failover, on the monitor's thread. The callback
    /// must not keep this alive: it would never be dropped.
    pub(crate) fn on_failover(&self, callback: impl Fn(&Arc<Self>) + Send + 'static) {
        let mut callbacks = self.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
        callbacks.push(Box::new(callback));
    }
}

impl fmt::Debug for CurrentPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentPool")
            .field("url", &self.url)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
