//! Which calls are made again after which failures.

use std::time::Duration;

use super::failure::Failure;

/// The pauses before the second and each further attempt. Until the last one, a server that is
/// being replaced is back, or calls go to another one.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(100), Duration::from_millis(400)];

/// Which failed attempts at a call are followed by another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Those that reached no server and those that were lost: for calls that change nothing.
    Always,
    /// Those that reached no server and, if the caller gave an idempotency key, those that were
    /// lost.
    WithKey,
    /// Those that reached no server: for calls that change something, and that give another result
    /// the second time.
    IfUnreached,
}

impl Retry {
    /// Returns the retries of a request to create something, which may be only a check.
    pub(crate) fn of_creation(validate_only: bool) -> Self {
        if validate_only { Self::Always } else { Self::WithKey }
    }

    /// Returns the retries of a request to change something, which may be only a check.
    pub(crate) fn of_update(validate_only: bool) -> Self {
        if validate_only { Self::Always } else { Self::IfUnreached }
    }

    /// Returns the pauses before further attempts.
    pub(super) fn pauses() -> &'static [Duration] {
        &PAUSES
    }

    /// Returns whether a call is made again after this failure.
    pub(super) fn repeats_after(self, failure: &Failure, has_key: bool) -> bool {
        match (self, failure) {
            (_, Failure::Unreached) | (Self::Always, Failure::Lost) => true,
            (Self::WithKey, Failure::Lost) => has_key,
            (Self::IfUnreached, Failure::Lost)
            | (_, Failure::Status(_) | Failure::Rejected(_) | Failure::TimedOut) => false,
        }
    }

    /// Returns the failure of the call, given that of its last attempt, and whether an earlier
    /// attempt was lost.
    pub(super) fn conclude(self, failure: Failure, was_lost: bool) -> Failure {
        match (self, failure) {
            // A lost call that changes nothing is as good as one that reached no server.
            (Self::Always, Failure::Lost) => Failure::Unreached,
            (Self::Always, failure) => failure,
            (Self::WithKey | Self::IfUnreached, failure) => failure.after(was_lost),
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;

    #[test]
    fn a_call_is_repeated_only_if_that_changes_nothing_twice() {
        for (retry, has_key, unreached, lost) in [
            (Retry::Always, false, true, true),
            (Retry::WithKey, true, true, true),
            (Retry::WithKey, false, true, false),
            (Retry::IfUnreached, true, true, false),
        ] {
            assert_eq!(retry.repeats_after(&Failure::Unreached, has_key), unreached, "{retry:?}");
            assert_eq!(retry.repeats_after(&Failure::Lost, has_key), lost, "{retry:?}");
            for failure in [Failure::TimedOut, Failure::Status(Status::unavailable(""))] {
                assert!(!retry.repeats_after(&failure, has_key), "{retry:?}: {failure:?}");
            }
        }
    }

    #[test]
    fn only_a_call_that_changes_something_has_an_unknown_outcome() {
        let lost = Retry::Always.conclude(Failure::Lost, true);
        assert!(matches!(lost, Failure::Unreached));
        let status = Retry::Always.conclude(Failure::Status(Status::unavailable("")), true);
        assert!(matches!(status, Failure::Status(_)));
        for retry in [Retry::WithKey, Retry::IfUnreached] {
            assert!(matches!(retry.conclude(Failure::Lost, false), Failure::Lost));
        }
        assert!(matches!(Retry::WithKey.conclude(Failure::Unreached, true), Failure::Lost));
    }
}
