//! The cases of a keeper, as lists of them must be. Nobody else has cases of its teams.

use proto::cases::v1::{CaseStatus, Priority};

use crate::{
    endpoints::{CaseContents, CaseList, SeenCase},
    random::Random,
};

/// How many cases have the same teams, and how many teams these are. So few cases fit into one page.
const CASES: usize = 8;
const TEAMS: usize = 3;

/// The first team, greater than those of other cases.
const FIRST_TEAM: usize = 1000;

/// How many cases a keeper makes at most.
const MOST: usize = 1_000_000;

/// Some cases of a keeper, made one after the other.
pub(crate) struct Shelf {
    first_team: usize,
    cases: Vec<Shelved>,
}

struct Shelved {
    name: String,
    /// 0 if it is not known.
    id: i64,
    /// As was acknowledged last; `None` if it is in doubt whether the case exists, and how.
    contents: Option<CaseContents>,
}

impl Shelf {
    /// Returns the shelf for the first cases of a keeper.
    pub(crate) fn of_keeper(number: usize) -> Self {
        Self { first_team: FIRST_TEAM + number * MOST, cases: Vec::new() }
    }

    /// Begins with other teams once there are many cases.
    pub(crate) fn make_room(&mut self) {
        if self.cases.len() >= CASES {
            self.cases.clear();
            self.first_team += TEAMS;
        }
    }

    /// Returns one of the teams.
    pub(crate) fn team(&self, random: &mut Random) -> i64 {
        i64::try_from(self.first_team + random.below(TEAMS)).unwrap()
    }

    /// Notes that a case is created, changed or deleted: until this was acknowledged, it is in doubt.
    pub(crate) fn doubt(&mut self, name: &str) {
        match self.cases.iter_mut().find(|case| case.name == name) {
            Some(case) => case.contents = None,
            None => self.cases.push(Shelved { name: name.to_owned(), id: 0, contents: None }),
        }
    }

    /// Notes how a case is according to a response.
    pub(crate) fn put(&mut self, name: &str, id: i64, contents: &CaseContents) {
        self.remove(name);
        let contents = Some(contents.clone());
        self.cases.push(Shelved { name: name.to_owned(), id, contents });
    }

    /// Notes that there is no such case, according to a response.
    pub(crate) fn remove(&mut self, name: &str) {
        self.cases.retain(|case| case.name != name);
    }

    /// Returns whether some of the cases are in doubt.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.cases.iter().any(|case| case.contents.is_none())
    }

    /// Returns a list of the cases of one of the teams.
    pub(crate) fn list(&self, random: &mut Random) -> CaseList {
        let priorities = [Priority::Low, Priority::Medium, Priority::High, Priority::Critical];
        let statuses = [CaseStatus::Open, CaseStatus::Closed];
        CaseList {
            team_id: self.team(random),
            priority: random.one_in(4).then(|| random.pick(&priorities)),
            status: random.one_in(4).then(|| random.pick(&statuses)),
        }
    }

    /// Returns what is wrong with what was found in a list.
    pub(crate) fn error(&self, list: &CaseList, found: &[SeenCase]) -> Option<String> {
        if !found.is_sorted_by(|one, next| one.id < next.id) {
            return Some(format!("cases are not in order: {found:?}"));
        }
        if let Some(case) = found.iter().find(|case| !self.explains(case, list)) {
            return Some(format!("{list:?} has {case:?}"));
        }
        let is_found = |id| found.iter().any(|case| case.id == id);
        let missing = self.cases.iter().find(|case| {
            case.contents.as_ref().is_some_and(|contents| list.has(contents)) && !is_found(case.id)
        });
        missing.map(|case| format!("{list:?} lacks {}: {found:?}", case.name))
    }

    /// Returns whether a case may be in a list as it is there.
    fn explains(&self, found: &SeenCase, list: &CaseList) -> bool {
        let is_it = |case: &&Shelved| {
            found.contents.name.starts_with(&format!("{}-", case.name))
                && (case.id == 0 || case.id == found.id)
        };
        let known = self.cases.iter().find(is_it);
        list.has(&found.contents)
            && known.is_some_and(|case| {
                case.contents.as_ref().is_none_or(|contents| *contents == found.contents)
            })
    }
}
