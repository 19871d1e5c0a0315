//! A client that feeds cases, some at a time: it creates and changes them, and closes some. Nobody else
//! changes these cases.

use std::sync::Arc;

use proto::{
    cases::v1::{Case, CaseStatus},
    directory::v1::{Change, UpsertCase, case_key},
};
use tokio::time::sleep;

use crate::{
    endpoints::{CaseContents, DirectoryAction, DirectoryAnswer, DirectoryRequest},
    known::{GivenUp, Known, KnownStates},
    patience::{Attempts, End, GivesUp, Patience},
    sabotage::Sabotage,
};

pub(crate) const CASES_FED: &str = "changes of fed cases acknowledged";
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
    /// Whether an attempt at the last change may still be under way, though a later one was answered.
    may_change: bool,
}

impl CaseFeeder {
    pub(crate) async fn run(mut self) {
        let mut number = 0;
        while self.patience.goes_on_until(CASES_FED) {
            number += 1;
            let mut cases: Vec<_> = (0..1 + self.patience.random.below(8))
                .map(|case| {
                    let name = format!("chaos-7{}-{number}-{case}", self.number);
                    let contents = CaseContents::random(String::new(), &mut self.patience.random);
                    Fed { known: Known::new(name), contents, may_change: false }
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
            case.contents = contents;
            case.may_change = attempts.may_have_succeeded;
            self.patience.report.count(CASES_FED);
        }
    }

    async fn close(&mut self, case: &mut Fed) -> Option<()> {
        let key = match self.patience.random.one_in(2) {
            true => case_key::Key::Id(case.known.id),
            false => case_key::Key::ExternalId(case.known.name.clone()),
        };
        let close = self.request(DirectoryAction::CloseCase(key));
        match self.patience.ask(&close, GivesUp::Never).await {
            End::Answered(DirectoryAnswer::Case(found), attempts) => {
                case.may_change = attempts.may_have_succeeded;
                let is_closed = case.contents.status == CaseStatus::Closed;
                case.contents.status = CaseStatus::Closed;
                if CaseContents::of(&found) != case.contents {
                    self.patience.report.unexpected(format!("closed: {found:?}"));
                }
                if !is_closed {
                    case.known.states.push(case.contents.state());
                    self.patience.report.count(CASES_FED);
                }
                Some(())
            }
            other => self.end(std::slice::from_mut(case), other),
        }
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
