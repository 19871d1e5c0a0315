//! The servers behind the gateway, and the choice of one for each call.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Uri;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{
    backlog::{Backlog, MAX_UNANSWERED, Unanswered},
    channel::Channel,
    health::SharedCheck,
    origin::OriginResponses,
    transport::Transport,
};
use crate::Upstream;

/// How often the health of each of several servers is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// The timeout of a health check. It is longer than the wait for a connection, whose end is an answer, too.
const CHECK_TIMEOUT: Duration = Duration::from_millis(1500);

/// One server or several. Calls go to them in turn. A server that does not serve is skipped while
/// another one does.
///
/// tonic's own balancing prefers servers that are ready to be called, and one that refuses
/// connections is: calls to it fail at once. Nor does it know of health checks, so it would call
/// a server that is about to end, or that hangs.
#[derive(Debug)]
pub(crate) struct Servers<T = Channel> {
    servers: Vec<Arc<Server<T>>>,
    turn: AtomicUsize,
    /// Whether any server serves, as the last probe has found.
    found_serving: Arc<AtomicBool>,
    /// The tasks that check the servers' health. They are aborted on drop.
    _checks: JoinSet<()>,
}

/// A server, and whether it serves.
#[derive(Debug)]
pub(crate) struct Server<T = Channel> {
    uri: Uri,
    transport: OriginResponses<T>,
    is_up: AtomicBool,
    backlog: Backlog,
    shared_check: SharedCheck,
}

impl Servers {
    /// Returns the servers at these addresses, each of them as often as it takes connections for so many
    /// calls at once. Connects to each when it is first called, and again when the connection is lost.
    /// Must be called on a runtime.
    pub(crate) fn connect(upstream: &Upstream, max_calls: usize) -> Self {
        let connect = |uri: &Uri| {
            let channel = Channel::new(uri.clone(), upstream.tls.clone());
            Server::new(uri.clone(), channel)
        };
        let connections = max_calls.div_ceil(MAX_UNANSWERED * upstream.uris.len().max(1)).max(1);
        Self::new((0..connections).flat_map(|_| upstream.uris.iter().map(connect)))
    }
}

impl<T: Transport> Servers<T> {
    /// Returns these servers. The health of a single one is not checked: there is no other one to
    /// call. Must be called on a runtime.
    pub(super) fn new(servers: impl IntoIterator<Item = Server<T>>) -> Self {
        let servers: Vec<_> = servers.into_iter().map(Arc::new).collect();
        let mut checks = JoinSet::new();
        if servers.len() > 1 {
            for server in &servers {
                checks.spawn(watch(Arc::clone(server)));
            }
        }
        let (turn, found_serving) = (AtomicUsize::new(0), Arc::default());
        Self { servers, turn, found_serving, _checks: checks }
    }

    /// Returns the server for the next attempt at a call; `None` if there are no servers.
    pub(super) fn next(&self) -> Option<&Arc<Server<T>>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let up = || self.servers.iter().filter(|server| server.is_up.load(Ordering::Relaxed));
        let server = match up().count() {
            0 => None,
            // `nth` finds none if a server went down since they were counted.
            count => up().nth(turn % count),
        };
        server.or_else(|| self.servers.get(turn % self.servers.len().max(1)))
    }

    /// Returns whether any server reports that it serves. Concurrent callers share the checks.
    pub(super) async fn any_serves(&self) -> bool {
        let serves = self.find_serving().await;
        self.found_serving.store(serves, Ordering::Relaxed);
        serves
    }

    /// Returns what tells whether any server served when that was last asked.
    pub(super) fn found_serving(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.found_serving)
    }

    async fn find_serving(&self) -> bool {
        let check = |server: &Arc<Server<T>>| {
            let server = Arc::clone(server);
            async move { server.serves().await }
        };
        let mut results: JoinSet<bool> = self.servers.iter().map(check).collect();
        while let Some(result) = results.join_next().await {
            if matches!(result, Ok(true)) {
                return true;
            }
        }
        false
    }
}

impl<T: Transport> Server<T> {
    /// Returns a server that is called over this transport. The URI names it in logs.
    pub(super) fn new(uri: Uri, transport: T) -> Self {
        Self {
            uri,
            transport: OriginResponses::new(transport),
            is_up: AtomicBool::new(true),
            backlog: Backlog::default(),
            shared_check: SharedCheck::default(),
        }
    }

    /// Returns the address.
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns the transport for a call.
    pub(super) fn transport(&self) -> OriginResponses<T> {
        self.transport.clone()
    }

    /// Counts a call to the server; `None` if it has left too many without an answer. Must be called on
    /// a runtime.
    pub(super) fn begin_call(self: &Arc<Self>) -> Option<Unanswered<'_>> {
        if self.backlog.wants_answer() {
            tokio::spawn(await_answer(Arc::downgrade(self)));
        }
        self.backlog.begin()
    }

    /// Skips the server until it reports that it serves.
    pub(super) fn mark_down(&self) {
        self.is_up.store(false, Ordering::Relaxed);
    }

    /// Returns whether the server reports that it serves. A check that is running is not repeated, and
    /// ends even if its callers go away: it would count as a call that was given up.
    async fn serves(self: &Arc<Self>) -> bool {
        let check = || {
            let server = Arc::clone(self);
            async move { server.shared_check.finish(server.check_health().await) }
        };
        self.shared_check.join(check).await
    }

    /// Asks the server whether it serves, however many calls are without an answer: a server with much
    /// to do serves. An intermediary's response means that it does not, and so do the health service's
    /// own errors, which have no reason.
    async fn check_health(&self) -> bool {
        self.check(self.backlog.begin_anyway()).await.unwrap_or(false)
    }

    /// Asks the server whether it serves; `None` if it does not answer in time.
    async fn check(&self, call: Unanswered<'_>) -> Option<bool> {
        let mut health = HealthClient::new(self.transport());
        // Not tonic's timeout: the wait for a connection counts, too.
        let check =
            timeout(CHECK_TIMEOUT, health.check(HealthCheckRequest::default())).await.ok()?;
        call.answered();
        Some(check.is_ok_and(|reply| reply.get_ref().status() == ServingStatus::Serving))
    }
}

