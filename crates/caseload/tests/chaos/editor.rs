//! A client that creates a task, changes it step by step, and deletes it in the end. Nobody else
//! changes the task, so the client knows at each step how it must be.

use std::sync::Arc;

use crate::{
    batch::{CASES, TENANTS, USERS, email},
    chronicle::{Chronicle, Life},
    endpoints::{Action, Answer, Contents, Edit, Seen},
    patience::{Attempts, End, GivesUp, Next, Patience},
};

pub(crate) const CHANGED: &str = "changes acknowledged";
const DELETED: &str = "deletions acknowledged";
const GIVEN_UP: &str = "changes given up when their time was over";

pub(crate) struct Editor {
    pub(crate) number: usize,
    pub(crate) patience: Patience,
    pub(crate) chronicle: Arc<Chronicle>,
    /// Whether acknowledged changes are made once more with an older content: a sabotage, which makes
    /// changes twice and out of order.
    pub(crate) repeats_old_changes: bool,
}

impl Editor {
    pub(crate) async fn run(mut self) {
        let mut number = 0;
        while self.patience.goes_on() {
            number += 1;
            let name = format!("chaos-9{}-{number}", self.number);
            self.live(name).await;
        }
    }

    /// Leads one task through its life.
    async fn live(&mut self, name: String) {
        let tenant = self.number % TENANTS;
        let case_id =
            i64::try_from(tenant * CASES + 1 + self.patience.random.below(CASES)).unwrap();
        let place = (tenant, case_id);
        let mut life = Life::new(name.clone());
        let first = Contents { completed: false, ..self.contents(&name, 0) };
        let create = Action::Create(first.clone(), format!("{name}-key"));
        let mut task = match self.ask(place, create).await {
            Some((Answer::Task(task), _)) => task,
            Some((answer, _)) => return self.unexpected(&name, &answer),
            None => return self.chronicle.record(Life { is_stuck: true, ..life }),
        };
        self.compare(&name, &task, &first);
        life.task = task.id;
        for step in 1..=1 + self.patience.random.below(6) {
            let before = task.clone();
            match self.change(place, &name, step, &mut task, &mut life).await {
                Next::Change => {}
                Next::Finish => break,
                Next::End => return self.chronicle.record(life),
            }
            if self.repeats_old_changes {
                let old = Action::Update(task.id, before.contents, None);
                self.ask(place, old).await;
            } else if self.patience.random.one_in(2) {
                self.read(place, &name, &task).await;
            }
        }
        if self.patience.random.one_in(3) {
            let etag = self.patience.random.one_in(2).then(|| task.etag.clone());
            match self.ask(place, Action::Delete(task.id, etag)).await {
                Some((Answer::Deleted, _)) => life.is_deleted = true,
                Some((Answer::Missing, attempts)) if attempts.may_have_succeeded => {
                    life.is_deleted = true;
                }
                Some((answer, _)) => self.unexpected(&name, &answer),
                None => life.is_stuck = true,
            }
            self.patience.report.count(DELETED);
        }
        self.chronicle.record(life);
    }

    /// Makes a change.
    async fn change(
        &mut self,
        place: (usize, i64),
        name: &str,
        step: usize,
        task: &mut Seen,
        life: &mut Life,
    ) -> Next {
        let contents = self.contents(name, step);
        let etag = self.patience.random.one_in(2).then(|| task.etag.clone());
        let (tenant, case_id) = place;
        let is_tagged = etag.is_some();
        let action = Action::Update(task.id, contents.clone(), etag);
        let mut next = Next::Change;
        let gives_up =
            if self.patience.random.one_in(4) { GivesUp::TimedOut } else { GivesUp::Never };
        match self.patience.ask(&Edit { tenant, case_id, action }, gives_up).await {
            End::Answered(Answer::Task(changed), attempts) => {
                self.compare(name, &changed, &contents);
                *task = changed;
                next = attempts.next(is_tagged);
            }
            // An earlier attempt made the change, and so the task has another tag.
            End::Answered(Answer::Stale, attempts) if attempts.may_have_succeeded => {
                match self.ask(place, Action::Get(task.id)).await {
                    Some((Answer::Task(changed), _)) => {
                        self.compare(name, &changed, &contents);
                        *task = changed;
                    }
                    Some((answer, _)) => self.unexpected(name, &answer),
                    None => life.is_stuck = true,
                }
            }
            End::Answered(answer, _) => self.unexpected(name, &answer),
            End::Rejected(reason, _) => {
                self.patience.report.unexpected(format!("{name}: {reason}"));
            }
            End::TimedOut(told) => {
                life.timed_out = Some((step, told));
                self.patience.report.count(GIVEN_UP);
                return Next::End;
            }
            End::Refused | End::Stuck => life.is_stuck = true,
        }
        if life.is_stuck {
            return Next::End;
        }
        life.acknowledged = step;
        self.patience.report.count(CHANGED);
        next
    }

    /// Reads the task, which must be as it was last.
    async fn read(&mut self, place: (usize, i64), name: &str, task: &Seen) {
        match self.ask(place, Action::Get(task.id)).await {
            Some((Answer::Task(read), _)) => {
                self.compare(name, &read, &task.contents);
                if read.etag != task.etag {
                    let what = format!("{name}: the tag is another one when read");
                    self.patience.report.unexpected(what);
                }
            }
            Some((answer, _)) => self.unexpected(name, &answer),
            // It is stuck at the next change, too.
            None => {}
        }
    }

    /// Makes a request about the task until it is answered.
    async fn ask(&mut self, place: (usize, i64), action: Action) -> Option<(Answer, Attempts)> {
        let (tenant, case_id) = place;
        self.patience.insist(&Edit { tenant, case_id, action }).await
    }

    fn contents(&mut self, name: &str, step: usize) -> Contents {
        let first = self.patience.random.below(USERS);
        let emails =
            (0..self.patience.random.below(4)).map(|next| email((first + next) % USERS)).collect();
        let completed = self.patience.random.one_in(2);
        Contents { description: format!("{name}-{step} edited"), completed, emails }
    }

    fn compare(&self, name: &str, task: &Seen, expected: &Contents) {
        if task.contents != *expected {
            let found = &task.contents;
            self.patience.report.unexpected(format!("{name}: {found:?} instead of {expected:?}"));
        }
    }

    fn unexpected(&self, name: &str, answer: &Answer) {
        self.patience.report.unexpected(format!("{name}: {answer:?}"));
    }
}
