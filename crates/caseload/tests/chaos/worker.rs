//! A client that sends a batch until it is acknowledged, then the next.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{
    batch::{Batch, TENANTS},
    endpoints::{Attempt as _, BatchRequest, Endpoints, Failure},
    history::{Entry, History},
    patience::{REPAIRED_TIMEOUT, RepairedAt},
    random::Random,
    report::Report,
    response::Response,
};

pub(crate) const ACKNOWLEDGED: &str = "batches acknowledged";
const REPLAYS: &str = "responses that were replays";
const RESOLVED: &str = "unknown outcomes resolved by a later attempt";
const GIVEN_UP_UNKNOWN: &str = "batches given up after one attempt with an unknown outcome";
const GIVEN_UP_TIMED_OUT: &str = "batches given up after one attempt whose time was over";
const GIVEN_UP_REFUSED: &str = "batches given up after one refused attempt";
const REUSES_REFUSED: &str = "different batches refused for a reused idempotency key";

/// When a sabotaged client writes what it was told to be over.
pub(crate) const LATE_AFTER: Duration = Duration::from_secs(1);

/// How many acknowledged batches a client keeps, to repeat them later.
const KEPT: usize = 8;

pub(crate) struct Worker {
    pub(crate) number: usize,
    pub(crate) endpoints: Endpoints,
    pub(crate) history: Arc<History>,
    pub(crate) report: Arc<Report>,
    pub(crate) repaired_at: RepairedAt,
    pub(crate) random: Random,
    /// The pause between two batches.
    pub(crate) pause: Duration,
    /// Whether each repeat has another idempotency key: a sabotage, which creates batches twice.
    pub(crate) new_ids: bool,
    /// Whether batches are sent once more after they were given up because their time was over: a
    /// sabotage, which writes them late.
    pub(crate) late_writes: bool,
    pub(crate) acknowledged: VecDeque<(Batch, Response)>,
}

/// What a request came to.
type Outcome = Result<Response, Failure>;

/// The combined outcome of an attempt: of one request, or of several that were sent at once.
#[derive(Default)]
struct Combined {
    response: Option<Response>,
    /// How many of the requests have an unknown outcome.
    unknown: u32,
    /// How many of those were answered with the response that their time is over.
    timed_out: u32,
}

impl Worker {
    pub(crate) async fn run(mut self) {
        let mut next = 0_u64;
        while self.repaired_at.get().is_none() {
            next += 1;
            let name = format!("chaos-{}-{next}", self.number);
            let batch = Batch::random(name, self.number % TENANTS, &mut self.random);
            if let Some(response) = self.create(&batch).await {
                if self.random.one_in(20) {
                    self.reuse_key(&batch).await;
                }
                self.acknowledged.push_back((batch, response));
            }
            if self.acknowledged.len() > KEPT {
                self.acknowledged.pop_front();
            }
            if self.random.one_in(10) {
                self.repeat_acknowledged().await;
            }
            sleep(self.pause).await;
        }
    }

    /// Sends a batch until it is acknowledged. Gives a few up after one attempt, refused ones more
    /// often: the audit checks that these were not created.
    async fn create(&mut self, batch: &Batch) -> Option<Response> {
        let gives_up = self.random.one_in(16);
        let gives_up_if_refused = self.random.one_in(2);
        let at_once = if !self.new_ids && self.random.one_in(16) { 3 } else { 1 };
        let mut unknown = 0;
        for attempts in 0.. {
            let key = match attempts {
                1.. if self.new_ids => format!("{}.{attempts}", batch.name),
                _ => batch.name.clone(),
            };
            let outcomes = self.send(batch, &key, at_once).await;
            let attempt = self.combine(batch, outcomes);
            unknown += attempt.unknown;
            if let Some(response) = attempt.response {
                let rows = response.expected_rows(batch.tenant, batch.case_id);
                self.history.record(&batch.name, Entry::Acknowledged(rows.into()));
                self.report.count(ACKNOWLEDGED);
                (0..unknown).for_each(|_| self.report.count(RESOLVED));
                return Some(response);
            }
            if attempts == 0 && attempt.unknown == 0 && (gives_up || gives_up_if_refused) {
                self.history.record(&batch.name, Entry::Refused);
                self.report.count(GIVEN_UP_REFUSED);
                return None;
            }
            let is_timed_out = attempt.timed_out > 0 && attempt.timed_out == attempt.unknown;
            if attempts == 0 && is_timed_out && (gives_up || gives_up_if_refused) {
                self.history.record(&batch.name, Entry::TimedOut(Instant::now()));
                self.report.count(GIVEN_UP_TIMED_OUT);
                if self.late_writes {
                    sleep(LATE_AFTER).await;
                    self.send(batch, &key, 1).await;
                }
                return None;
            }
            if attempts == 0 && gives_up {
                self.history.record(&batch.name, Entry::GivenUp);
                self.report.count(GIVEN_UP_UNKNOWN);
                return None;
            }
            if self.repaired_at.get().is_some_and(|since| since.elapsed() > REPAIRED_TIMEOUT) {
                break;
            }
            self.back_off(attempts).await;
        }
        self.history.record(&batch.name, Entry::Stuck);
        None
    }

