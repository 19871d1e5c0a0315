//! A client: it sends a batch until it is acknowledged, then the next.

use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{
    batch::{Batch, TENANTS},
    endpoints::{Doors, Reply},
    history::{Entry, Ledger},
    random::Random,
    report::Tally,
    response::Answer,
};

pub(crate) const ACKNOWLEDGED: &str = "batches acknowledged";
const REPLAYS: &str = "answers that were replays";
const RESOLVED: &str = "unknown outcomes that were resolved later";
const LEFT_UNKNOWN: &str = "batches given up, the outcome of their one try unknown";
const LEFT_REFUSED: &str = "batches given up, their one try refused";

/// How long a batch may take to be acknowledged once everything is healed.
const HEALED_LIMIT: Duration = Duration::from_secs(30);

/// How many acknowledged batches a client remembers, to ask for them again.
const REMEMBERED: usize = 8;

/// Set once everything is healed: no more batches are begun.
pub(crate) type Healed = Arc<OnceLock<Instant>>;

pub(crate) struct Worker {
    pub(crate) number: usize,
    pub(crate) doors: Doors,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) healed: Healed,
    pub(crate) random: Random,
    /// The pause between two batches.
    pub(crate) pause: Duration,
    /// Whether a batch is sent again under another id: the sabotage.
    pub(crate) new_ids: bool,
    pub(crate) told: VecDeque<(Batch, Answer)>,
}

/// The replies to a try: one, or several where it was sent several times at once.
#[derive(Default)]
struct Heard {
    answer: Option<Answer>,
    /// How many of them leave open whether it was done.
    unknown: u32,
}

impl Worker {
    pub(crate) async fn run(mut self) {
        let mut next = 0_u64;
        while self.healed.get().is_none() {
            next += 1;
            let key = format!("chaos-{}-{next}", self.number);
            let batch = Batch::draw(key, self.number % TENANTS, &mut self.random);
            if let Some(answer) = self.bring(&batch).await {
                if self.random.one_in(20) {
                    self.try_other(&batch).await;
                }
                self.told.push_back((batch, answer));
            }
            if self.told.len() > REMEMBERED {
                self.told.pop_front();
            }
            if self.random.one_in(10) {
                self.ask_again().await;
            }
            sleep(self.pause).await;
        }
    }

    /// Sends a batch until it is acknowledged. A few are given up after one try: more of those that
    /// were refused, since nothing may be there of these.
    async fn bring(&mut self, batch: &Batch) -> Option<Answer> {
        let gives_up = self.random.one_in(16);
        let gives_up_refused = self.random.one_in(2);
        let at_once = if !self.new_ids && self.random.one_in(16) { 3 } else { 1 };
        let mut unknown = 0;
        for tries in 0.. {
            let id = match tries {
                1.. if self.new_ids => format!("{}.{tries}", batch.key),
                _ => batch.key.clone(),
            };
            let replies = self.send(batch, &id, at_once).await;
            let heard = self.hear(batch, replies);
            unknown += heard.unknown;
            if let Some(answer) = heard.answer {
                let line = answer.line(batch.tenant, batch.case_id);
                self.ledger.enter(&batch.key, Entry::Acknowledged(line.into()));
                self.tally.count(ACKNOWLEDGED);
                (0..unknown).for_each(|_| self.tally.count(RESOLVED));
                return Some(answer);
            }
            if tries == 0 && heard.unknown == 0 && (gives_up || gives_up_refused) {
                self.ledger.enter(&batch.key, Entry::Refused);
                self.tally.count(LEFT_REFUSED);
                return None;
            }
            if tries == 0 && gives_up {
                self.ledger.enter(&batch.key, Entry::GivenUp);
                self.tally.count(LEFT_UNKNOWN);
                return None;
            }
            if self.healed.get().is_some_and(|since| since.elapsed() > HEALED_LIMIT) {
                break;
            }
            self.back_off(tries).await;
        }
        self.ledger.enter(&batch.key, Entry::Stuck);
        None
    }

