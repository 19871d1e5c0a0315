//! How many calls a server has left without an answer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::wire::limits::CALLS_PER_CONNECTION;

/// The most calls to a server on one connection without an answer. It takes twice as many resets at once.
pub(super) const MAX_UNANSWERED: usize = CALLS_PER_CONNECTION as usize / 2;

/// After so many calls that were given up, the server is asked whether it still answers.
const SUSPICIOUS: usize = MAX_UNANSWERED / 2;

/// The calls to a server without an answer: those in flight, and those that were given up since its
/// last answer, as their time was over or their callers had gone.
///
/// A call that is given up is reset. A server that hangs reads the resets all at once when it goes on,
/// and a server that is flooded with resets ends the connection, and with it the calls of all other
/// callers. So there is a limit to what is sent to a server that does not answer.
#[derive(Debug, Default)]
pub(super) struct Backlog(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    in_flight: usize,
    given_up: usize,
    /// Whether somebody asks the server until it answers.
    is_asked: bool,
}

impl Backlog {
    /// Counts a call; `None` if too many are without an answer.
    pub(super) fn begin(&self) -> Option<Unanswered<'_>> {
        let mut counts = self.counts();
        if counts.in_flight + counts.given_up >= MAX_UNANSWERED {
            return None;
        }
        counts.in_flight += 1;
        Some(Unanswered { backlog: self, is_answered: false })
    }

    /// Counts a call, however many are without an answer.
    pub(super) fn begin_anyway(&self) -> Unanswered<'_> {
        self.counts().in_flight += 1;
        Unanswered { backlog: self, is_answered: false }
    }

    /// Whether the caller should ask the server until it answers: many calls were given up, and nobody
    /// asks it yet.
    pub(super) fn wants_answer(&self) -> bool {
        let mut counts = self.counts();
        let wants_answer = counts.given_up >= SUSPICIOUS && !counts.is_asked;
        counts.is_asked |= wants_answer;
        wants_answer
    }

    /// Ends what [`Self::wants_answer`] asked for.
    pub(super) fn stop_asking(&self) {
        self.counts().is_asked = false;
    }

    /// Returns the counts, also if a thread panicked while it had them locked: no update can panic
    /// half-way.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call without an answer. It is given up when this is dropped.
#[derive(Debug)]
pub(super) struct Unanswered<'a> {
    backlog: &'a Backlog,
    is_answered: bool,
}

impl Unanswered<'_> {
    /// Notes that the server has answered, or that the connection has ended: it has nothing left to
    /// read of the calls that were given up before.
    pub(super) fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let mut counts = self.backlog.counts();
        counts.in_flight -= 1;
        counts.given_up = if self.is_answered { 0 } else { counts.given_up + 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_without_an_answer_are_limited_whether_in_flight_or_given_up() {
        let backlog = Backlog::default();
        let mut in_flight: Vec<_> = (0..MAX_UNANSWERED).map_while(|_| backlog.begin()).collect();
        assert_eq!(in_flight.len(), MAX_UNANSWERED);
        assert!(backlog.begin().is_none());

        let asking = backlog.begin_anyway();
        in_flight.clear();
        assert!(backlog.begin().is_none(), "all were given up");
        asking.answered();
        assert!(backlog.begin().is_some());
    }

    #[test]
    fn one_caller_at_a_time_asks_for_an_answer_once_many_calls_were_given_up() {
        let backlog = Backlog::default();
        for _ in 1..SUSPICIOUS {
            drop(backlog.begin());
        }
        assert!(!backlog.wants_answer());
        drop(backlog.begin());
        assert!(backlog.wants_answer());
        assert!(!backlog.wants_answer());
        backlog.stop_asking();
        assert!(backlog.wants_answer());
    }
}
