//! What goes on for API keys, and for the hosts on which they are accepted, beside the calls.

use std::time::Duration;

use runtime::CancellationToken;
use store::KeyChange;
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

use super::authenticator::Authenticator;
use crate::metrics::AuditMetrics;

/// How long each task may take to end: a server is not kept from its end for longer.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// The tasks that keep the cache of keys, and the hosts, up to date, and write down how keys were used. They end with this,
/// not with the start of a shutdown: calls go on then for a while.
#[derive(Debug)]
pub(crate) struct KeyTasks {
    ended: CancellationToken,
    tasks: [JoinHandle<()>; 2],
}

impl KeyTasks {
    /// Starts the tasks. Hosts are read again after `max_age` if nobody says before that they were changed.
    pub(crate) fn start(
        authenticator: &Authenticator,
        changes: mpsc::Receiver<KeyChange>,
        max_age: Duration,
        metrics: AuditMetrics,
    ) -> Self {
        let ended = CancellationToken::new();
        let Authenticator { cache, hosts, uses, audit, database, .. } = authenticator;
        tokio::spawn(cache.clone().follow(hosts.clone(), changes, ended.clone()));
        let hosts_of = database.clone();
        let read = move || {
            let database = hosts_of.clone();
            async move { database.list_tenant_hosts().await }
        };
        tokio::spawn(hosts.clone().run(read, max_age, ended.clone()));
        let uses = uses.clone().run(database.clone(), ended.clone());
        let audit = audit.clone().run(database.clone(), metrics, ended.clone());
        let tasks = [tokio::spawn(uses), tokio::spawn(audit)];
        Self { ended, tasks }
    }

    /// Ends the tasks, once all that is known is written down, or that has taken too long.
    pub(crate) async fn end(self) {
        self.ended.cancel();
        for mut task in self.tasks {
            match timeout(END_TIMEOUT, &mut task).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, "a task that writes how keys were used panicked");
                }
                Err(_) => task.abort(),
            }
        }
    }
}
