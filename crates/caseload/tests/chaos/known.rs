//! What clients know of the cases and users that they change, each its own, compared with what the
//! database has recorded of each.

use std::{collections::HashMap, sync::Mutex, time::Instant};

use crate::{
    audit::{TOLERANCE, Verdict},
    report::Report,
    statements::SentStatements,
    states::Recorded,
};

/// The last states of what is deleted, and of a user who is erased.
pub(crate) const DELETED: &str = "deleted";
pub(crate) const ERASED: &str = "erased";

/// What a client knows of a case or a user at the end.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Unique among all of a run.
    pub(crate) name: String,
    /// 0 if it was not created, as far as is known.
    pub(crate) id: i64,
    /// The states that were acknowledged, one after the other, as the database records them.
    pub(crate) states: Vec<String>,
    /// A change that was given up, and that may have been made after these.
    pub(crate) given_up: Option<GivenUp>,
    /// Whether the last request was not answered until the time limit.
    pub(crate) is_stuck: bool,
}

/// A change that was given up.
#[derive(Debug)]
pub(crate) struct GivenUp {
    /// The state that it leads to.
    pub(crate) state: String,
    /// The name by which its statement is seen on its way to the database, and when the client was told that
    /// its time was over; `None` if it can't be told when it was sent.
    pub(crate) told: Option<(String, Instant)>,
}

impl Known {
    pub(crate) fn new(name: String) -> Self {
        Self { name, ..Self::default() }
    }

    /// Returns whether this is the last state that was acknowledged.
    pub(crate) fn ends_as(&self, state: &str) -> bool {
        self.states.last().is_some_and(|last| last == state)
    }

    /// Compares this with the states that were recorded, and with the one that is stored.
    fn judge(
        &self,
        (made, stored): (&[String], Option<&String>),
        sent: &SentStatements,
        verdict: &mut Verdict,
        report: &Report,
    ) {
        let Self { name, states: expected, given_up, is_stuck, .. } = self;
        verdict.stuck += u64::from(*is_stuck);
        if self.ends_as(DELETED) && stored.is_some() {
            verdict.remains += 1;
            return report.finding(format!("{name} was deleted and is there again: {made:?}"));
        }
        let (in_order, more) = made.split_at(made.len().min(expected.len()));
        if in_order.len() < expected.len() {
            verdict.lost += 1;
            return report.finding(format!("{name} lacks {made:?} instead of {expected:?}"));
        }
        let is_explained = match (more, given_up) {
            ([], _) => true,
            ([state], Some(change)) => *state == change.state,
            _ => *is_stuck,
        };
        if in_order != expected || !is_explained {
            verdict.doubled += 1;
            return report.finding(format!("{name} has had {made:?} instead of {expected:?}"));
        }
        if stored != made.last().filter(|state| *state != DELETED) {
            verdict.lost += 1;
            report.finding(format!("{name} is stored as {stored:?} after {made:?}"));
        }
        let told = given_up.as_ref().and_then(|change| change.told.as_ref());
        if let ([_], Some((statement, told))) = (more, told)
            && let Some(sent) = sent.last(statement)
            && sent > *told + TOLERANCE
        {
            verdict.late += 1;
            report.finding(format!("{name} was changed {:?} too late", sent - *told));
        }
    }
}

/// All cases, or all users, of which clients know something.
#[derive(Default)]
pub(crate) struct KnownStates(Mutex<Vec<Known>>);

impl KnownStates {
    pub(crate) fn record(&self, known: Known) {
        self.0.lock().unwrap().push(known);
    }

    /// Returns the names of those whose last acknowledged state is this one.
    pub(crate) fn names_that_end_as(&self, state: &str) -> Vec<String> {
        let all = self.0.lock().unwrap();
        all.iter().filter(|known| known.ends_as(state)).map(|known| known.name.clone()).collect()
    }

    /// Compares each with what was recorded: each acknowledged change was made, once, in order, nothing was
    /// made that nobody asked for, and none after the client was told that its time was over.
    pub(crate) fn judge(
        &self,
        mut recorded: Recorded,
        sent: &SentStatements,
        verdict: &mut Verdict,
        report: &Report,
    ) {
        let named: HashMap<String, Vec<i64>> = recorded.named();
        for known in &*self.0.lock().unwrap() {
            let ids = named.get(&known.name).cloned().unwrap_or_default();
            if ids.len() > 1 {
                verdict.doubled += 1;
                report.finding(format!("{} was created more than once: {ids:?}", known.name));
            }
            let id =
                if known.id == 0 { ids.first().copied().unwrap_or_default() } else { known.id };
            let made = recorded.made.remove(&id).unwrap_or_default();
            known.judge((&made, recorded.stored.get(&id)), sent, verdict, report);
            for id in ids {
                recorded.made.remove(&id);
            }
        }
        for (id, states) in recorded.made {
            report.unexpected(format!("{id} was changed by nobody: {states:?}"));
        }
    }
}
