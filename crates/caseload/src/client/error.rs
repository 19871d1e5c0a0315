//! How a command that calls a server fails.

use std::{io, time::Duration};

use runtime::command_line::{SUCCESS, USAGE};
use tonic::Code;

use super::{exit_code, refusal::Refusal, stderr};
use crate::printable::printable;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The command line or the environment is not as it must be.
    #[error("{0}")]
    Usage(String),
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A file can't be opened.
    #[error("{0}")]
    NoInput(String),
    /// What was read is not what it should be.
    #[error("{0}")]
    BadInput(String),
    /// A file can't be read or written.
    #[error("{0}")]
    Io(String),
    /// Whoever reads the output has enough.
    #[error("the output is not read any more")]
    OutputClosed,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The server refused it.
    #[error("{} ({}){}", .0.message, .0.word, of_request(.0))]
    Refused(Box<Refusal>),
    /// No connection could be made, until the time was over.
    #[error("no server was reached at {server}: {cause}")]
    Unreached { server: String, cause: String },
    /// The server does not prove by TLS that it is the one that was meant. Nothing was sent to it.
    #[error("no TLS connection to {server}: {cause}")]
    Insecure { server: String, cause: String },
    /// The response to a call that changes something was lost.
    #[error("the response was lost, so it is unknown whether anything was changed: {0}")]
    OutcomeUnknown(String),
    /// The response to a call that changes nothing was lost.
    #[error("the response was lost: {0}")]
    Lost(String),
    /// There was no response in time.
    #[error("there was no response within {}", humantime::format_duration(*.0))]
    TimedOut(Duration),
}

/// Returns where an operator finds the cause of a failure that the server does not tell.
fn of_request(refusal: &Refusal) -> String {
    match &refusal.request_id {
        Some(id) if refusal.code == Code::Internal => format!("; it is request {id} in the log"),
        _ => String::new(),
    }
}

impl ClientError {
    /// Returns the exit code of the process.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Call(error) => error.exit_code(),
            Self::NoInput(_) => exit_code::NO_INPUT,
            Self::BadInput(_) => exit_code::REFUSED,
            Self::Io(_) => exit_code::IO,
            Self::OutputClosed => SUCCESS,
        }
    }

    /// Prints why the command failed: a line, and one more for each field that is at fault.
    pub(crate) fn print(&self) {
        if matches!(self, Self::OutputClosed) {
            return;
        }
        stderr::line(&printable(&format!("error: {self}")));
        let Self::Call(CallError::Refused(refusal)) = self else { return };
        for violation in &refusal.violations {
            stderr::line(&format!("  {}: {}", violation.field, violation.sentence()));
        }
        let more = refusal.violation_count.saturating_sub(refusal.violations.len());
        if more > 0 {
            stderr::line(&format!("  and {more} more"));
        }
    }
}

impl CallError {
    /// Names the tasks that are at fault by their ids, rather than by their places in a list of the
    /// request.
    pub(crate) fn name_items(mut self, list: &str, task_ids: &[i64]) -> Self {
        if let Self::Refused(refusal) = &mut self {
            for violation in &mut refusal.violations {
                let Some((index, field)) = violation.item(list) else { continue };
                let Some(id) = task_ids.get(index) else { continue };
                let field = if field == "id" { "" } else { field };
                violation.field = format!("task {id} {field}").trim_end().to_owned();
            }
        }
        self
    }

    /// Returns the exit code of the process.
    fn exit_code(&self) -> u8 {
        match self {
            Self::Unreached { .. } => exit_code::UNAVAILABLE,
            Self::Insecure { .. } => exit_code::INSECURE,
            Self::OutcomeUnknown(_) | Self::Lost(_) | Self::TimedOut(_) => exit_code::TRY_AGAIN,
            Self::Refused(refusal) => match refusal.code {
                Code::Unauthenticated | Code::PermissionDenied => exit_code::NO_PERMISSION,
                Code::Unavailable => exit_code::UNAVAILABLE,
                Code::ResourceExhausted | Code::DeadlineExceeded | Code::Cancelled => {
                    exit_code::TRY_AGAIN
                }
                Code::InvalidArgument
                | Code::NotFound
                | Code::AlreadyExists
                | Code::FailedPrecondition
                | Code::Aborted
                | Code::OutOfRange
                | Code::Unimplemented => exit_code::REFUSED,
                Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => exit_code::INTERNAL,
            },
        }
    }
}

/// A failure to write the output.
impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Io(format!("the output can't be written: {error}")),
        }
    }
}
