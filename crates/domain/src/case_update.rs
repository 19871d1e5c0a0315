//! A change to a case: the input, checked.

use crate::{
    CaseDescription, CaseFields, CaseId, CaseName, CaseStatus, FieldPath, Precondition, Priority,
    Reason, Rule, TeamId, Violation, Violations,
};

/// A change to a case, as the caller sent it. What is not set stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseUpdateDraft {
    /// The case's id.
    pub id: i64,
    /// What is set.
    pub fields: CaseFields,
    /// The states to which the change may be made, as [`Precondition::parse`] reads them.
    pub etag: String,
    /// Whether the caller named another field to change than those that there are.
    pub names_other_field: bool,
}

/// A valid change to a case. What is `None` stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseUpdate {
    /// The case.
    pub case: CaseId,
    /// The states to which the change may be made.
    pub precondition: Precondition,
    /// The name.
    pub name: Option<CaseName>,
    /// What the case is about.
    pub description: Option<CaseDescription>,
    /// How urgent it is.
    pub priority: Option<Priority>,
    /// Whether it is open.
    pub status: Option<CaseStatus>,
    /// The team to which it belongs, or none.
    pub team: Option<Option<TeamId>>,
}

impl CaseUpdate {
    /// Broken by a field mask with another path.
    pub const INVALID_MASK: Rule = Rule {
        reason: Reason::InvalidMask,
        description: "the fields are name, description, priority, status and team_id, or * for all",
    };
    /// Broken by a case in another state than the caller named.
    pub const STALE: Rule =
        Rule { reason: Reason::EtagMismatch, description: "the case has been changed since" };

    /// Checks a request.
    ///
    /// # Errors
    /// Every violation, in the order of the request.
    pub fn parse(draft: CaseUpdateDraft) -> Result<Self, Violations> {
        let mut violations = Vec::new();
        let mut report = |path, rule| violations.push(Violation { path, rule });
        let case = CaseId::new(draft.id);
        if case.is_none() {
            report(FieldPath::new("case.id"), &CaseId::NOT_POSITIVE);
        }
        let fields = draft.fields.parse(&mut report);
        if draft.names_other_field {
            report(FieldPath::new("case.update_mask"), &Self::INVALID_MASK);
        }
        match case.filter(|_| violations.is_empty()) {
            Some(case) => Ok(Self {
                case,
                precondition: Precondition::parse(&draft.etag),
                name: fields.name,
                description: fields.description,
                priority: fields.priority,
                status: fields.status,
                team: fields.team,
            }),
            None => Err(Violations(violations)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Choice;

    #[test]
    fn what_is_absent_stays_and_what_is_empty_is_set() {
        let draft = CaseUpdateDraft { id: 7, ..CaseUpdateDraft::default() };
        let update = CaseUpdate::parse(draft.clone()).unwrap();
        assert_eq!((update.name, update.description, update.team), (None, None, None));
        assert_eq!((update.priority, update.status), (None, None));
        let fields = CaseFields {
            description: Some(" ".to_owned()),
            team_id: Some(None),
            ..CaseFields::default()
        };
        let update = CaseUpdate::parse(CaseUpdateDraft { fields, ..draft }).unwrap();
        assert_eq!(update.description, Some(CaseDescription::default()));
        assert_eq!(update.team, Some(None));
    }

    #[test]
    fn reports_every_violation_in_the_order_of_the_request() {
        let fields = CaseFields {
            name: Some(String::new()),
            priority: Choice::Unknown,
            team_id: Some(Some(-1)),
            ..CaseFields::default()
        };
        let draft = CaseUpdateDraft { id: 0, fields, names_other_field: true, etag: String::new() };
        let violations = CaseUpdate::parse(draft).unwrap_err();
        let text = |v: &Violation| format!("{} {:?}", v.path, v.rule.reason);
        assert_eq!(
            violations.as_slice().iter().map(text).collect::<Vec<_>>(),
            [
                "case.id NotPositive",
                "case.name Required",
                "case.priority UnknownValue",
                "case.team_id NotPositive",
                "case.update_mask InvalidMask",
            ]
        );
    }
}
