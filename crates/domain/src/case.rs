//! Cases, as they are stored.

use std::time::SystemTime;

use crate::{
    CaseId, Choice, ExternalId, FieldPath, Reason, Rule, Task, TeamId, Violation, Violations,
    text::trimmed,
};

/// A case of a tenant: what tasks belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The case's id.
    pub id: CaseId,
    /// The case's name: 1 to 200 characters.
    pub name: String,
    /// What the case is about: at most 10,000 characters.
    pub description: String,
    /// How urgent it is.
    pub priority: Priority,
    /// Whether it is open.
    pub status: CaseStatus,
    /// The team to which it belongs, if any.
    pub team: Option<TeamId>,
    /// When it was created, by the database's clock.
    pub created_at: SystemTime,
    /// When it was last changed, by the database's clock.
    pub updated_at: SystemTime,
}

/// A case of a tenant, as its directory knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryCase {
    /// The case.
    pub case: Case,
    /// The caller's own id of the case.
    pub external_id: Option<ExternalId>,
}

/// The result of creating a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedCase {
    /// The case.
    pub case: Case,
    /// Its tasks, in the order of the request.
    pub tasks: Vec<Task>,
    /// Whether an earlier request with the same idempotency key created them.
    pub is_replay: bool,
}

/// How urgent a case is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// Low.
    #[default]
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Priority {
    /// Every priority, in ascending order.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Broken by any other value.
    pub const UNKNOWN: Rule = Rule {
        reason: Reason::UnknownValue,
        description: "a priority is LOW, MEDIUM, HIGH or CRITICAL",
    };

    /// Returns the name, as it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
        }
    }

    /// Returns the priority that is stored by this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.as_str() == name)
    }
}

/// Whether a case is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaseStatus {
    /// It is.
    #[default]
    Open,
    /// It is not. Whatever may be done with an open case may still be done.
    Closed,
}

impl CaseStatus {
    /// Every status.
    pub const ALL: [Self; 2] = [Self::Open, Self::Closed];

    /// Broken by any other value.
    pub const UNKNOWN: Rule =
        Rule { reason: Reason::UnknownValue, description: "a status is OPEN or CLOSED" };

    /// Returns the name, as it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Closed => "CLOSED",
        }
    }

    /// Returns the status that is stored by this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// The name of a case: 1 to 200 characters, none of them NUL, without leading or trailing white
/// space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseName(String);

impl CaseName {
    /// The most characters.
    pub const MAX_CHARS: usize = 200;

    /// Broken by a text that is empty or has white space only.
    pub const REQUIRED: Rule = Rule { reason: Reason::Required, description: "a name is required" };
    /// Broken past [`Self::MAX_CHARS`].
    pub const TOO_LONG: Rule =
        Rule { reason: Reason::TooLong, description: "a name has at most 200 characters" };

    /// Removes leading and trailing white space (as Unicode defines it) and checks the rest.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: String) -> Result<Self, &'static Rule> {
        let text = trimmed(text, Self::MAX_CHARS, &Self::TOO_LONG)?;
        if text.is_empty() { Err(&Self::REQUIRED) } else { Ok(Self(text)) }
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The description of a case: at most 10,000 characters, none of them NUL, without leading or
/// trailing white space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseDescription(String);

impl CaseDescription {
    /// The most characters.
    pub const MAX_CHARS: usize = 10_000;

    /// Broken past [`Self::MAX_CHARS`].
    pub const TOO_LONG: Rule = Rule {
        reason: Reason::TooLong,
        description: "a description has at most 10,000 characters",
    };

