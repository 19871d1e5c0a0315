//! A client that creates a case with tasks, changes it step by step, and deletes it in the end. Nobody else
//! changes the case, so the client knows at each step how it must be.

use std::sync::Arc;

use proto::tasks::v1::{IdempotencyRecord, Task};
use tokio::time::sleep;

use crate::{
    batch::{Batch, TENANTS},
    comparisons::{self, CASE_LISTS, RECORDS, TASK_LISTS},
    endpoints::{
        BatchRequest, CaseAction, CaseAnswer, CaseContents, CaseRequest, Contents, SeenCase,
    },
    history::{Entry, History},
    known::{DELETED, GivenUp, Known, KnownStates},
    patience::{Attempts, End, GivesUp, Next, Patience},
    response::Response,
    sabotage::Sabotage,
    shelf::Shelf,
    worker::LATE_AFTER,
};

pub(crate) const CREATED: &str = "cases created";
pub(crate) const CHANGED: &str = "changes of cases acknowledged";
pub(crate) const CASES_DELETED: &str = "cases deleted";
const GIVEN_UP: &str = "creations, changes and deletions of cases given up";
const RACED: &str = "batches created in a case while it was deleted";

pub(crate) struct Keeper {
    pub(crate) number: usize,
    pub(crate) patience: Patience,
    pub(crate) cases: Arc<KnownStates>,
    pub(crate) history: Arc<History>,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) shelf: Shelf,
}

/// A case that exists, and what its client knows of it.
struct Kept {
    case: SeenCase,
    known: Known,
    /// The tasks that were created with it.
    tasks: Vec<Task>,
    /// The rows of these tasks; `None` if there are none.
    rows: Option<String>,
}

impl Keeper {
    pub(crate) async fn run(mut self) {
        let mut number = 0;
        while self.patience.goes_on_until(&[CASES_DELETED, CASE_LISTS, TASK_LISTS, RECORDS]) {
            number += 1;
            self.shelf.make_room();
            if let Some(mut kept) = self.create(number).await {
                if self.change_repeatedly(&mut kept).await && self.patience.random.one_in(2) {
                    self.delete(&mut kept, number).await;
                }
                if !self.changes_again() && self.patience.random.one_in(2) {
                    self.compare(&kept).await;
                }
                self.record(kept);
            }
        }
    }

    /// Creates a case. Returns `None`, and has recorded what is known of it, if that was not acknowledged.
    async fn create(&mut self, number: usize) -> Option<Kept> {
        let name = format!("chaos-8{}-{number}", self.number);
        let mut known = Known::new(name.clone());
        let contents = self.contents(&name, 0);
        let tasks = (!self.patience.random.one_in(4))
            .then(|| Batch::random(name.clone(), self.tenant(), &mut self.patience.random));
        let create =
            self.request(CaseAction::Create(contents.clone(), tasks.clone(), name.clone()));
        let gives_up =
            if self.patience.random.one_in(5) { GivesUp::Failed } else { GivesUp::Never };
        self.shelf.doubt(&name);
        let entry = match self.patience.ask(&create, gives_up).await {
            End::Answered(CaseAnswer::Case(case), _) => {
                self.check(&name, &case, &contents);
                self.check_tasks(&name, tasks.as_ref(), &case);
                self.shelf.put(&name, case.id, &contents);
                self.repeat(&create, &case).await;
                self.patience.report.count(CREATED);
                (known.id, known.states) = (case.id, vec![contents.state()]);
                let rows = tasks.and(case.created.as_ref());
                let rows = rows.map(|created| created.expected_rows(self.tenant(), case.id));
                let created = case.created.as_ref();
                let tasks = created.map(|created| created.tasks.clone()).unwrap_or_default();
                return Some(Kept { case: *case, known, tasks, rows });
            }
            End::TimedOut(told) => {
                let told_of = Some((format!("{name}-0"), told));
                known.given_up = Some(GivenUp { state: contents.state(), told: told_of });
                self.write_late(&create).await;
                self.patience.report.count(GIVEN_UP);
                Entry::TimedOut(told)
            }
            End::Refused => {
                self.shelf.remove(&name);
                self.patience.report.count(GIVEN_UP);
                Entry::Refused
            }
            other => {
                self.stuck(&mut known, other);
                Entry::GivenUp
            }
        };
        if tasks.is_some() {
            self.history.record(&name, entry);
        }
        self.cases.record(known);
        None
    }

