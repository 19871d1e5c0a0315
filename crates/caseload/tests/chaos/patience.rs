//! Requests that are made until they are answered, at any endpoint.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{
    endpoints::{Attempt, Endpoints, Failure, List, Page, PageRequest, Start},
    random::Random,
    report::Report,
};

/// The longest time until a request is answered once everything is repaired.
pub(crate) const REPAIRED_TIMEOUT: Duration = Duration::from_secs(30);

/// Set once everything is repaired. From then on nothing more is begun.
pub(crate) type RepairedAt = Arc<OnceLock<Instant>>;

/// What a client needs that makes its requests until they are answered.
pub(crate) struct Patience {
    pub(crate) endpoints: Endpoints,
    pub(crate) report: Arc<Report>,
    pub(crate) repaired_at: RepairedAt,
    pub(crate) random: Random,
}

/// When a client gives a request up, instead of making it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivesUp {
    Never,
    /// After an attempt whose response says that its time is over.
    TimedOut,
    /// After that, or after one that was refused.
    Failed,
}

/// Into which pages a list is cut that a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pages {
    OfAnySize,
    /// As few as can be.
    Large,
}

/// How a request ended.
pub(crate) enum End<A> {
    Answered(A, Attempts),
    /// It can't be met, for this reason.
    Rejected(String, Attempts),
    /// Given up after one attempt: its time was over, according to a response that came then.
    TimedOut(Instant),
    /// Given up after one attempt, which was refused.
    Refused,
    /// Not answered until the time limit, or answered with what no fault explains.
    Stuck,
}

/// What is known of the attempts at a request before the one that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempts {
    /// Whether one of them may have had an effect, or may still have.
    pub(crate) may_have_succeeded: bool,
}

/// What a client does after a change of something that nobody else changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It makes another one.
    Change,
    /// It makes no other one: an attempt at this one may still be under way, without an entity tag, and would
    /// undo what comes after. Alone it changes nothing.
    Finish,
    /// Nothing: this change was given up, or is stuck.
    End,
}

impl Attempts {
    /// Returns what comes after a change that was answered. If it `is_tagged`, attempts that are still under
    /// way have no effect any more.
    pub(crate) fn next(self, is_tagged: bool) -> Next {
        if self.may_have_succeeded && !is_tagged { Next::Finish } else { Next::Change }
    }
}

impl Patience {
    /// Returns the patience of a client that makes other requests meanwhile.
    pub(crate) fn fork(&mut self) -> Self {
        let seed = u64::try_from(self.random.below(usize::MAX)).unwrap();
        Self {
            endpoints: self.endpoints.clone(),
            report: Arc::clone(&self.report),
            repaired_at: Arc::clone(&self.repaired_at),
            random: Random::new(seed, 0),
        }
    }

    /// Returns whether something more is to be begun, also as one of these was never counted: a short run on
    /// a slow machine shows something, too.
    pub(crate) fn goes_on_until(&self, counted: &[&'static str]) -> bool {
        self.repaired_at.get().is_none_or(|since| {
            since.elapsed() < REPAIRED_TIMEOUT
                && counted.iter().any(|what| self.report.counted(what) == 0)
        })
    }

    /// Makes a request until it is answered. Returns `None` if it never is, or if it is rejected, which is
    /// unexpected.
    pub(crate) async fn insist<A: Attempt>(
        &mut self,
        request: &A,
    ) -> Option<(A::Answer, Attempts)> {
        match self.ask(request, GivesUp::Never).await {
            End::Answered(answer, attempts) => Some((answer, attempts)),
            End::Rejected(reason, _) => {
                self.report.unexpected(format!("rejected: {reason}"));
                None
            }
            End::TimedOut(_) | End::Refused | End::Stuck => None,
        }
    }

    /// Reads a list to its end, page by page, over gRPC or REST. Returns `None` if a page never comes.
    pub(crate) async fn read<L: List>(
        &mut self,
        tenant: usize,
        list: &L,
        pages: Pages,
    ) -> Option<Vec<L::Item>> {
        let (least, most) = L::SIZES;
        let size = match pages {
            Pages::OfAnySize if self.random.one_in(2) => {
                least + self.random.below(1 + most - least)
            }
            Pages::OfAnySize | Pages::Large => most,
        };
        let is_over_rest = list.path().is_some() && self.random.one_in(2);
        let first = if is_over_rest { Start::Number(1) } else { Start::Token(String::new()) };
        let mut items = Vec::new();
        let mut next = Some(first);
        while let Some(start) = next {
            let request = PageRequest { tenant, list, size, start };
            let Some((Page { items: more, next: start }, _)) = self.insist(&request).await else {
                self.report.unexpected("a list was not read to its end".to_owned());
                return None;
            };
            items.extend(more);
            next = start;
        }
        Some(items)
    }

    /// Makes a request until it is answered, or given up.
    pub(crate) async fn ask<A: Attempt>(
        &mut self,
        request: &A,
        gives_up: GivesUp,
    ) -> End<A::Answer> {
        let mut attempts = Attempts { may_have_succeeded: false };
        for attempt in 0_u32.. {
            let endpoint = self.random.below(self.endpoints.count());
            let sends_deadline = gives_up != GivesUp::Never || !self.random.one_in(4);
            let is_certain = !attempts.may_have_succeeded;
            match request.make(&self.endpoints, endpoint, sends_deadline).await {
                Ok(answer) => return End::Answered(answer, attempts),
                Err(Failure::Rejected(reason)) => return End::Rejected(reason, attempts),
                Err(Failure::Refused(kind)) => {
                    self.report.failed_attempt(kind);
                    if gives_up == GivesUp::Failed && is_certain {
                        return End::Refused;
                    }
                }
                Err(Failure::TimedOut(kind)) => {
                    self.report.failed_attempt(kind);
                    if gives_up != GivesUp::Never && is_certain {
                        return End::TimedOut(Instant::now());
                    }
                    attempts.may_have_succeeded = true;
                }
                Err(Failure::Unknown(kind)) => {
                    self.report.failed_attempt(kind);
                    attempts.may_have_succeeded = true;
                }
                Err(Failure::Unexpected(kind)) => {
                    self.report.unexpected(kind);
                    break;
                }
            }
            if self.repaired_at.get().is_some_and(|since| since.elapsed() > REPAIRED_TIMEOUT) {
                break;
            }
            self.back_off(attempt).await;
        }
        End::Stuck
    }

    /// Waits before the next attempt, each time for longer.
    pub(crate) async fn back_off(&mut self, attempts: u32) {
        let most = (20 << attempts.min(5)).min(500);
        sleep(self.random.millis(most / 2, most)).await;
    }
}
