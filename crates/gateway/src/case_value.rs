//! The values of a case of which there are a few, as the documented JSON has them.

use proto::cases::v1::{CaseStatus, Priority};

/// What the contract puts before the values' names.
const PRIORITY: &str = "PRIORITY_";
const STATUS: &str = "CASE_STATUS_";

/// Returns the names of all priorities.
pub(crate) fn priority_names() -> [&'static str; 4] {
    [Priority::Low, Priority::Medium, Priority::High, Priority::Critical].map(priority_name)
}

/// Returns the names of all statuses.
pub(crate) fn status_names() -> [&'static str; 2] {
    [CaseStatus::Open, CaseStatus::Closed].map(status_name)
}

/// Returns the priority with this name.
pub(crate) fn priority(name: &str) -> Option<Priority> {
    let priority = Priority::from_str_name(&format!("{PRIORITY}{name}"));
    priority.filter(|priority| *priority != Priority::Unspecified)
}

/// Returns the status with this name.
pub(crate) fn status(name: &str) -> Option<CaseStatus> {
    let status = CaseStatus::from_str_name(&format!("{STATUS}{name}"));
    status.filter(|status| *status != CaseStatus::Unspecified)
}

/// Returns the name of a priority.
pub(crate) fn priority_name(priority: Priority) -> &'static str {
    let name = priority.as_str_name();
    name.strip_prefix(PRIORITY).unwrap_or(name)
}

/// Returns the name of a status.
pub(crate) fn status_name(status: CaseStatus) -> &'static str {
    let name = status.as_str_name();
    name.strip_prefix(STATUS).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_the_contract_has_its_name() {
        let numbers = |is_there: fn(i32) -> bool| (1..100).take_while(|n| is_there(*n)).count();
        assert_eq!(priority_names().len(), numbers(|number| Priority::try_from(number).is_ok()));
        assert_eq!(status_names().len(), numbers(|number| CaseStatus::try_from(number).is_ok()));
        assert!(priority_names().iter().all(|name| priority(name).is_some()));
        assert!(status_names().iter().all(|name| status(name).is_some()));
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for (name, value) in [
            ("LOW", Priority::Low),
            ("MEDIUM", Priority::Medium),
            ("HIGH", Priority::High),
            ("CRITICAL", Priority::Critical),
        ] {
            assert_eq!((priority(name), priority_name(value)), (Some(value), name));
        }
        for (name, value) in [("OPEN", CaseStatus::Open), ("CLOSED", CaseStatus::Closed)] {
            assert_eq!((status(name), status_name(value)), (Some(value), name));
        }
        for name in ["", "UNSPECIFIED", "low", "PRIORITY_LOW", "INFO", "CLOSE"] {
            assert_eq!((priority(name), status(name)), (None, None), "{name}");
        }
    }
}
