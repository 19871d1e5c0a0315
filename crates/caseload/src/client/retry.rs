//! Which calls are made again after which failures, and when.

use std::{error::Error, time::Duration};

use proto::wire::Reason;
use tonic::{Code, ConnectError, Status};

use super::{
    refusal::Refusal,
    tls_failure::{self, TlsFailure},
};
use crate::printable::printable;

/// Whether a call may be made again while it is unknown what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It may: it changes nothing.
    Read,
    /// It may: made twice, it has the effect of once. So it is with creates that have an idempotency
    /// key, and with updates.
    Idempotent,
    /// It may not: the second response would be another one.
    IfUndone,
}

/// A failed attempt at a call.
#[derive(Debug)]
pub(super) enum Attempt {
    /// The server refused the call, and nothing was changed.
    Refused(Box<Refusal>),
    /// No connection could be made.
    Unreached(String),
    /// No TLS connection could be made, for a reason that stays, unless one was made before.
    Insecure(TlsFailure),
    /// It is unknown what became of the call. Has what is known of the cause.
    Lost(String),
    /// There was no response in time, and it is unknown what became of the call.
    TimedOut,
}

impl Attempt {
    /// Returns what a status means.
    pub(super) fn of(status: &Status) -> Self {
        if let Some(refusal) = Refusal::read(status) {
            return match refusal.reason {
                Some(Reason::DeadlineExceeded) => Self::TimedOut,
                Some(Reason::OutcomeUnknown) => Self::Lost(refusal.message),
                _ => Self::Refused(Box::new(refusal)),
            };
        }
        if let Some(refusal) = Refusal::of_other(status) {
            return Self::Refused(Box::new(refusal));
        }
        if let Some(error) = connect_error(status) {
            return match tls_failure::find(error) {
                Some(failure) => Self::Insecure(failure),
                None => Self::Unreached(last_cause(error)),
            };
        }
        match status.code() {
            // tonic ends a call that takes too long with CANCELLED.
            Code::DeadlineExceeded | Code::Cancelled => Self::TimedOut,
            _ => Self::Lost(causes(status)),
        }
    }

    /// Returns whether the call is made again, given whether the server has answered a call before.
    pub(super) fn is_repeated(&self, repeat: Repeat, was_reached: bool) -> bool {
        match self {
            Self::Refused(refusal) => {
                matches!(refusal.code, Code::Unavailable | Code::ResourceExhausted)
            }
            Self::Unreached(_) => true,
            Self::Insecure(failure) => was_reached && failure.is_refusal,
            Self::Lost(_) | Self::TimedOut => repeat != Repeat::IfUndone,
        }
    }

    /// Whether it is the server that has answered.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// Whether a limit of the caller's was reached.
    pub(super) fn is_throttled(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.code == Code::ResourceExhausted)
    }

    /// Returns the least time to wait before the next attempt, as the server says.
    pub(super) fn retry_after(&self) -> Duration {
        match self {
            Self::Refused(refusal) => refusal.retry_after.unwrap_or_default(),
            Self::Unreached(_) | Self::Insecure(_) | Self::Lost(_) | Self::TimedOut => {
                Duration::ZERO
            }
        }
    }
}

/// Returns the pause after the failed attempt of this number, from 0: it doubles from 50 ms up to 2 s,
/// and is shortened at random by up to a half, so that calls that failed together don't come back
/// together.
pub(super) fn pause(attempt: u32) -> Duration {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(2);
    let full = FIRST.saturating_mul(2_u32.saturating_pow(attempt)).min(LONGEST);
    let mut random = [0; 1];
    // Without randomness the pause is the full one.
    let part = getrandom::fill(&mut random).map_or(0.0, |()| f64::from(random[0]) / 255.0);
    full.mul_f64(1.0 - part / 2.0)
}

/// Returns why no connection could be made, if that is why a call failed.
fn connect_error(status: &Status) -> Option<&(dyn Error + 'static)> {
    let mut source = status.source();
    while let Some(error) = source {
        if let Some(ConnectError(cause)) = error.downcast_ref() {
            return Some(cause.as_ref());
        }
        source = error.source();
    }
    None
}

fn last_cause(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    printable(&last.to_string())
}

fn causes(status: &Status) -> String {
    let mut text = format!("{:?}: {}", status.code(), printable(status.message()));
    if let Some(source) = status.source() {
        text = format!("{text}: {}", last_cause(source));
    }
    text
}

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, StatusExt as _};

    use super::*;

    fn attempt(reason: Reason) -> Attempt {
        let details = ErrorDetails::with_error_info(reason.as_str(), "caseload", []);
        Attempt::of(&Status::with_error_details(reason.code(), "", details))
    }

    #[test]
    fn what_may_have_been_done_is_repeated_only_where_that_does_no_harm() {
        for (reason, freely, if_undone) in [
            (Reason::DatabaseUnavailable, true, true),
            (Reason::Overloaded, true, true),
            (Reason::RateLimited, true, true),
            (Reason::TenantOverloaded, true, true),
            (Reason::OutcomeUnknown, true, false),
            (Reason::DeadlineExceeded, true, false),
            (Reason::InvalidBatch, false, false),
            (Reason::IdempotencyKeyReused, false, false),
            (Reason::CaseNotFound, false, false),
            (Reason::EtagMismatch, false, false),
            (Reason::KeyInvalid, false, false),
            (Reason::Internal, false, false),
        ] {
            let attempt = attempt(reason);
            for was_reached in [false, true] {
                let is_repeated = |repeat| attempt.is_repeated(repeat, was_reached);
                assert_eq!(is_repeated(Repeat::Read), freely, "{reason:?}");
                assert_eq!(is_repeated(Repeat::Idempotent), freely, "{reason:?}");
                assert_eq!(is_repeated(Repeat::IfUndone), if_undone, "{reason:?}");
            }
        }
    }

    #[test]
    fn a_refused_handshake_is_repeated_once_the_server_was_reached_and_a_wrong_server_never() {
        for (is_refusal, was_reached, expected) in
            [(true, false, false), (true, true, true), (false, false, false), (false, true, false)]
        {
            let attempt = Attempt::Insecure(TlsFailure { reason: String::new(), is_refusal });
            for repeat in [Repeat::Read, Repeat::Idempotent, Repeat::IfUndone] {
                assert_eq!(attempt.is_repeated(repeat, was_reached), expected);
            }
        }
    }

    #[test]
    fn a_status_of_somebody_else_proves_nothing() {
        for status in [Status::unavailable("a proxy"), Status::unknown("h2"), Status::internal("")]
        {
            let attempt = Attempt::of(&status);
            assert!(matches!(attempt, Attempt::Lost(_)), "{attempt:?}");
        }
        for status in [Status::unimplemented(""), Status::unauthenticated("")] {
            let attempt = Attempt::of(&status);
            assert!(matches!(attempt, Attempt::Refused(_)), "{attempt:?}");
        }
        for status in [Status::cancelled("tonic"), Status::deadline_exceeded("")] {
            assert!(matches!(Attempt::of(&status), Attempt::TimedOut));
        }
    }

    #[test]
    fn pauses_grow_to_two_seconds() {
        for (attempt, least, most) in [(0, 25, 50), (1, 50, 100), (5, 800, 1600), (40, 1000, 2000)]
        {
            let pause = pause(attempt).as_millis();
            assert!((least..=most).contains(&pause), "{attempt}: {pause} ms");
        }
    }
}
