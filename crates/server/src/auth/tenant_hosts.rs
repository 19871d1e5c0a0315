//! On which hosts the keys of which tenants are accepted.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use domain::{Error, HostName, TenantId};
use runtime::CancellationToken;
use store::TenantHost;
use telemetry::Throttle;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};

use super::named_hosts::NamedHosts;

/// How long hosts are used at least before they are read again: as long as keys are cached, but keys may not be cached at
/// all.
const SHORTEST_AGE: Duration = Duration::from_secs(1);

/// How long it may take to read them. The connection may hang while others don't.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// When they are read again after that has failed.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// The least time between two attempts, however many calls want one.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// The least time between two log lines about hosts that can't be read.
static FAILURES: Throttle = Throttle::new(Duration::from_secs(60));

/// The hosts of all tenants, which are in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct TenantHosts(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Whether it is known that no tenant has any, so that a call costs nothing more.
    are_none: AtomicBool,
    /// `None` until they were read for the first time, or that has failed.
    last: watch::Sender<Option<Result<Arc<Bindings>, store::Error>>>,
    is_stale: Notify,
}

/// Which hosts are whose.
#[derive(Debug, Default)]
struct Bindings {
    tenants: HashMap<HostName, TenantId>,
    /// The tenants whose keys are accepted on their own hosts only.
    exclusive: HashSet<TenantId>,
}

impl TenantHosts {
    /// Returns whether the keys of a tenant are accepted on these hosts. Waits until it is known which hosts are whose,
    /// right after the start, with what `permit` gives.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`] if it can't be found out; that of `permit`.
    pub(super) async fn allow<P>(
        &self,
        tenant: TenantId,
        hosts: &NamedHosts<'_>,
        permit: impl FnOnce() -> Result<P, Error>,
    ) -> Result<bool, Error> {
        if self.0.are_none.load(Ordering::Acquire) {
            return Ok(true);
        }
        let known = self.0.last.borrow().clone();
        let bindings = match known {
            Some(Ok(known)) => known,
            _ => {
                let _permit = permit()?;
                self.await_bindings().await?
            }
        };
        Ok(bindings.allow(tenant, hosts))
    }

    /// Waits until it is known which hosts are whose: no key is accepted before that.
    ///
    /// # Errors
    /// [`store::Error::Unavailable`] and [`store::Error::Internal`] if it can't be found out.
    pub(super) async fn known(&self) -> Result<(), store::Error> {
        self.await_bindings().await.map(drop)
    }

    async fn await_bindings(&self) -> Result<Arc<Bindings>, store::Error> {
        let mut changes = self.0.last.subscribe();
        let known = changes.borrow_and_update().clone();
        match known {
            Some(Ok(known)) => return Ok(known),
            // The database may be back: callers have no reason to wait for the next regular attempt.
            Some(Err(_)) => self.mark_stale(),
            None => {}
        }
        let read = timeout(READ_TIMEOUT, changes.changed()).await;
        let read = read.map_err(|elapsed| store::Error::Unavailable(Arc::new(elapsed)))?;
        read.map_err(|closed| store::Error::Unavailable(Arc::new(closed)))?;
        let read = changes.borrow().clone();
        read.unwrap_or_else(|| Ok(Arc::default()))
    }

    /// Has the hosts read again, as they were changed.
    pub(super) fn mark_stale(&self) {
        self.0.is_stale.notify_one();
    }

    /// Reads the hosts, and again when they were changed and at least once in `max_age`, until the token is cancelled.
    pub(super) async fn run<F>(
        self,
        read: impl Fn() -> F,
        max_age: Duration,
        ended: CancellationToken,
    ) where
        F: Future<Output = Result<Vec<TenantHost>, store::Error>>,
    {
        let max_age = max_age.max(SHORTEST_AGE);
        loop {
            let read = timeout(READ_TIMEOUT, read()).await;
            let read = read.map_err(|elapsed| store::Error::Unavailable(Arc::new(elapsed)));
            let pause = match read.flatten() {
                Ok(hosts) => {
                    self.replace(hosts);
                    max_age
                }
                Err(error) => {
                    self.fail(error);
                    RETRY_INTERVAL
                }
            };
            let next = async {
                sleep(SHORTEST_PAUSE).await;
                // At once, if they were changed or a call wanted them meanwhile.
                let _waited = timeout(pause, self.0.is_stale.notified()).await;
            };
            tokio::select! {
                () = ended.cancelled() => return,
                () = next => {}
            }
        }
    }

