//! The way a process ends: say so, give callers time to notice, finish what runs, but not forever.

use std::{future::Future, io, time::Duration};

use clap::Args;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// How a process ends once it is told to.
#[derive(Args, Clone, Copy, Debug)]
pub struct DrainOptions {
    /// How long to go on accepting after readiness was withdrawn, so that load balancers notice
    #[arg(long, env = "CASELOAD_DRAIN_DELAY", default_value = "0s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub drain_delay: Duration,

    /// How long requests that run may take to finish before they are cut off
    #[arg(long, env = "CASELOAD_DRAIN_TIMEOUT", default_value = "20s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub drain_timeout: Duration,
}

/// Cancels the token on the first SIGTERM or SIGINT (Ctrl-C). The second ends the process as it
/// would have without this.
///
/// # Errors
/// Where the system lets no handler be set.
pub fn on_signal(token: CancellationToken) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: ending"),
            _ = interrupt.recv() => tracing::info!("SIGINT: ending"),
        }
        token.cancel();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::warn!("a second signal: ending at once");
        std::process::exit(130);
    });
    Ok(())
}

impl DrainOptions {
    /// Ends when it is time to accept no more: the delay after the token was cancelled.
    pub async fn accepting(self, token: CancellationToken) {
        token.cancelled().await;
        sleep(self.drain_delay).await;
    }

    /// Runs a server to its end, but cuts it off where it has not drained in time.
    pub async fn capped(self, token: CancellationToken, server: impl Future<Output = ()>) {
        let cap = async {
            token.cancelled().await;
            sleep(self.drain_delay + self.drain_timeout).await;
        };
        tokio::select! {
            () = server => {}
            () = cap => tracing::warn!(after = ?self.drain_timeout, "requests were cut off"),
        }
    }
}
