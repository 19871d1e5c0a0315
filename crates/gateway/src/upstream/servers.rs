//! The servers behind the gateway, and which of them a call goes to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Uri;
use proto::tasks::v1::task_service_client::TaskServiceClient;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::foreign::OwnAnswers;
use crate::Upstream;

/// 25 tasks with 50 unknown emails each make 1,250 faults, which a status carries in a header.
const MAX_HEADER_LIST_BYTES: u32 = 1024 * 1024;

/// How often each of several servers is asked whether it serves.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long it may take to answer that.
const PATIENCE: Duration = Duration::from_secs(1);

/// One server or several. Calls go round; a server that does not serve is passed over for as long
/// as another one does.
///
/// tonic's own balancing keeps to servers that can be called at once, and one whose connections
/// are refused can: it fails at once. It also knows nothing of a server's health, so it would call
/// one that is about to end, or that hangs.
#[derive(Debug)]
pub(super) struct Servers {
    servers: Vec<Arc<Server>>,
    turn: AtomicUsize,
    /// They end with this.
    _probes: JoinSet<()>,
}

/// A connection to a server, made when it is first needed and again when it is lost.
#[derive(Debug)]
pub(super) struct Server {
    uri: Uri,
    tasks: TaskServiceClient<OwnAnswers>,
    health: HealthClient<OwnAnswers>,
    is_up: AtomicBool,
}

impl Servers {
    /// Connects to none of them yet. One alone is not watched: calls have nowhere else to go.
    pub(super) fn new(upstream: &Upstream) -> Self {
        let servers: Vec<_> = upstream.0.iter().map(|uri| Arc::new(Server::new(uri))).collect();
        let mut probes = JoinSet::new();
        if servers.len() > 1 {
            for server in &servers {
                probes.spawn(watch(Arc::clone(server)));
            }
        }
        Self { servers, turn: AtomicUsize::new(0), _probes: probes }
    }

    /// The server for the next call, or for one more attempt at a call.
    pub(super) fn next(&self) -> Option<&Server> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let up = || self.servers.iter().filter(|server| server.is_up.load(Ordering::Relaxed));
        let server = match up().count() {
            0 => None,
            // It may have gone down since it was counted.
            count => up().nth(turn % count),
        };
        let server = server.or_else(|| self.servers.get(turn % self.servers.len().max(1)));
        server.map(Arc::as_ref)
    }

    /// Whether any of them says that it serves.
    pub(super) async fn any_serves(&self) -> bool {
        let ask = |server: &Arc<Server>| {
            let server = Arc::clone(server);
            async move { server.serves().await }
        };
        let mut answers: JoinSet<bool> = self.servers.iter().map(ask).collect();
        while let Some(answer) = answers.join_next().await {
            if matches!(answer, Ok(true)) {
                return true;
            }
        }
        false
    }
}

impl Server {
    fn new(uri: &Uri) -> Self {
        let channel = Endpoint::from(uri.clone())
            .connect_timeout(Duration::from_secs(1))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .http2_max_header_list_size(MAX_HEADER_LIST_BYTES)
            .connect_lazy();
        let channel = OwnAnswers(channel);
        Self {
            uri: uri.clone(),
            tasks: TaskServiceClient::new(channel.clone()),
            // Statuses of health's own have no reason and count as foreign, but each means that it
            // doesn't serve, whoever wrote it.
            health: HealthClient::new(channel),
            is_up: AtomicBool::new(true),
        }
    }

    /// A client of its own for each call.
    pub(super) fn tasks(&self) -> TaskServiceClient<OwnAnswers> {
        self.tasks.clone()
    }

    /// Has it passed over from now on, until it says that it serves.
    pub(super) fn pass_over(&self) {
        self.is_up.store(false, Ordering::Relaxed);
    }

    /// Whether it says that it serves.
    async fn serves(&self) -> bool {
        let mut health = self.health.clone();
        // From outside: the wait for a connection counts, too.
        let answer = timeout(PATIENCE, health.check(HealthCheckRequest::default())).await;
        matches!(answer, Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving)
    }
}

/// Keeps up with whether a server serves.
async fn watch(server: Arc<Server>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_up = None;
    loop {
        ticks.tick().await;
        let is_up = server.serves().await;
        server.is_up.store(is_up, Ordering::Relaxed);
        if was_up != Some(is_up) {
            let upstream = &server.uri;
            if is_up {
                tracing::info!(%upstream, "an upstream serves");
            } else {
                tracing::warn!(%upstream, "an upstream does not serve, and is passed over");
            }
            was_up = Some(is_up);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(upstream: &str) -> Servers {
        Servers::new(&upstream.parse().unwrap())
    }

    fn next(servers: &Servers) -> String {
        servers.next().unwrap().uri.to_string()
    }

    #[tokio::test]
    async fn calls_go_round_and_pass_over_who_is_down_unless_all_are() {
        let servers = servers("http://a:1,http://b:1,http://c:1");
        let round: Vec<_> = (0..4).map(|_| next(&servers)).collect();
        assert_eq!(round, ["http://a:1/", "http://b:1/", "http://c:1/", "http://a:1/"]);

        servers.servers[1].pass_over();
        let round: Vec<_> = (0..4).map(|_| next(&servers)).collect();
        assert_eq!(round, ["http://a:1/", "http://c:1/", "http://a:1/", "http://c:1/"]);

        servers.servers[0].pass_over();
        servers.servers[2].pass_over();
        let round: Vec<_> = (0..3).map(|_| next(&servers)).collect();
        assert_eq!(round, ["http://c:1/", "http://a:1/", "http://b:1/"]);
    }
}
