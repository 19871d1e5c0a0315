//! The names by which a call of the directory finds one case.

use crate::{CaseId, ExternalId, FieldPath, Reason, Rule, Violation, Violations};

/// What names a case, as the caller sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseKeyDraft {
    /// Nothing.
    None,
    /// The id.
    Id(i64),
    /// The caller's own id.
    ExternalId(String),
}

/// What names a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseKey {
    /// The id.
    Id(CaseId),
    /// The caller's own id.
    ExternalId(ExternalId),
}

impl CaseKey {
    /// Broken by a key of nothing.
    pub const REQUIRED: Rule =
        Rule { reason: Reason::Required, description: "the case is named by id or external_id" };

    /// Checks a key.
    ///
    /// # Errors
    /// The one violation.
    pub fn parse(draft: CaseKeyDraft) -> Result<Self, Violations> {
        let (path, parsed) = match draft {
            CaseKeyDraft::None => ("case", Err(&Self::REQUIRED)),
            CaseKeyDraft::Id(id) => {
                ("case.id", CaseId::new(id).map(Self::Id).ok_or(&CaseId::NOT_POSITIVE))
            }
            CaseKeyDraft::ExternalId(id) => {
                ("case.external_id", ExternalId::parse(id).map(Self::ExternalId))
            }
        };
        parsed.map_err(|rule| Violation { path: FieldPath::new(path), rule }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_has_two_names() {
        let external = |text: &str| CaseKeyDraft::ExternalId(text.to_owned());
        assert_eq!(CaseKey::parse(CaseKeyDraft::Id(7)), Ok(CaseKey::Id(CaseId::new(7).unwrap())));
        assert!(matches!(CaseKey::parse(external("x")), Ok(CaseKey::ExternalId(_))));
        for (draft, expected) in [
            (CaseKeyDraft::None, "case Required"),
            (CaseKeyDraft::Id(0), "case.id NotPositive"),
            (external(""), "case.external_id Required"),
        ] {
            let violations = CaseKey::parse(draft).unwrap_err();
            let [Violation { path, rule }] = violations.as_slice() else { panic!() };
            assert_eq!(format!("{path} {:?}", rule.reason), expected);
        }
    }
}