    /// What the replies to a try come to.
    fn hear(&self, batch: &Batch, replies: Vec<Reply>) -> Heard {
        let mut heard = Heard::default();
        for reply in replies {
            match reply {
                Reply::Created(answer) => {
                    self.check(batch, heard.answer.as_ref(), &answer);
                    heard.answer = Some(answer);
                }
                Reply::Refused(kind) => self.tally.reply(kind),
                Reply::Unknown(kind) => {
                    self.tally.reply(kind);
                    heard.unknown += 1;
                }
                Reply::Reused => {
                    self.wrong(batch, "its own id was taken");
                    heard.unknown += 1;
                }
                Reply::Wrong(kind) => {
                    self.wrong(batch, &kind);
                    heard.unknown += 1;
                }
            }
        }
        heard
    }

    /// Sends a batch under an id, through as many doors at once.
    async fn send(&mut self, batch: &Batch, id: &str, at_once: usize) -> Vec<Reply> {
        let first = self.random.below(self.doors.count());
        let tells_deadline = !self.random.one_in(4);
        let doors = &self.doors;
        let door = |index| (first + index) % doors.count();
        let send = |index| doors.send(door(index), batch, id, tells_deadline);
        if at_once == 1 {
            return vec![send(0).await];
        }
        let (one, two, three) = tokio::join!(send(0), send(1), send(2));
        vec![one, two, three]
    }

    /// Compares an answer with what was asked for, and with an earlier one.
    fn check(&self, batch: &Batch, earlier: Option<&Answer>, answer: &Answer) {
        if answer.is_replay {
            self.tally.count(REPLAYS);
        }
        if !batch.is_answered_by(&answer.tasks) {
            self.wrong(batch, "it was answered with other tasks");
        }
        if let Some(earlier) = earlier {
            if earlier.tasks != answer.tasks {
                self.wrong(batch, "two answers differ");
            }
            if !earlier.is_replay && !answer.is_replay {
                self.wrong(batch, "two answers say that it was created just now");
            }
        }
    }

    /// Sends a batch again that was acknowledged. The answer must be the same.
    async fn ask_again(&mut self) {
        if self.new_ids || self.told.is_empty() {
            return;
        }
        let (batch, earlier) = self.told.remove(self.random.below(self.told.len())).unwrap();
        let id = batch.key.clone();
        let at_once = if self.random.one_in(4) { 3 } else { 1 };
        for reply in self.send(&batch, &id, at_once).await {
            match reply {
                Reply::Created(answer) => {
                    self.check(&batch, Some(&earlier), &answer);
                    if !answer.is_replay {
                        self.wrong(&batch, "a repeat was not answered as one");
                    }
                }
                Reply::Refused(kind) | Reply::Unknown(kind) => self.tally.reply(kind),
                Reply::Reused => self.wrong(&batch, "a repeat was taken for another request"),
                Reply::Wrong(kind) => self.wrong(&batch, &kind),
            }
        }
    }

    /// Sends another batch under the id of one that was acknowledged. It must be refused.
    async fn try_other(&mut self, batch: &Batch) {
        if self.new_ids {
            return;
        }
        let other = batch.other();
        for reply in self.send(&other, &batch.key, 1).await {
            match reply {
                Reply::Reused => self.tally.count("other batches refused under a used id"),
                Reply::Created(_) => self.wrong(&other, "it was created under a used id"),
                Reply::Refused(kind) | Reply::Unknown(kind) => self.tally.reply(kind),
                Reply::Wrong(kind) => self.wrong(&other, &kind),
            }
        }
    }

    async fn back_off(&mut self, tries: u32) {
        let most = (20 << tries.min(5)).min(500);
        let pause = self.random.millis(most / 2, most);
        sleep(pause).await;
    }

    fn wrong(&self, batch: &Batch, what: &str) {
        self.tally.wrong(format!("{}: {what}", batch.key));
    }
}
