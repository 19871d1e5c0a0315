//! A client that feeds cases, some at a time: it creates and changes them, and closes some. Nobody else
//! changes these cases.

use std::sync::Arc;

use proto::{
    Timestamp,
    cases::v1::{Case, CaseStatus},
    directory::v1::{Change, DirectoryCase, UpsertCase, case_key},
};
use tokio::time::sleep;

use crate::{
    endpoints::{CaseContents, DirectoryAction, DirectoryAnswer, DirectoryRequest, FedCaseList},
    known::{GivenUp, Known, KnownStates},
    patience::{Attempts, End, GivesUp, Pages, Patience},
    sabotage::Sabotage,
};

pub(crate) const CASES_FED: &str = "changes of fed cases acknowledged";
pub(crate) const FED_CASE_LISTS: &str = "lists of fed cases compared";
const GIVEN_UP: &str = "changes of fed cases given up when their time was over";

pub(crate) struct CaseFeeder {
    pub(crate) number: usize,
    pub(crate) tenant: usize,
    pub(crate) patience: Patience,
    pub(crate) cases: Arc<KnownStates>,
    pub(crate) sabotage: Option<Sabotage>,
}

/// A case that is fed, and what its client knows of it.
struct Fed {
    known: Known,
    /// As it was acknowledged last.
    contents: CaseContents,
    /// When it was changed last, by the database's clock.
    updated_at: Timestamp,
    /// Whether an attempt at the last change may still be under way, though a later one was answered.
    may_change: bool,
}

impl Fed {
    /// Returns whether a response has the case as it was acknowledged last.
    fn is(&self, found: &DirectoryCase) -> bool {
        found.external_id == self.known.name
            && found.case.as_ref().is_some_and(|case| {
                case.id == self.known.id && CaseContents::of(case) == self.contents
            })
    }
}

impl CaseFeeder {
    pub(crate) async fn run(mut self) {
        let mut number = 0;
        while self.patience.goes_on_until(&[CASES_FED, FED_CASE_LISTS]) {
            number += 1;
            let mut cases: Vec<_> = (0..1 + self.patience.random.below(8))
                .map(|case| {
                    let name = format!("chaos-7{}-{number}-{case}", self.number);
                    let contents = CaseContents::random(String::new(), &mut self.patience.random);
                    let (known, updated_at) = (Known::new(name), Timestamp::default());
                    Fed { known, contents, updated_at, may_change: false }
                })
                .collect();
            self.live(&mut cases).await;
            cases.into_iter().for_each(|case| self.cases.record(case.known));
            sleep(self.patience.random.millis(1, 40)).await;
        }
    }

    /// Leads cases through their lives, as long as each of their changes is answered.
    async fn live(&mut self, cases: &mut [Fed]) -> Option<()> {
        self.feed(cases, 0).await?;
        for step in 1..=1 + self.patience.random.below(4) {
            // An attempt that is still under way would undo what comes after.
            if cases.iter().any(|case| case.may_change) {
                break;
            }
            let some = self.patience.random.below(cases.len());
            self.feed(&mut cases[some..], step).await?;
            let index = self.patience.random.below(cases.len());
            if self.patience.random.one_in(2) && !cases[index].may_change {
                self.close(&mut cases[index]).await?;
            }
            if self.sabotage != Some(Sabotage::OldChanges) {
                self.read(&cases[index]).await;
                if self.patience.random.one_in(4) {
                    self.compare(cases).await;
                }
            }
        }
        Some(())
    }

    /// Feeds some cases.
    async fn feed(&mut self, cases: &mut [Fed], step: usize) -> Option<()> {
        let new: Vec<_> = cases
            .iter()
            .map(|case| {
                let name = format!("{}-{step} fed", case.known.name);
                CaseContents::random(name, &mut self.patience.random)
            })
            .collect();
        let feed = self.upsert(cases.iter().zip(&new));
        let old = self.upsert(cases.iter().map(|case| (case, &case.contents)));
        let gives_up = match step > 0 && self.patience.random.one_in(6) {
            true => GivesUp::TimedOut,
            false => GivesUp::Never,
        };
        match self.patience.ask(&feed, gives_up).await {
            End::Answered(DirectoryAnswer::Cases(fed), attempts) => {
                self.take(cases, step, new, fed, attempts);
            }
            End::TimedOut(told) => {
                for (case, contents) in cases.iter_mut().zip(new) {
                    let told = Some((format!("{}-{step}", case.known.name), told));
                    case.known.given_up = Some(GivenUp { state: contents.state(), told });
                }
                self.patience.report.count(GIVEN_UP);
                return None;
            }
            other => return self.end(cases, other),
        }
        if step > 0 && self.sabotage == Some(Sabotage::OldChanges) {
            self.patience.insist(&old).await;
        }
        Some(())
    }

    /// Takes the response to a feed.
    fn take(
        &self,
        cases: &mut [Fed],
        step: usize,
        new: Vec<CaseContents>,
        fed: Vec<(Case, Change)>,
        attempts: Attempts,
    ) {
        if fed.len() != cases.len() {
            self.patience.report.unexpected(format!("{} cases of {}", fed.len(), cases.len()));
        }
        let first = if step == 0 { Change::Created } else { Change::Updated };
        for ((case, contents), (found, change)) in cases.iter_mut().zip(new).zip(fed) {
            let is_explained =
                change == first || change == Change::Unchanged && attempts.may_have_succeeded;
            if CaseContents::of(&found) != contents || !is_explained {
                self.patience.report.unexpected(format!("step {step}: {change:?} {found:?}"));
            }
            case.known.id = found.id;
            case.known.states.push(contents.state());
            case.updated_at = found.updated_at.unwrap_or_default();
            case.contents = contents;
            case.may_change = attempts.may_have_succeeded;
            self.patience.report.count(CASES_FED);
        }
    }