    /// Repeats the creation of a case, now and then several times at once. The response must be the same.
    async fn repeat(&mut self, create: &CaseRequest, case: &SeenCase) {
        if self.sabotage == Some(Sabotage::NewIds) {
            if let CaseAction::Create(contents, tasks, name) = create.action.clone() {
                let key = format!("{name}.1");
                let again = self.request(CaseAction::Create(contents, tasks, key));
                self.patience.insist(&again).await;
            }
            return;
        }
        if !self.patience.random.one_in(4) {
            return;
        }
        let mut others = [self.patience.fork(), self.patience.fork(), self.patience.fork()];
        let [one, two, three] = &mut others;
        let repeats = tokio::join!(one.insist(create), two.insist(create), three.insist(create));
        for repeat in [repeats.0, repeats.1, repeats.2] {
            let Some((CaseAnswer::Case(again), _)) = repeat else { continue };
            let tasks =
                |case: &SeenCase| case.created.as_ref().map(|created| created.tasks.clone());
            let first = (case.id, &case.contents, &case.etag, tasks(case));
            if (again.id, &again.contents, &again.etag, tasks(&again)) != first {
                self.unexpected(&format!("{}", case.id), "two responses differ");
            }
            if again.created.is_none_or(|created| !created.is_replay) {
                self.unexpected(&format!("{}", case.id), "a repeat is not marked as one");
            }
        }
    }

    /// Changes the case some times. Returns whether its client goes on.
    async fn change_repeatedly(&mut self, kept: &mut Kept) -> bool {
        for step in 1..=1 + self.patience.random.below(5) {
            let before = kept.case.contents.clone();
            match self.change(kept, step).await {
                Next::Change => {}
                Next::Finish => break,
                Next::End => return false,
            }
            if self.changes_again() {
                let old = self.request(CaseAction::Update(kept.case.id, before, None));
                self.patience.insist(&old).await;
            } else if self.patience.random.one_in(2) {
                self.read(kept).await;
                if self.patience.random.one_in(4) {
                    self.compare(kept).await;
                }
            }
        }
        true
    }

    /// Makes a change.
    async fn change(&mut self, kept: &mut Kept, step: usize) -> Next {
        let name = kept.known.name.clone();
        let contents = self.contents(&name, step);
        let etag = self.patience.random.one_in(2).then(|| kept.case.etag.clone());
        let is_tagged = etag.is_some();
        let change = self.request(CaseAction::Update(kept.case.id, contents.clone(), etag));
        let gives_up =
            if self.patience.random.one_in(5) { GivesUp::TimedOut } else { GivesUp::Never };
        self.shelf.doubt(&name);
        let (changed, next) = match self.patience.ask(&change, gives_up).await {
            End::Answered(CaseAnswer::Case(changed), attempts) => {
                (changed, attempts.next(is_tagged))
            }
            // An earlier attempt made the change, and so the case has another tag.
            End::Answered(CaseAnswer::Stale, attempts) if attempts.may_have_succeeded => {
                let get = self.request(CaseAction::Get(kept.case.id));
                let Some((CaseAnswer::Case(changed), _)) = self.patience.insist(&get).await else {
                    kept.known.is_stuck = true;
                    return Next::End;
                };
                (changed, Next::Change)
            }
            End::TimedOut(told) => {
                let told = Some((format!("{name}-{step}"), told));
                kept.known.given_up = Some(GivenUp { state: contents.state(), told });
                self.write_late(&change).await;
                self.patience.report.count(GIVEN_UP);
                return Next::End;
            }
            other => {
                self.stuck(&mut kept.known, other);
                return Next::End;
            }
        };
        self.check(&name, &changed, &contents);
        kept.case = *changed;
        self.shelf.put(&name, kept.case.id, &contents);
        kept.known.states.push(contents.state());
        self.patience.report.count(CHANGED);
        next
    }

