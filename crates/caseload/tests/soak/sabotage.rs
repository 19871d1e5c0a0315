//! Deliberate defects, which show that a run can fail.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use clap::ValueEnum;
use tokio::time::sleep;
use tonic::transport::Endpoint;

use crate::psql::Psql;

/// How often a client that leaks opens a connection.
const LEAK_INTERVAL: Duration = Duration::from_secs(1);

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sabotage {
    /// A client opens connections to server 1 that it never closes, and the server sets no age at which it
    /// would: connections, files and memory grow
    LeakConnections,
    /// From the middle on, each commit waits for a tenth of a second: calls take longer
    SlowCommits,
    /// Callers repeat creates with new idempotency keys: doubled
    NewKeys,
}

impl Sabotage {
    /// Returns additional options of server 1.
    pub(crate) fn server_args(self) -> &'static [&'static str] {
        match self {
            Self::LeakConnections => &["--max-connection-age", "1d"],
            Self::SlowCommits | Self::NewKeys => &[],
        }
    }

    /// Does what is wrong until the end, given the address of server 1, and how long the run takes.
    pub(crate) async fn run(
        self,
        server: SocketAddr,
        psql: Psql,
        duration: Duration,
        ended: Arc<AtomicBool>,
    ) {
        match self {
            Self::LeakConnections => {
                let mut leaked = Vec::new();
                while !ended.load(Ordering::Relaxed) {
                    let endpoint = Endpoint::from_shared(format!("http://{server}")).unwrap();
                    leaked.extend(endpoint.connect().await);
                    sleep(LEAK_INTERVAL).await;
                }
            }
            Self::SlowCommits => {
                sleep(duration / 2).await;
                for statement in [
                    "ALTER SYSTEM SET commit_delay = 100000",
                    "ALTER SYSTEM SET commit_siblings = 0",
                    "SELECT pg_reload_conf()",
                ] {
                    while !ended.load(Ordering::Relaxed) && !psql.succeeds(statement) {
                        sleep(LEAK_INTERVAL).await;
                    }
                }
            }
            Self::NewKeys => {}
        }
    }
}
