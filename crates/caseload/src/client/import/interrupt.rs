//! Ctrl-C.

use std::io;

use runtime::{CancellationToken, process};
use tokio::signal::unix::{SignalKind, signal};

use crate::client::exit_code::INTERRUPTED;

/// Returns a token that the first SIGINT (Ctrl-C) or SIGTERM cancels. The second one ends the process at
/// once.
///
/// # Errors
/// If the system doesn't allow a signal handler.
pub(super) fn token() -> io::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        for is_second in [false, true] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if is_second {
                process::exit(INTERRUPTED);
            }
            cancelled.cancel();
        }
    });
    Ok(token)
}