    fn replace(&self, hosts: Vec<TenantHost>) {
        let are_none = hosts.is_empty();
        let bindings = Bindings::from_iter(hosts);
        self.0.last.send_replace(Some(Ok(Arc::new(bindings))));
        self.0.are_none.store(are_none, Ordering::Release);
    }

    /// Those that were read before stay: as long as the database is away, no other keys become known than those that
    /// are.
    fn fail(&self, error: store::Error) {
        if let Some(suppressed) = FAILURES.allow(Instant::now().into_std()) {
            tracing::warn!(%error, suppressed, "failed to read the hosts of tenants");
        }
        self.0.last.send_if_modified(|last| {
            let are_unknown = !matches!(last, Some(Ok(_)));
            if are_unknown {
                *last = Some(Err(error));
            }
            are_unknown
        });
    }
}

impl FromIterator<TenantHost> for Bindings {
    fn from_iter<I: IntoIterator<Item = TenantHost>>(hosts: I) -> Self {
        let mut bindings = Self::default();
        for TenantHost { host, tenant, exclusive, .. } in hosts {
            bindings.tenants.insert(host, tenant);
            if exclusive {
                bindings.exclusive.insert(tenant);
            }
        }
        bindings
    }
}

impl Bindings {
    fn allow(&self, tenant: TenantId, hosts: &NamedHosts<'_>) -> bool {
        let owner = |name: &str| self.tenants.get(name).copied();
        if hosts.any(|name| owner(name).is_some_and(|owner| owner != tenant)) {
            return false;
        }
        !self.exclusive.contains(&tenant) || hosts.any_certain(|name| owner(name) == Some(tenant))
    }
}

#[cfg(test)]
mod tests {
    use std::{future::ready, sync::atomic::AtomicUsize, time::UNIX_EPOCH};

    use http::Request;
    use serving::Client;

    use super::*;

    fn host(name: &str, tenant: i64, exclusive: bool) -> TenantHost {
        let (host, tenant) = (name.parse().unwrap(), TenantId::new(tenant).unwrap());
        TenantHost { host, tenant, exclusive, created_at: UNIX_EPOCH }
    }

    /// Returns whether the keys of these tenants are accepted: 1 has a host, 2 has one and is exclusive, 3 has none.
    fn allowed(authority: &str, forwarded: Option<&str>, client: &Client) -> [bool; 3] {
        let bindings =
            Bindings::from_iter([host("one.example", 1, false), host("two.example", 2, true)]);
        let request = Request::get(format!("http://{authority}/"));
        let request = match forwarded {
            Some(hosts) => request.header("x-forwarded-host", hosts),
            None => request,
        };
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let hosts = NamedHosts::of(&parts, client);
        [1, 2, 3].map(|tenant| bindings.allow(TenantId::new(tenant).unwrap(), &hosts))
    }