    /// Removes leading and trailing white space (as Unicode defines it) and checks the rest.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: String) -> Result<Self, &'static Rule> {
        trimmed(text, Self::MAX_CHARS, &Self::TOO_LONG).map(Self)
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TeamId {
    /// The greatest id: JSON numbers are exact up to it.
    pub const MAX: i64 = (1 << 53) - 1;

    /// Broken past [`Self::MAX`].
    pub const TOO_LARGE: Rule =
        Rule { reason: Reason::OutOfRange, description: "a team's id is at most 9007199254740991" };

    /// Checks the id of a team in a request.
    ///
    /// # Errors
    /// The rule that the number breaks.
    pub fn parse(id: i64) -> Result<Self, &'static Rule> {
        match Self::new(id) {
            None => Err(&Self::NOT_POSITIVE),
            Some(_) if id > Self::MAX => Err(&Self::TOO_LARGE),
            Some(team) => Ok(team),
        }
    }
}

impl CaseId {
    /// Checks the id of a case in a request.
    ///
    /// # Errors
    /// A violation if it is not positive.
    pub fn parse(id: i64) -> Result<Self, Violations> {
        let path = FieldPath::new("case_id");
        Self::new(id).ok_or_else(|| Violation { path, rule: &Self::NOT_POSITIVE }.into())
    }
}

/// What a caller sends of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseFields {
    /// The name.
    pub name: Option<String>,
    /// What the case is about.
    pub description: Option<String>,
    /// How urgent it is.
    pub priority: Choice<Priority>,
    /// Whether it is open.
    pub status: Choice<CaseStatus>,
    /// The team: nothing is said, none, or one with this id.
    pub team_id: Option<Option<i64>>,
}

/// What a caller sends of a case, checked. What is `None` was not sent, or is invalid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ParsedFields {
    pub(crate) name: Option<CaseName>,
    pub(crate) description: Option<CaseDescription>,
    pub(crate) priority: Option<Priority>,
    pub(crate) status: Option<CaseStatus>,
    pub(crate) team: Option<Option<TeamId>>,
}

impl CaseFields {
    /// Checks the fields. Reports every violation.
    pub(crate) fn parse(self, report: &mut impl FnMut(FieldPath, &'static Rule)) -> ParsedFields {
        let Self { name, description, priority, status, team_id } = self;
        let mut report = |field, rule| report(FieldPath::new(field), rule);
        ParsedFields {
            name: name.and_then(|text| {
                CaseName::parse(text).map_err(|rule| report("case.name", rule)).ok()
            }),
            description: description.and_then(|text| {
                let parsed = CaseDescription::parse(text);
                parsed.map_err(|rule| report("case.description", rule)).ok()
            }),
            priority: priority.known_or(|| report("case.priority", &Priority::UNKNOWN)),
            status: status.known_or(|| report("case.status", &CaseStatus::UNKNOWN)),
            team: team_id.and_then(|id| {
                let team = id.map(TeamId::parse).transpose();
                team.map_err(|rule| report("case.team_id", rule)).ok()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_has_1_to_200_characters() {
        let name = |text: &str| CaseName::parse(text.to_owned()).map_err(|rule| rule.reason);
        assert_eq!(name("\u{2003}a b\n").unwrap().as_str(), "a b");
        assert!(name(&format!(" {} ", "é".repeat(200))).is_ok());
        for (text, reason) in [
            ("", Reason::Required),
            (" \t", Reason::Required),
            ("a\0", Reason::ContainsNul),
            (&*"é".repeat(201), Reason::TooLong),
        ] {
            assert_eq!(name(text), Err(reason), "{text:?}");
        }
    }

    #[test]
    fn a_description_may_be_empty_and_has_10000_characters_at_most() {
        let parse =
            |text: &str| CaseDescription::parse(text.to_owned()).map_err(|rule| rule.reason);
        assert_eq!(parse(" \n"), Ok(CaseDescription::default()));
        assert!(parse(&"é".repeat(10_000)).is_ok());
        assert_eq!(parse(&"é".repeat(10_001)), Err(Reason::TooLong));
        assert_eq!(parse("a\0b"), Err(Reason::ContainsNul));
    }

    #[test]
    fn names_of_values_are_read_as_they_are_written() {
        for priority in Priority::ALL {
            assert_eq!(Priority::from_name(priority.as_str()), Some(priority));
        }
        for status in CaseStatus::ALL {
            assert_eq!(CaseStatus::from_name(status.as_str()), Some(status));
        }
        assert_eq!((Priority::from_name("low"), CaseStatus::from_name("")), (None, None));
    }
}