    /// Reads the case, which must be as it was last.
    async fn read(&mut self, kept: &Kept) {
        let get = self.request(CaseAction::Get(kept.case.id));
        let name = &kept.known.name;
        match self.patience.insist(&get).await {
            Some((CaseAnswer::Case(read), _)) => {
                self.check(name, &read, &kept.case.contents);
                if read.etag != kept.case.etag {
                    self.unexpected(name, "the tag is another one when read");
                }
            }
            Some((answer, _)) => self.unexpected(name, &format!("{answer:?}")),
            // It is stuck at the next change, too.
            None => {}
        }
    }

    /// Compares what lists, histories and records say with what is known of the case.
    async fn compare(&mut self, kept: &Kept) {
        let (tenant, case_id, is_deleted) =
            (self.tenant(), kept.case.id, kept.known.ends_as(DELETED));
        comparisons::cases(&mut self.patience, tenant, &self.shelf).await;
        let is_certain = kept.known.given_up.is_none() && !kept.known.is_stuck;
        if is_certain && !is_deleted {
            comparisons::tasks(&mut self.patience, tenant, case_id, &kept.tasks).await;
        }
        if is_certain && let Some(task) = kept.tasks.last() {
            let emails = task.assignees.iter().map(|user| user.email.clone()).collect();
            let description = task.description.clone();
            let contents = [Contents { description, completed: false, emails }];
            let place = (tenant, case_id, task.id);
            comparisons::history(&mut self.patience, place, &contents, is_deleted).await;
        }
        let expected = IdempotencyRecord {
            request_id: kept.known.name.clone(),
            task_ids: kept.tasks.iter().map(|task| task.id).collect(),
            created_at: None,
            case_id,
        };
        comparisons::record(&mut self.patience, tenant, &expected).await;
    }

    /// Deletes the case, now and then while a batch of tasks is created in it.
    async fn delete(&mut self, kept: &mut Kept, number: usize) {
        let etag = self.patience.random.one_in(2).then(|| kept.case.etag.clone());
        let delete = self.request(CaseAction::Delete(kept.case.id, etag));
        let gives_up =
            if self.patience.random.one_in(5) { GivesUp::TimedOut } else { GivesUp::Never };
        self.shelf.doubt(&kept.known.name);
        let deletion = if self.patience.random.one_in(2) {
            let name = format!("chaos-88{}-{number}", self.number);
            let batch =
                Batch::random(name, self.tenant(), &mut self.patience.random).in_case(kept.case.id);
            let create = BatchRequest { batch: &batch, idempotency_key: &batch.name };
            let mut other = self.patience.fork();
            let (deletion, creation) = tokio::join!(
                self.patience.ask(&delete, gives_up),
                other.ask(&create, GivesUp::Never)
            );
            self.conclude(&mut kept.known, deletion);
            let entry = self.entry(&batch, creation, kept.known.ends_as(DELETED));
            return self.history.record(&batch.name, entry);
        } else {
            self.patience.ask(&delete, gives_up).await
        };
        self.conclude(&mut kept.known, deletion);
    }

    /// Notes what is known of a deletion.
    fn conclude(&mut self, known: &mut Known, deletion: End<CaseAnswer>) {
        match deletion {
            End::Answered(CaseAnswer::Deleted, _)
            | End::Answered(CaseAnswer::Missing, Attempts { may_have_succeeded: true }) => {
                known.states.push(DELETED.to_owned());
                self.shelf.remove(&known.name);
                self.patience.report.count(CASES_DELETED);
            }
            End::TimedOut(_) => {
                known.given_up = Some(GivenUp { state: DELETED.to_owned(), told: None });
                self.patience.report.count(GIVEN_UP);
            }
            other => self.stuck(known, other),
        }
    }

