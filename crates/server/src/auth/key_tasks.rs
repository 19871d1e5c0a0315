//! What goes on for API keys beside the calls.

use runtime::CancellationToken;
use store::KeyChange;
use tokio::{sync::mpsc, task::JoinHandle};

use super::authenticator::Authenticator;

/// The tasks that keep the cache of keys up to date, and write down when keys were used. They end with this,
/// not with the start of a shutdown: calls go on then for a while.
#[derive(Debug)]
pub(crate) struct KeyTasks {
    ended: CancellationToken,
    uses: JoinHandle<()>,
}

impl KeyTasks {
    /// Starts the tasks.
    pub(crate) fn start(
        authenticator: &Authenticator,
        changes: mpsc::Receiver<KeyChange>,
    ) -> Self {
        let ended = CancellationToken::new();
        tokio::spawn(authenticator.cache.clone().follow(changes, ended.clone()));
        let uses = authenticator.uses.clone();
        let uses = tokio::spawn(uses.run(authenticator.database.clone(), ended.clone()));
        Self { ended, uses }
    }

    /// Ends the tasks, once all that is known is written down, or that has taken too long.
    pub(crate) async fn end(self) {
        self.ended.cancel();
        if let Err(error) = self.uses.await {
            tracing::error!(%error, "the task that writes when keys were used panicked");
        }
    }
}