    #[test]
    fn keys_are_refused_on_hosts_of_others_and_where_they_are_exclusive_on_those_of_nobody() {
        let (stranger, proxy) = (Client::default(), Client::behind_proxy());
        for (authority, forwarded, client, expected) in [
            ("one.example", None, &stranger, [true, false, false]),
            ("ONE.example:8080", None, &stranger, [true, false, false]),
            ("two.example.", None, &stranger, [false, true, false]),
            ("www.two.example", None, &stranger, [true, false, true]),
            ("server.internal", None, &stranger, [true, false, true]),
            ("server.internal", Some("one.example"), &proxy, [true, false, false]),
            ("server.internal", Some("two.example"), &proxy, [false, true, false]),
            (
                "server.internal",
                Some("nobody.example, TWO.example:1"),
                &proxy,
                [false, true, false],
            ),
            // A stranger can only get itself refused.
            ("server.internal", Some("two.example"), &stranger, [false, false, false]),
            ("two.example", Some("nobody.example"), &stranger, [false, true, false]),
            ("two.example", Some("one.example"), &proxy, [false; 3]),
        ] {
            let found = allowed(authority, forwarded, client);
            assert_eq!(found, expected, "{authority} {forwarded:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_has_hosts_read_again_that_could_not_be_read() {
        let hosts = TenantHosts::default();
        hosts.fail(store::Error::Unavailable(Arc::new(std::io::Error::other("away"))));
        let (parts, ()) = Request::get("http://one.example/").body(()).unwrap().into_parts();
        let named = NamedHosts::of(&parts, &Client::default());
        let read = async {
            hosts.0.is_stale.notified().await;
            hosts.replace(vec![host("one.example", 1, false)]);
        };
        let (allowed, ()) =
            tokio::join!(hosts.allow(TenantId::new(1).unwrap(), &named, || Ok(())), read);
        assert!(allowed.unwrap());
    }

    /// Each attempt is a statement, and a line in the log of Postgres, as long as a privilege is missing.
    #[tokio::test(start_paused = true)]
    async fn hosts_that_cannot_be_read_are_not_read_as_often_as_calls_want_them() {
        let hosts = TenantHosts::default();
        let reads = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&reads);
        let read = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            ready(Err(store::Error::Unavailable(Arc::new(std::io::Error::other("denied")))))
        };
        let ended = CancellationToken::new();
        tokio::spawn(hosts.clone().run(read, Duration::from_secs(60), ended.clone()));
        let (parts, ()) = Request::get("http://one.example/").body(()).unwrap().into_parts();
        let named = NamedHosts::of(&parts, &Client::default());
        let (begin, tenant) = (Instant::now(), TenantId::new(1).unwrap());
        for _ in 0..100 {
            assert!(hosts.allow(tenant, &named, || Ok(())).await.is_err());
        }
        let most = begin.elapsed().as_millis() / SHORTEST_PAUSE.as_millis() + 1;
        assert!(
            reads.load(Ordering::Relaxed) as u128 <= most,
            "{reads:?} in {:?}",
            begin.elapsed()
        );
        ended.cancel();
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_accepted_before_the_hosts_are_known_and_those_known_stay() {
        let hosts = TenantHosts::default();
        let (parts, ()) = Request::get("http://one.example/").body(()).unwrap().into_parts();
        let named = NamedHosts::of(&parts, &Client::default());
        let allow =
            async |tenant| hosts.allow(TenantId::new(tenant).unwrap(), &named, || Ok(())).await;
        assert!(matches!(allow(1).await, Err(Error::Unavailable(_))), "nothing came");

        let failure = || store::Error::Unavailable(Arc::new(std::io::Error::other("away")));
        hosts.fail(failure());
        assert!(matches!(allow(1).await, Err(Error::Unavailable(_))));
        hosts.replace(vec![host("one.example", 1, false)]);
        assert!(allow(1).await.unwrap() && !allow(2).await.unwrap());
        hosts.fail(failure());
        assert!(allow(1).await.unwrap() && !allow(2).await.unwrap());
        hosts.replace(Vec::new());
        assert!(hosts.0.are_none.load(Ordering::Acquire) && allow(2).await.unwrap());
        hosts.replace(vec![host("one.example", 1, false)]);
        assert!(!allow(2).await.unwrap());
    }

    #[tokio::test]
    async fn a_call_waits_for_the_hosts_only_if_it_may() {
        let hosts = TenantHosts::default();
        let (parts, ()) = Request::get("http://one.example/").body(()).unwrap().into_parts();
        let named = NamedHosts::of(&parts, &Client::default());
        let allow = async || {
            let denied = || Err::<(), _>(Error::Overloaded);
            hosts.allow(TenantId::new(1).unwrap(), &named, denied).await
        };
        assert!(matches!(allow().await, Err(Error::Overloaded)));
        hosts.replace(vec![host("one.example", 1, false)]);
        assert!(allow().await.unwrap());
    }
}
