//! Cases to be created or changed by the caller's own ids: the input, checked.

use std::collections::HashSet;

use crate::{
    CaseDescription, CaseName, CaseStatus, Choice, ExternalId, FieldPath, Priority, Reason, Rule,
    TeamId, Violation, Violations,
};

/// A case to be created or changed, as the caller sent it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseUpsertDraft {
    /// The caller's own id of the case.
    pub external_id: String,
    /// The name.
    pub name: String,
    /// What the case is about; `None` leaves it as it is.
    pub description: Option<String>,
    /// How urgent it is.
    pub priority: Choice<Priority>,
    /// Whether it is open.
    pub status: Choice<CaseStatus>,
    /// The team; 0 for none, `None` leaves it as it is.
    pub team_id: Option<i64>,
}

/// A valid case to be created or changed. What is `None` stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseUpsert {
    /// The caller's own id of the case.
    pub external_id: ExternalId,
    /// The name.
    pub name: CaseName,
    /// What the case is about.
    pub description: Option<CaseDescription>,
    /// How urgent it is.
    pub priority: Option<Priority>,
    /// Whether it is open.
    pub status: Option<CaseStatus>,
    /// The team to which it belongs, or none.
    pub team: Option<Option<TeamId>>,
}

/// 1 to 500 valid cases, each with another external id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseUpserts(Vec<CaseUpsert>);

impl CaseUpserts {
    /// The most cases of a request.
    pub const MAX_CASES: usize = 500;

    /// Broken by an empty list.
    pub const REQUIRED: Rule =
        Rule { reason: Reason::Required, description: "1 to 500 cases are required" };

    /// Broken past [`Self::MAX_CASES`].
    pub const TOO_MANY: Rule =
        Rule { reason: Reason::TooMany, description: "at most 500 cases can be written at once" };

    /// Broken by a case that is named twice.
    pub const DUPLICATE: Rule =
        Rule { reason: Reason::Duplicate, description: "the case is named twice" };

    /// Checks a request.
    ///
    /// # Errors
    /// Every violation, in the order of the request. Of a list that is too long, only the items
    /// within its limit are checked.
    pub fn parse(
        cases: impl ExactSizeIterator<Item = CaseUpsertDraft>,
    ) -> Result<Self, Violations> {
        let mut violations = Vec::new();
        let mut report = |path, rule| violations.push(Violation { path, rule });
        match cases.len() {
            0 => report(FieldPath::new("cases"), &Self::REQUIRED),
            1..=Self::MAX_CASES => {}
            _ => report(FieldPath::new("cases"), &Self::TOO_MANY),
        }
        let mut ids = HashSet::new();
        let mut upserts = Vec::with_capacity(cases.len().min(Self::MAX_CASES));
        for (index, draft) in cases.take(Self::MAX_CASES).enumerate() {
            let mut at = |pattern, rule| report(FieldPath::at(pattern, index), rule);
            let external_id = ExternalId::parse(draft.external_id);
            let external_id = external_id.map_err(|rule| at("cases[*].external_id", rule)).ok();
            if external_id.as_ref().is_some_and(|id| !ids.insert(id.clone())) {
                at("cases[*].external_id", &Self::DUPLICATE);
            }
            let name = CaseName::parse(draft.name).map_err(|rule| at("cases[*].name", rule)).ok();
            let description = draft.description.and_then(|text| {
                let parsed = CaseDescription::parse(text);
                parsed.map_err(|rule| at("cases[*].description", rule)).ok()
            });
            let priority = draft.priority.known_or(|| at("cases[*].priority", &Priority::UNKNOWN));
            let status = draft.status.known_or(|| at("cases[*].status", &CaseStatus::UNKNOWN));
            let team = draft.team_id.and_then(|id| match id {
                0 => Some(None),
                id => TeamId::parse(id).map(Some).map_err(|rule| at("cases[*].team_id", rule)).ok(),
            });
            let named = external_id.zip(name);
            upserts.extend(named.map(|(external_id, name)| CaseUpsert {
                external_id,
                name,
                description,
                priority,
                status,
                team,
            }));
        }
        match Violations::new(violations) {
            None => Ok(Self(upserts)),
            Some(violations) => Err(violations),
        }
    }

    /// Returns the cases, in the order of the request.
    #[must_use]
    pub fn as_slice(&self) -> &[CaseUpsert] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(external_id: &str) -> CaseUpsertDraft {
        let (external_id, name) = (external_id.to_owned(), "A case".to_owned());
        CaseUpsertDraft { external_id, name, ..CaseUpsertDraft::default() }
    }

    fn violations(drafts: Vec<CaseUpsertDraft>) -> Vec<String> {
        CaseUpserts::parse(drafts.into_iter())
            .unwrap_err()
            .as_slice()
            .iter()
            .map(|violation| format!("{} {:?}", violation.path, violation.rule.reason))
            .collect()
    }

    #[test]
    fn takes_1_to_500_cases() {
        let cases = |n: usize| (0..n).map(|n| draft(&n.to_string())).collect::<Vec<_>>();
        assert_eq!(violations(cases(0)), ["cases Required"]);
        assert_eq!(CaseUpserts::parse(cases(500).into_iter()).unwrap().as_slice().len(), 500);
        assert_eq!(violations(cases(501)), ["cases TooMany"]);
    }

    #[test]
    fn what_is_absent_stays_and_no_team_is_another_thing_than_nothing_said() {
        let team = |team_id| {
            let cases = CaseUpserts::parse([CaseUpsertDraft { team_id, ..draft("x") }].into_iter());
            cases.unwrap().as_slice()[0].team
        };
        assert_eq!((team(None), team(Some(0))), (None, Some(None)));
        assert_eq!(team(Some(TeamId::MAX)), Some(TeamId::new(TeamId::MAX)));
    }

    #[test]
    fn reports_every_violation_in_the_order_of_the_request() {
        let drafts = vec![
            draft("x"),
            draft("x"),
            CaseUpsertDraft {
                external_id: String::new(),
                name: " ".to_owned(),
                description: Some("\0".to_owned()),
                priority: Choice::Unknown,
                status: Choice::Unknown,
                team_id: Some(-1),
            },
            CaseUpsertDraft { team_id: Some(TeamId::MAX + 1), ..draft("y") },
        ];
        assert_eq!(
            violations(drafts),
            [
                "cases[1].external_id Duplicate",
                "cases[2].external_id Required",
                "cases[2].name Required",
                "cases[2].description ContainsNul",
                "cases[2].priority UnknownValue",
                "cases[2].status UnknownValue",
                "cases[2].team_id NotPositive",
                "cases[3].team_id OutOfRange",
            ]
        );
    }
}
