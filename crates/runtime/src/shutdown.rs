//! Graceful shutdown: report not ready, give load balancers time to notice, complete running
//! requests, but not for ever.

use std::{future::Future, io, time::Duration};

use clap::Args;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    command_line::{DAY, duration},
    process,
};

/// How long a graceful shutdown may take.
#[derive(Args, Clone, Copy, Debug)]
pub struct DrainOptions {
    /// How long connections are still accepted after readiness was withdrawn, so that load
    /// balancers notice
    #[arg(long, env = "CASELOAD_DRAIN_DELAY", default_value = "0s", value_parser = duration(Duration::ZERO..=DAY), value_name = "DURATION")]
    pub drain_delay: Duration,

    /// How long running requests may take to complete before they are aborted
    #[arg(long, env = "CASELOAD_DRAIN_TIMEOUT", default_value = "20s", value_parser = duration(Duration::ZERO..=DAY), value_name = "DURATION")]
    pub drain_timeout: Duration,
}

/// Cancels the token on the first SIGTERM or SIGINT (Ctrl-C). The second one ends the process at
/// once, with exit code 130; before that it calls `before_exit`, which must not take long.
///
/// # Errors
/// If the system doesn't allow a signal handler.
pub fn on_signal(
    token: CancellationToken,
    before_exit: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("received SIGTERM, shutting down"),
            _ = interrupt.recv() => tracing::info!("received SIGINT, shutting down"),
        }
        token.cancel();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::warn!("received a second signal, exiting at once");
        before_exit();
        process::exit(130);
    });
    Ok(())
}

impl DrainOptions {
    /// Completes when no further connections are to be accepted: the drain delay after the token
    /// was cancelled.
    pub async fn accepting(self, token: CancellationToken) {
        token.cancelled().await;
        sleep(self.drain_delay).await;
    }

    /// Runs a server until it completes, or until the drain timeout has passed: then drops it, which
    /// aborts its requests.
    pub async fn capped(self, token: CancellationToken, server: impl Future<Output = ()>) {
        let cap = async {
            token.cancelled().await;
            sleep(self.drain_delay + self.drain_timeout).await;
        };
        tokio::select! {
            () = server => {}
            () = cap => {
                tracing::warn!(drain_timeout = ?self.drain_timeout, "drain timeout reached, aborting requests");
            }
        }
    }
}
