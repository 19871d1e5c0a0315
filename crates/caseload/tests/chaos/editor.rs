//! A client that creates a task, changes it step by step, and deletes it in the end. Nobody else
//! changes the task, so the client knows at each step how it must be.

use std::{sync::Arc, time::Instant};

use tokio::time::sleep;

use crate::{
    batch::{CASES, TENANTS, USERS, email},
    chronicle::{Chronicle, Life},
    endpoints::{Action, Answer, Contents, Endpoints, Outcome, Seen},
    random::Random,
    report::Report,
    worker::{REPAIRED_TIMEOUT, RepairedAt},
};

pub(crate) const CHANGED: &str = "changes acknowledged";
const DELETED: &str = "deletions acknowledged";
const GIVEN_UP: &str = "changes given up when their time was over";

pub(crate) struct Editor {
    pub(crate) number: usize,
    pub(crate) endpoints: Endpoints,
    pub(crate) chronicle: Arc<Chronicle>,
    pub(crate) report: Arc<Report>,
    pub(crate) repaired_at: RepairedAt,
    pub(crate) random: Random,
    /// Whether acknowledged changes are made once more with an older content: a sabotage, which makes
    /// changes twice and out of order.
    pub(crate) repeats_old_changes: bool,
}

/// How a request ended that was repeated until it had an answer.
enum End {
    Answered(Answer, Attempts),
    /// Given up after one attempt: its time was over.
    TimedOut,
    /// Not answered until the time limit.
    Stuck,
}

/// What is known of the attempts at a request before the one that was answered.
struct Attempts {
    /// Whether one of them may have had an effect.
    may_have_succeeded: bool,
}

impl Editor {
    pub(crate) async fn run(mut self) {
        let mut number = 0;
        while self.repaired_at.get().is_none() {
            number += 1;
            let name = format!("chaos-9{}-{number}", self.number);
            self.live(name).await;
        }
    }

    /// Leads one task through its life.
    async fn live(&mut self, name: String) {
        let tenant = self.number % TENANTS;
        let case_id = i64::try_from(tenant * CASES + 1 + self.random.below(CASES)).unwrap();
        let place = (tenant, case_id);
        let mut life = Life::new(name.clone());
        let first = Contents { completed: false, ..self.contents(&name, 0) };
        let create = Action::Create(first.clone(), format!("{name}-key"));
        let mut task = match self.ask(place, &create, false).await {
            End::Answered(Answer::Task(task), _) => task,
            End::Answered(answer, _) => return self.unexpected(&name, &answer),
            End::TimedOut | End::Stuck => {
                return self.chronicle.record(Life { is_stuck: true, ..life });
            }
        };
        self.compare(&name, &task, &first);
        life.task = task.id;
        for step in 1..=1 + self.random.below(6) {
            let before = task.clone();
            if !self.change(place, &name, step, &mut task, &mut life).await {
                return self.chronicle.record(life);
            }
            if self.repeats_old_changes {
                let old = Action::Update(task.id, before.contents, None);
                self.ask(place, &old, false).await;
            } else if self.random.one_in(2) {
                self.read(place, &name, &task).await;
            }
        }
        if self.random.one_in(3) {
            let etag = self.random.one_in(2).then(|| task.etag.clone());
            match self.ask(place, &Action::Delete(task.id, etag), false).await {
                End::Answered(Answer::Deleted, _) => life.is_deleted = true,
                End::Answered(Answer::Missing, attempts) if attempts.may_have_succeeded => {
                    life.is_deleted = true;
                }
                End::Answered(answer, _) => self.unexpected(&name, &answer),
                End::TimedOut | End::Stuck => life.is_stuck = true,
            }
            self.report.count(DELETED);
        }
        self.chronicle.record(life);
    }

