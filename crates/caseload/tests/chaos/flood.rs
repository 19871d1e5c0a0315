//! A tenant that sends many batches at once.

use std::{sync::Arc, time::Instant};

use tokio::{runtime::Handle, task::JoinSet};

use crate::{
    batch::Batch,
    endpoints::{Attempt as _, BatchRequest, Endpoints, Failure},
    history::{Entry, History},
    random::Random,
    report::Report,
    response::Response,
};

/// How many batches are sent at once: more than all servers together let one tenant have in their
/// queues.
const BATCHES: usize = 400;

/// Floods number their batches from here, beyond the workers.
const FIRST_NUMBER: usize = 1000;

const TIMED_OUT: &str = "batches of floods whose time was over";

/// What it takes to flood.
pub(crate) struct Flood {
    pub(crate) endpoints: Endpoints,
    pub(crate) history: Arc<History>,
    pub(crate) report: Arc<Report>,
    pub(crate) runtime: Handle,
}

impl Flood {
    /// Sends many batches of a tenant at once, each one once, and blocks until all have ended.
    pub(crate) fn run(&self, number: usize, tenant: usize, random: &mut Random) {
        let mut calls = JoinSet::new();
        for index in 0..BATCHES {
            let name = format!("chaos-{}-{index}", FIRST_NUMBER + number);
            let batch = Batch::random(name, tenant, random);
            let endpoint = random.below(self.endpoints.count());
            let endpoints = self.endpoints.clone();
            let call = async move {
                let request = BatchRequest { batch: &batch, idempotency_key: &batch.name };
                let outcome = request.make(&endpoints, endpoint, true).await;
                (batch, outcome)
            };
            calls.spawn_on(call, &self.runtime);
        }
        self.runtime.block_on(async {
            while let Some(ended) = calls.join_next().await {
                let (batch, outcome) = ended.unwrap();
                self.history.record(&batch.name, self.entry(&batch, outcome));
            }
        });
    }

    /// Returns what is known of a batch that was sent once.
    fn entry(&self, batch: &Batch, outcome: Result<Response, Failure>) -> Entry {
        match outcome {
            Ok(response) => {
                if !batch.matches(&response.tasks) {
                    self.unexpected(batch, "the response has other tasks than the request");
                }
                Entry::Acknowledged(response.expected_rows(batch.tenant, batch.case_id).into())
            }
            Err(Failure::Refused(kind)) => {
                self.report.failed_attempt(kind);
                Entry::Refused
            }
            Err(Failure::TimedOut(kind)) => {
                self.report.failed_attempt(kind);
                self.report.count(TIMED_OUT);
                Entry::TimedOut(Instant::now())
            }
            Err(Failure::Unknown(kind)) => {
                self.report.failed_attempt(kind);
                Entry::GivenUp
            }
            Err(Failure::Rejected(kind) | Failure::Unexpected(kind)) => {
                self.unexpected(batch, &kind);
                Entry::GivenUp
            }
        }
    }

    fn unexpected(&self, batch: &Batch, what: &str) {
        self.report.unexpected(format!("{}: {what}", batch.name));
    }
}
