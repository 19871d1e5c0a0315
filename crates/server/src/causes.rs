//! The causes of an error, for logs.

use std::error::Error;

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