    /// Notes that a request was not answered as it should be.
    fn stuck(&self, known: &mut Known, end: End<CaseAnswer>) {
        match end {
            End::Answered(answer, _) => self.unexpected(&known.name, &format!("{answer:?}")),
            End::Rejected(reason, _) => self.unexpected(&known.name, &reason),
            End::TimedOut(_) | End::Refused | End::Stuck => {}
        }
        known.is_stuck = true;
    }

    /// Returns what is known of a batch that was to be created in the case while that was deleted.
    fn entry(&self, batch: &Batch, creation: End<Response>, is_deleted: bool) -> Entry {
        match creation {
            End::Answered(response, _) => {
                if !batch.matches(&response.tasks) {
                    self.unexpected(&batch.name, "the response has other tasks than the request");
                }
                self.patience.report.count(RACED);
                let rows = response.expected_rows(batch.tenant, batch.case_id).into();
                if is_deleted { Entry::Deleted(Some(rows)) } else { Entry::MaybeDeleted(rows) }
            }
            _ if is_deleted => Entry::Deleted(None),
            End::Rejected(reason, Attempts { may_have_succeeded }) => {
                if reason != "CASE_NOT_FOUND" {
                    self.unexpected(&batch.name, &reason);
                }
                if may_have_succeeded { Entry::GivenUp } else { Entry::Refused }
            }
            End::TimedOut(_) | End::Refused | End::Stuck => Entry::Stuck,
        }
    }

    /// Records what is known of a case at the end, and of its tasks.
    fn record(&self, kept: Kept) {
        let Kept { known, rows, .. } = kept;
        if let Some(rows) = rows {
            let may_be_deleted = known.is_stuck
                || known.given_up.as_ref().is_some_and(|change| change.state == DELETED);
            let entry = match known.ends_as(DELETED) {
                true => Entry::Deleted(Some(rows.into())),
                false if may_be_deleted => Entry::MaybeDeleted(rows.into()),
                false => Entry::Acknowledged(rows.into()),
            };
            self.history.record(&known.name, entry);
        }
        self.cases.record(known);
    }

    /// Makes a request that was given up once more, if that is to be done.
    async fn write_late(&mut self, request: &CaseRequest) {
        if self.sabotage == Some(Sabotage::LateWrites) {
            sleep(LATE_AFTER).await;
            self.patience.ask(request, GivesUp::Failed).await;
        }
    }

    /// Whether changes are made that are not noted: by a sabotage.
    fn changes_again(&self) -> bool {
        self.sabotage == Some(Sabotage::OldChanges)
    }

    fn tenant(&self) -> usize {
        self.number % TENANTS
    }

    fn request(&self, action: CaseAction) -> CaseRequest {
        CaseRequest { tenant: self.tenant(), action }
    }

    fn contents(&mut self, name: &str, step: usize) -> CaseContents {
        let team_id = self.shelf.team(&mut self.patience.random);
        let name = format!("{name}-{step} kept");
        CaseContents { team_id, ..CaseContents::random(name, &mut self.patience.random) }
    }

    fn check_tasks(&self, name: &str, tasks: Option<&Batch>, case: &SeenCase) {
        let created = case.created.as_ref().map_or(&[][..], |created| &created.tasks);
        if !tasks.map_or(created.is_empty(), |batch| batch.matches(created)) {
            self.unexpected(name, "the response has other tasks than the request");
        }
    }

    fn check(&self, name: &str, case: &SeenCase, expected: &CaseContents) {
        if case.contents != *expected {
            self.unexpected(name, &format!("{:?} instead of {expected:?}", case.contents));
        }
    }

    fn unexpected(&self, name: &str, what: &str) {
        self.patience.report.unexpected(format!("{name}: {what}"));
    }
}