    fn combine(&self, batch: &Batch, outcomes: Vec<Outcome>) -> Combined {
        let mut attempt = Combined::default();
        for outcome in outcomes {
            match outcome {
                Ok(response) => {
                    self.check(batch, attempt.response.as_ref(), &response);
                    attempt.response = Some(response);
                }
                Err(Failure::Refused(kind)) => self.report.failed_attempt(kind),
                Err(Failure::TimedOut(kind)) => {
                    self.report.failed_attempt(kind);
                    attempt.unknown += 1;
                    attempt.timed_out += 1;
                }
                Err(Failure::Unknown(kind)) => {
                    self.report.failed_attempt(kind);
                    attempt.unknown += 1;
                }
                Err(Failure::Rejected(kind) | Failure::Unexpected(kind)) => {
                    self.unexpected(batch, &kind);
                    attempt.unknown += 1;
                }
            }
        }
        attempt
    }

    /// Sends a batch to one endpoint, or to three at once.
    async fn send(&mut self, batch: &Batch, key: &str, at_once: usize) -> Vec<Outcome> {
        let first = self.random.below(self.endpoints.count());
        let sends_deadline = !self.random.one_in(4);
        let endpoints = &self.endpoints;
        let endpoint = |index| (first + index) % endpoints.count();
        let request = BatchRequest { batch, idempotency_key: key };
        let send = |index| request.make(endpoints, endpoint(index), sends_deadline);
        if at_once == 1 {
            return vec![send(0).await];
        }
        let (one, two, three) = tokio::join!(send(0), send(1), send(2));
        vec![one, two, three]
    }

    /// Compares a response with the batch, and with an earlier response to the same batch.
    fn check(&self, batch: &Batch, earlier: Option<&Response>, response: &Response) {
        if response.is_replay {
            self.report.count(REPLAYS);
        }
        if !batch.matches(&response.tasks) {
            self.unexpected(batch, "the response has other tasks than the request");
        }
        if let Some(earlier) = earlier {
            if earlier.tasks != response.tasks {
                self.unexpected(batch, "two responses differ");
            }
            if !earlier.is_replay && !response.is_replay {
                self.unexpected(batch, "two responses, neither of which is marked as a replay");
            }
        }
    }

    /// Repeats an acknowledged batch. The response must be the same again.
    async fn repeat_acknowledged(&mut self) {
        if self.new_ids || self.acknowledged.is_empty() {
            return;
        }
        let index = self.random.below(self.acknowledged.len());
        let (batch, earlier) = self.acknowledged.remove(index).unwrap();
        let key = batch.name.clone();
        let at_once = if self.random.one_in(4) { 3 } else { 1 };
        for outcome in self.send(&batch, &key, at_once).await {
            match outcome {
                Ok(response) => {
                    self.check(&batch, Some(&earlier), &response);
                    if !response.is_replay {
                        self.unexpected(&batch, "the response to a repeat is not a replay");
                    }
                }
                Err(failure) => self.failed(&batch, failure),
            }
        }
    }

    /// Sends a different batch with the idempotency key of an acknowledged one. It must be refused.
    async fn reuse_key(&mut self, batch: &Batch) {
        if self.new_ids {
            return;
        }
        let different = batch.different();
        for outcome in self.send(&different, &batch.name, 1).await {
            match outcome {
                Err(failure) if failure.is("REQUEST_ID_REUSED") => {
                    self.report.count(REUSES_REFUSED);
                }
                Ok(_) => self.unexpected(&different, "it was created with a used idempotency key"),
                Err(failure) => self.failed(&different, failure),
            }
        }
    }

    /// Reports a request that is not made again.
    fn failed(&self, batch: &Batch, failure: Failure) {
        match failure {
            Failure::Refused(kind) | Failure::TimedOut(kind) | Failure::Unknown(kind) => {
                self.report.failed_attempt(kind);
            }
            Failure::Rejected(kind) | Failure::Unexpected(kind) => self.unexpected(batch, &kind),
        }
    }

    async fn back_off(&mut self, attempts: u32) {
        let max_millis = (20 << attempts.min(5)).min(500);
        let pause = self.random.millis(max_millis / 2, max_millis);
        sleep(pause).await;
    }

    fn unexpected(&self, batch: &Batch, what: &str) {
        self.report.unexpected(format!("{}: {what}", batch.name));
    }
}