    /// Makes a change, and returns whether the life goes on.
    async fn change(
        &mut self,
        place: (usize, i64),
        name: &str,
        step: usize,
        task: &mut Seen,
        life: &mut Life,
    ) -> bool {
        let contents = self.contents(name, step);
        let etag = self.random.one_in(2).then(|| task.etag.clone());
        let update = Action::Update(task.id, contents.clone(), etag);
        let gives_up = self.random.one_in(4);
        match self.ask(place, &update, gives_up).await {
            End::Answered(Answer::Task(changed), _) => {
                self.compare(name, &changed, &contents);
                *task = changed;
            }
            // An earlier attempt made the change, and so the task has another tag.
            End::Answered(Answer::Stale, attempts) if attempts.may_have_succeeded => {
                match self.ask(place, &Action::Get(task.id), false).await {
                    End::Answered(Answer::Task(changed), _) => {
                        self.compare(name, &changed, &contents);
                        *task = changed;
                    }
                    End::Answered(answer, _) => self.unexpected(name, &answer),
                    End::TimedOut | End::Stuck => life.is_stuck = true,
                }
            }
            End::Answered(answer, _) => self.unexpected(name, &answer),
            End::TimedOut => {
                life.timed_out = Some((step, Instant::now()));
                self.report.count(GIVEN_UP);
                return false;
            }
            End::Stuck => life.is_stuck = true,
        }
        if !life.is_stuck {
            life.acknowledged = step;
            self.report.count(CHANGED);
        }
        !life.is_stuck
    }

    /// Reads the task, which must be as it was last.
    async fn read(&mut self, place: (usize, i64), name: &str, task: &Seen) {
        match self.ask(place, &Action::Get(task.id), false).await {
            End::Answered(Answer::Task(read), _) => {
                self.compare(name, &read, &task.contents);
                if read.etag != task.etag {
                    self.report.unexpected(format!("{name}: the tag is another one when read"));
                }
            }
            End::Answered(answer, _) => self.unexpected(name, &answer),
            // It is stuck at the next change, too.
            End::TimedOut | End::Stuck => {}
        }
    }

    /// Makes a request until it is answered; or, if it `gives_up`, until its time is over once.
    async fn ask(&mut self, place: (usize, i64), action: &Action, gives_up: bool) -> End {
        let mut attempts = Attempts { may_have_succeeded: false };
        for attempt in 0_u32.. {
            let endpoint = self.random.below(self.endpoints.count());
            let sends_deadline = gives_up || !self.random.one_in(4);
            match self.endpoints.ask(endpoint, place, action, sends_deadline).await {
                Answer::Failed(Outcome::Refused(kind)) => self.report.failed_attempt(kind),
                Answer::Failed(Outcome::TimedOut(kind)) => {
                    self.report.failed_attempt(kind);
                    if gives_up && !attempts.may_have_succeeded {
                        return End::TimedOut;
                    }
                    attempts.may_have_succeeded = true;
                }
                Answer::Failed(Outcome::Unknown(kind)) => {
                    self.report.failed_attempt(kind);
                    attempts.may_have_succeeded = true;
                }
                answer => return End::Answered(answer, attempts),
            }
            if self.repaired_at.get().is_some_and(|since| since.elapsed() > REPAIRED_TIMEOUT) {
                break;
            }
            let most = (20 << attempt.min(5)).min(500);
            sleep(self.random.millis(most / 2, most)).await;
        }
        End::Stuck
    }

    fn contents(&mut self, name: &str, step: usize) -> Contents {
        let first = self.random.below(USERS);
        let emails = (0..self.random.below(4)).map(|next| email((first + next) % USERS)).collect();
        let completed = self.random.one_in(2);
        Contents { description: format!("{name}-{step} edited"), completed, emails }
    }

    fn compare(&self, name: &str, task: &Seen, expected: &Contents) {
        if task.contents != *expected {
            let found = &task.contents;
            self.report.unexpected(format!("{name}: {found:?} instead of {expected:?}"));
        }
    }

    fn unexpected(&self, name: &str, answer: &Answer) {
        self.report.unexpected(format!("{name}: {answer:?}"));
    }
}
