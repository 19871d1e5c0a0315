//! Where the records of a file go.

use super::{
    outcome::{Outcome, Stop},
    window::Window,
};

/// Sends the records of a file to a server.
pub(super) trait Sink<T>: Send + Sync + 'static {
    /// Sends the records of a window. Those that are refused are part of the outcome.
    ///
    /// # Errors
    /// Why the import can't go on.
    fn submit(&self, window: &Window<T>) -> impl Future<Output = Result<Outcome, Stop>> + Send;
}