    async fn close(&mut self, case: &mut Fed) -> Option<()> {
        let close = DirectoryAction::CloseCase(self.key(case));
        match self.patience.ask(&self.request(close), GivesUp::Never).await {
            End::Answered(DirectoryAnswer::Case(found), attempts) => {
                case.may_change = attempts.may_have_succeeded;
                let is_closed = case.contents.status == CaseStatus::Closed;
                case.contents.status = CaseStatus::Closed;
                if !case.is(&found) {
                    self.patience.report.unexpected(format!("closed: {found:?}"));
                }
                case.updated_at = found.case.and_then(|found| found.updated_at).unwrap_or_default();
                if !is_closed {
                    case.known.states.push(case.contents.state());
                    self.patience.report.count(CASES_FED);
                }
                Some(())
            }
            other => self.end(std::slice::from_mut(case), other),
        }
    }

    /// Reads a case, which must be as it was last.
    async fn read(&mut self, case: &Fed) {
        let get = DirectoryAction::GetCase(self.key(case));
        match self.patience.insist(&self.request(get)).await {
            Some((DirectoryAnswer::Case(found), _)) if case.is(&found) => {}
            Some((answer, _)) => self.patience.report.unexpected(format!("read: {answer:?}")),
            // It is stuck at the next change, too.
            None => {}
        }
    }

    /// Compares the list of all cases that were changed since the first of these was, or of those that are open
    /// or closed, with what is known of these.
    async fn compare(&mut self, cases: &[Fed]) {
        let times = cases.iter().map(|case| case.updated_at);
        let first = times.min_by_key(order).unwrap_or_default();
        let status = match self.patience.random.one_in(4) {
            true => Some(self.patience.random.pick(&[CaseStatus::Open, CaseStatus::Closed])),
            false => None,
        };
        let list = FedCaseList { updated_after: just_before(first), status };
        let Some(found) = self.patience.read(self.tenant, &list, Pages::OfAnySize).await else {
            return;
        };
        let place = |found: &DirectoryCase| {
            found.case.as_ref().map(|case| (case.updated_at.as_ref().map(order), case.id))
        };
        if !found.is_sorted_by(|one, next| place(one) < place(next)) {
            self.patience.report.unexpected(format!("{list:?} is not in order: {found:?}"));
        }
        let has_status = |of: CaseStatus| status.is_none_or(|status| status == of);
        for other in found.iter().filter_map(|found| found.case.as_ref()) {
            if !has_status(other.status()) {
                self.patience.report.unexpected(format!("{list:?} has {other:?}"));
            }
        }
        for case in cases {
            let its = found.iter().filter(|found| found.external_id == case.known.name);
            let its: Vec<_> = its.collect();
            let is_as_expected = match &its[..] {
                [] => !has_status(case.contents.status),
                [found] => has_status(case.contents.status) && case.is(found),
                _ => false,
            };
            if !is_as_expected {
                let what = format!("{list:?} has {its:?} of {}", case.known.name);
                self.patience.report.unexpected(what);
            }
        }
        self.patience.report.count(FED_CASE_LISTS);
    }

    /// Ends the lives of cases whose change was not answered as it should be.
    fn end(&self, cases: &mut [Fed], end: End<DirectoryAnswer>) -> Option<()> {
        match end {
            End::Answered(answer, _) => self.patience.report.unexpected(format!("{answer:?}")),
            End::Rejected(reason, _) => self.patience.report.unexpected(reason),
            End::TimedOut(_) | End::Refused | End::Stuck => {}
        }
        cases.iter_mut().for_each(|case| case.known.is_stuck = true);
        None
    }

    /// Returns one of the names of a case.
    fn key(&mut self, case: &Fed) -> case_key::Key {
        match self.patience.random.one_in(2) {
            true => case_key::Key::Id(case.known.id),
            false => case_key::Key::ExternalId(case.known.name.clone()),
        }
    }

    fn upsert<'a>(
        &self,
        cases: impl Iterator<Item = (&'a Fed, &'a CaseContents)>,
    ) -> DirectoryRequest {
        let cases = cases.map(|(case, contents)| UpsertCase {
            external_id: case.known.name.clone(),
            name: contents.name.clone(),
            description: Some(contents.description.clone()),
            priority: contents.priority.into(),
            status: contents.status.into(),
            team_id: Some(contents.team_id),
        });
        self.request(DirectoryAction::UpsertCases(cases.collect()))
    }

    fn request(&self, action: DirectoryAction) -> DirectoryRequest {
        DirectoryRequest { tenant: self.tenant, action }
    }
}

fn order(time: &Timestamp) -> (i64, i32) {
    (time.seconds, time.nanos)
}

/// Returns the time a microsecond before, which is what the database tells apart.
fn just_before(time: Timestamp) -> Timestamp {
    const MICROSECOND: i32 = 1000;
    const SECOND: i32 = 1_000_000_000;
    match time.nanos < MICROSECOND {
        true => Timestamp { seconds: time.seconds - 1, nanos: SECOND - MICROSECOND },
        false => Timestamp { nanos: time.nanos - MICROSECOND, ..time },
    }
}