/// Asks a server until it answers, or its connection ends.
async fn await_answer<T: Transport>(server: Weak<Server<T>>) {
    let mut was_asked = false;
    while let Some(server) = server.upgrade() {
        let upstream = &server.uri;
        if server.check(server.backlog.begin_anyway()).await.is_some() {
            if was_asked {
                tracing::info!(%upstream, "upstream answers again");
            }
            return server.backlog.stop_asking();
        }
        if !was_asked {
            tracing::warn!(%upstream, "upstream does not answer; its calls are limited");
            was_asked = true;
        }
        drop(server);
        sleep(CHECK_INTERVAL).await;
    }
}

/// Checks the health of a server for as long as the task runs, and logs each change.
async fn watch<T: Transport>(server: Arc<Server<T>>) {
    let mut ticks = interval(CHECK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_up = None;
    loop {
        ticks.tick().await;
        let is_up = server.check_health().await;
        server.is_up.store(is_up, Ordering::Relaxed);
        if was_up != Some(is_up) {
            let upstream = &server.uri;
            if is_up {
                tracing::info!(%upstream, "upstream is serving");
            } else {
                tracing::warn!(%upstream, "upstream is not serving");
            }
            was_up = Some(is_up);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll};

    use tonic::{
        body::Body,
        codegen::{Service, http},
    };
    use tonic_health::{ServingStatus as Reported, server::health_reporter};

    use super::*;

    /// A transport that counts the calls made over it.
    #[derive(Clone)]
    struct Counted<S>(S, Arc<AtomicUsize>);

    impl<S: Service<http::Request<Body>>> Service<http::Request<Body>> for Counted<S> {
        type Response = S::Response;
        type Error = S::Error;
        type Future = S::Future;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
            self.0.poll_ready(cx)
        }

        fn call(&mut self, request: http::Request<Body>) -> S::Future {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.call(request)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn probes_at_the_same_time_share_a_check_which_no_calls_in_flight_prevent() {
        let (reporter, service) = health_reporter();
        let checks = Arc::new(AtomicUsize::new(0));
        let transport = Counted(service, Arc::clone(&checks));
        let server = Server::new("http://in.process".parse().unwrap(), transport);
        let servers = Arc::new(Servers::new([server]));
        let in_flight: Vec<_> =
            (0..MAX_UNANSWERED).map_while(|_| servers.servers[0].begin_call()).collect();
        assert_eq!(in_flight.len(), MAX_UNANSWERED);

        let probe = |servers: &Arc<Servers<_>>| {
            let servers = Arc::clone(servers);
            async move { servers.any_serves().await }
        };
        let probes: JoinSet<bool> = (0..300).map(|_| probe(&servers)).collect();
        assert!(probes.join_all().await.into_iter().all(|serves| serves));
        assert_eq!(checks.load(Ordering::Relaxed), 1);

        // A later probe does not get an old result.
        reporter.set_service_status("", Reported::NotServing).await;
        assert!(!servers.any_serves().await);
        assert_eq!(checks.load(Ordering::Relaxed), 2);
    }

    fn servers(upstream: &str) -> Servers {
        Servers::connect(&upstream.parse().unwrap(), 3 * MAX_UNANSWERED)
    }

    fn next(servers: &Servers) -> String {
        servers.next().unwrap().uri.to_string()
    }

    #[tokio::test]
    async fn calls_go_to_the_servers_in_turn_and_skip_those_that_are_down_unless_all_are() {
        let servers = servers("http://a:1,http://b:1,http://c:1");
        let round: Vec<_> = (0..4).map(|_| next(&servers)).collect();
        assert_eq!(round, ["http://a:1/", "http://b:1/", "http://c:1/", "http://a:1/"]);

        servers.servers[1].mark_down();
        let round: Vec<_> = (0..4).map(|_| next(&servers)).collect();
        assert_eq!(round, ["http://a:1/", "http://c:1/", "http://a:1/", "http://c:1/"]);

        servers.servers[0].mark_down();
        servers.servers[2].mark_down();
        let round: Vec<_> = (0..3).map(|_| next(&servers)).collect();
        assert_eq!(round, ["http://c:1/", "http://a:1/", "http://b:1/"]);
    }

    #[tokio::test]
    async fn a_server_has_as_many_connections_as_the_calls_at_once_need() {
        let connections = |upstream: &str, max_calls| {
            let upstream = upstream.parse().unwrap();
            let servers = Servers::connect(&upstream, max_calls).servers;
            servers.iter().map(|server| server.uri.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(connections("http://a:1", 1), ["http://a:1/"]);
        assert_eq!(connections("http://a:1", 2048), ["http://a:1/"]);
        assert_eq!(connections("http://a:1", 2049), ["http://a:1/"; 2]);
        let both = ["http://a:1/", "http://b:1/", "http://a:1/", "http://b:1/"];
        assert_eq!(connections("http://a:1,http://b:1", 4097), both);
    }
}
