//! A client that creates a task, changes it step by step, and deletes it in the end. Nobody else
//! changes the task, so the client knows at each step how it must be.

use std::sync::Arc;

use crate::{
    batch::{CASES, TENANTS, USERS, email},
    chronicle::{Chronicle, Life},
    comparisons,
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

/// A task that exists, and what its client knows of it.
struct Edited {
    tenant: usize,
    case_id: i64,
    task: Seen,
    life: Life,
    /// All that it has been, one after the other, as was acknowledged.
    contents: Vec<Contents>,
}

impl Editor {
    pub(crate) async fn run(mut self) {
        let mut number = 0;
        while self.patience.goes_on_until(&[comparisons::HISTORIES]) {
            number += 1;
            let name = format!("chaos-9{}-{number}", self.number);
            if let Some(mut edited) = self.create(name).await {
                if self.change_repeatedly(&mut edited).await && self.patience.random.one_in(3) {
                    self.delete(&mut edited).await;
                }
                self.chronicle.record(edited.life);
            }
        }
    }

    /// Creates a task. Returns `None`, and has recorded what is known of it, if that was not acknowledged.
    async fn create(&mut self, name: String) -> Option<Edited> {
        let tenant = self.number % TENANTS;
        let case_id =
            i64::try_from(tenant * CASES + 1 + self.patience.random.below(CASES)).unwrap();
        let first = Contents { completed: false, ..self.contents(&name, 0) };
        let action = Action::Create(first.clone(), format!("{name}-key"));
        let mut life = Life::new(name.clone());
        match self.patience.insist(&Edit { tenant, case_id, action }).await {
            Some((Answer::Task(task), _)) => {
                self.compare(&name, &task, &first);
                life.task = task.id;
                Some(Edited { tenant, case_id, task, life, contents: vec![first] })
            }
            Some((answer, _)) => {
                self.unexpected(&name, &answer);
                None
            }
            None => {
                self.chronicle.record(Life { is_stuck: true, ..life });
                None
            }
        }
    }

    /// Changes the task some times. Returns whether its client goes on.
    async fn change_repeatedly(&mut self, edited: &mut Edited) -> bool {
        for step in 1..=1 + self.patience.random.below(6) {
            let before = edited.task.clone();
            match self.change(edited, step).await {
                Next::Change => {}
                Next::Finish => break,
                Next::End => return false,
            }
            if self.repeats_old_changes {
                let old = Action::Update(edited.task.id, before.contents, None);
                self.ask(edited, old).await;
            } else if self.patience.random.one_in(2) {
                self.read(edited).await;
            }
        }
        true
    }

    /// Makes a change.
    async fn change(&mut self, edited: &mut Edited, step: usize) -> Next {
        let name = edited.life.name.clone();
        let contents = self.contents(&name, step);
        let etag = self.patience.random.one_in(2).then(|| edited.task.etag.clone());
        let Edited { tenant, case_id, .. } = *edited;
        let is_tagged = etag.is_some();
        let action = Action::Update(edited.task.id, contents.clone(), etag);
        let mut next = Next::Change;
        let gives_up =
            if self.patience.random.one_in(4) { GivesUp::TimedOut } else { GivesUp::Never };
        match self.patience.ask(&Edit { tenant, case_id, action }, gives_up).await {
            End::Answered(Answer::Task(changed), attempts) => {
                self.compare(&name, &changed, &contents);
                edited.task = changed;
                next = attempts.next(is_tagged);
            }
            // An earlier attempt made the change, and so the task has another tag.
            End::Answered(Answer::Stale, attempts) if attempts.may_have_succeeded => {
                match self.ask(edited, Action::Get(edited.task.id)).await {
                    Some((Answer::Task(changed), _)) => {
                        self.compare(&name, &changed, &contents);
                        edited.task = changed;
                    }
                    Some((answer, _)) => self.unexpected(&name, &answer),
                    None => edited.life.is_stuck = true,
                }
            }
            End::Answered(answer, _) => self.unexpected(&name, &answer),
            End::Rejected(reason, _) => {
                self.patience.report.unexpected(format!("{name}: {reason}"));
            }
            End::TimedOut(told) => {
                edited.life.timed_out = Some((step, told));
                self.patience.report.count(GIVEN_UP);
                return Next::End;
            }
            End::Refused | End::Stuck => edited.life.is_stuck = true,
        }
        if edited.life.is_stuck {
            return Next::End;
        }
        edited.life.acknowledged = step;
        edited.contents.push(contents);
        self.patience.report.count(CHANGED);
        next
    }

    /// Reads the task, which must be as it was last, and now and then its history.
    async fn read(&mut self, edited: &Edited) {
        let name = &edited.life.name;
        match self.ask(edited, Action::Get(edited.task.id)).await {
            Some((Answer::Task(read), _)) => {
                self.compare(name, &read, &edited.task.contents);
                if read.etag != edited.task.etag {
                    let what = format!("{name}: the tag is another one when read");
                    self.patience.report.unexpected(what);
                }
            }
            Some((answer, _)) => self.unexpected(name, &answer),
            // It is stuck at the next change, too.
            None => {}
        }
        if self.patience.random.one_in(2) {
            self.compare_history(edited).await;
        }
    }

    /// Deletes the task, by itself or as a batch.
    async fn delete(&mut self, edited: &mut Edited) {
        let etag = self.patience.random.one_in(2).then(|| edited.task.etag.clone());
        let delete = match self.patience.random.one_in(2) {
            true => Action::Delete(edited.task.id, etag),
            false => Action::BatchDelete(edited.task.id),
        };
        match self.ask(edited, delete).await {
            Some((Answer::Deleted, _)) => edited.life.is_deleted = true,
            Some((Answer::Missing, attempts)) if attempts.may_have_succeeded => {
                edited.life.is_deleted = true;
            }
            Some((answer, _)) => return self.unexpected(&edited.life.name, &answer),
            None => {
                edited.life.is_stuck = true;
                return;
            }
        }
        self.patience.report.count(DELETED);
        if !self.repeats_old_changes {
            self.compare_history(edited).await;
        }
    }

    /// Compares the history of the task with all that was acknowledged. There is nothing in doubt: what was
    /// given up ends the life of a task.
    async fn compare_history(&mut self, edited: &Edited) {
        let Edited { tenant, case_id, contents, .. } = edited;
        let place = (*tenant, *case_id, edited.task.id);
        let is_deleted = edited.life.is_deleted;
        comparisons::history(&mut self.patience, place, contents, is_deleted).await;
    }

    /// Makes a request about the task until it is answered.
    async fn ask(&mut self, edited: &Edited, action: Action) -> Option<(Answer, Attempts)> {
        let Edited { tenant, case_id, .. } = *edited;
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
