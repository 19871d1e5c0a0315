//! Why a call has no answer to pass on, as told by the transport.

use std::error::Error;

use h2::Reason;
use tonic::{ConnectError, Status, TimeoutExpired};

/// Why a call has no answer to pass on.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server refused it.
    Answered(Status),
    /// The server was not reached: nothing was done.
    Unreached,
    /// The time was over.
    TimedOut,
    /// The connection was lost before the answer came.
    Lost,
}

impl From<Status> for Failure {
    /// Tells what the server said from what the transport made up on this side.
    fn from(status: Status) -> Self {
        let mut source = Error::source(&status);
        if source.is_none() {
            return Self::Answered(status);
        }
        while let Some(error) = source {
            if error.is::<TimeoutExpired>() {
                return Self::TimedOut;
            }
            if error.is::<ConnectError>() || was_not_taken(error) {
                return Self::Unreached;
            }
            source = error.source();
        }
        tracing::warn!(code = %status.code(), error = status.message(), "a call was lost");
        Self::Lost
    }
}

/// Whether an error is certain proof that the server has not begun with the call.
fn was_not_taken(error: &(dyn Error + 'static)) -> bool {
    // The connection ended before the call was put on it. hyper says so of no other call.
    if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
        return true;
    }
    // The server refused the stream (RFC 9113, 8.7), or said goodbye and left this stream out of
    // those that it will finish (6.8). One that it has taken and then dropped is told otherwise:
    // as another reset, or as a broken pipe.
    error.downcast_ref::<h2::Error>().is_some_and(|error| {
        error.is_remote() && (error.reason() == Some(Reason::REFUSED_STREAM) || error.is_go_away())
    })
}
