//! The causes of an error, for logs.

use std::error::Error;

/// Logs the causes of the failure of a call, which its caller does not see.
pub(crate) fn log(error: &domain::Error) {
    let causes = of(error);
    if !causes.is_empty() {
        let effect = error.effect();
        tracing::error!(%error, ?effect, causes, "call failed");
    }
}

/// Returns the causes of an error in one line, the nearest first; an empty text if it has none.
pub(crate) fn of(error: &dyn Error) -> String {
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    causes.join(": ")
}
