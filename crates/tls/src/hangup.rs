//! SIGHUP, which asks for certificates to be read again now.

use std::{io, sync::LazyLock};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Tells all that watch files of each SIGHUP: the signal is the whole process's.
static HANGUPS: LazyLock<watch::Sender<()>> = LazyLock::new(|| watch::Sender::new(()));

/// Installs a SIGHUP handler that reloads all certificates; the signal no longer ends the process. Must be
/// called on a runtime.
///
/// # Errors
/// If the system doesn't allow a signal handler.
pub fn reload_on_hangup() -> io::Result<()> {
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            tracing::info!("received SIGHUP, reading certificates again");
            HANGUPS.send_replace(());
        }
    });
    Ok(())
}

/// Returns what changes with each SIGHUP from now on.
pub(crate) fn hangups() -> watch::Receiver<()> {
    HANGUPS.subscribe()
}
