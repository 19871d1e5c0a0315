//! Converts between the messages of the contract and the types of the domain.

use domain::{
    Case, CaseDescription, CaseFields, CaseListDraft, CaseName, CaseStatus, CaseUpdateDraft,
    Choice, Error, Etag, NewCase, Priority, TeamId,
};
use proto::cases::v1;

use crate::tasks::to_task_draft;

/// Parses a request to create a case.
///
/// # Errors
/// [`Error::Invalid`] with every field violation.
pub(crate) fn to_new_case(request: v1::CreateCaseRequest) -> Result<NewCase, Error> {
    let v1::NewCase { name, description, priority, status, team_id, tasks } =
        request.case.unwrap_or_default();
    let fields = CaseFields {
        name: Some(name),
        description: Some(description),
        priority: to_priority(priority),
        status: to_status(status),
        team_id: team_id.map(Some),
    };
    let tasks = tasks.into_iter().map(to_task_draft);
    NewCase::parse(fields, tasks, request.request_id).map_err(Error::Invalid)
}

/// Converts a change.
pub(crate) fn to_update_draft(update: v1::CaseUpdate) -> CaseUpdateDraft {
    let v1::CaseUpdate { id, name, description, priority, status, team_id, update_mask, etag } =
        update;
    let (priority, status) = (to_priority(priority), to_status(status));
    let paths = update_mask.map_or(Vec::new(), |mask| mask.paths);
    if paths.is_empty() {
        let team_id = team_id.map(Some);
        let fields = CaseFields { name, description, priority, status, team_id };
        return CaseUpdateDraft { id, fields, etag, names_other_field: false };
    }
    let has = |field: &str| paths.iter().any(|path| path == field || path == "*");
    let known = ["name", "description", "priority", "status", "team_id", "*"];
    let fields = CaseFields {
        name: has("name").then(|| name.unwrap_or_default()),
        description: has("description").then(|| description.unwrap_or_default()),
        priority: if has("priority") { or_default(priority) } else { Choice::Unset },
        status: if has("status") { or_default(status) } else { Choice::Unset },
        team_id: has("team_id").then_some(team_id),
    };
    let names_other_field = paths.iter().any(|path| !known.contains(&path.as_str()));
    CaseUpdateDraft { id, fields, etag, names_other_field }
}

/// Converts a request for a list.
pub(crate) fn to_list_draft(request: v1::ListCasesRequest) -> CaseListDraft {
    CaseListDraft {
        page_size: request.page_size,
        page_token: request.page_token,
        skip: request.skip,
        priority: to_priority(request.priority),
        status: to_status(request.status),
        team_id: request.team_id,
        count_total: request.count_total,
    }
}

/// Converts a case for a response.
pub(crate) fn from_case(case: Case) -> v1::Case {
    v1::Case {
        id: case.id.get(),
        name: case.name,
        description: case.description,
        priority: from_priority(case.priority).into(),
        status: from_status(case.status).into(),
        team_id: case.team.map_or(0, TeamId::get),
        created_at: Some(case.created_at.into()),
        updated_at: Some(case.updated_at.into()),
        etag: Etag::of(case.updated_at).to_string(),
    }
}

/// Converts a case that was not created for a response: it has neither id nor times.
pub(super) fn from_trial(case: &NewCase) -> v1::Case {
    let NewCase { name, description, priority, status, team, .. } = case;
    from_values(name, description, *priority, *status, *team)
}

/// Converts what a case is to be for a response, without id and times.
pub(crate) fn from_values(
    name: &CaseName,
    description: &CaseDescription,
    priority: Priority,
    status: CaseStatus,
    team: Option<TeamId>,
) -> v1::Case {
    v1::Case {
        name: name.as_str().to_owned(),
        description: description.as_str().to_owned(),
        priority: from_priority(priority).into(),
        status: from_status(status).into(),
        team_id: team.map_or(0, TeamId::get),
        ..v1::Case::default()
    }
}

/// Converts a priority, of which the unspecified one counts as absent.
pub(crate) fn to_priority(number: i32) -> Choice<Priority> {
    match v1::Priority::try_from(number) {
        Ok(v1::Priority::Unspecified) => Choice::Unset,
        Ok(v1::Priority::Low) => Choice::Known(Priority::Low),
        Ok(v1::Priority::Medium) => Choice::Known(Priority::Medium),
        Ok(v1::Priority::High) => Choice::Known(Priority::High),
        Ok(v1::Priority::Critical) => Choice::Known(Priority::Critical),
        Err(_) => Choice::Unknown,
    }
}

const fn from_priority(priority: Priority) -> v1::Priority {
    match priority {
        Priority::Low => v1::Priority::Low,
        Priority::Medium => v1::Priority::Medium,
        Priority::High => v1::Priority::High,
        Priority::Critical => v1::Priority::Critical,
    }
}

/// Converts a status, of which the unspecified one counts as absent.
pub(crate) fn to_status(number: i32) -> Choice<CaseStatus> {
    match v1::CaseStatus::try_from(number) {
        Ok(v1::CaseStatus::Unspecified) => Choice::Unset,
        Ok(v1::CaseStatus::Open) => Choice::Known(CaseStatus::Open),
        Ok(v1::CaseStatus::Closed) => Choice::Known(CaseStatus::Closed),
        Err(_) => Choice::Unknown,
    }
}

const fn from_status(status: CaseStatus) -> v1::CaseStatus {
    match status {
        CaseStatus::Open => v1::CaseStatus::Open,
        CaseStatus::Closed => v1::CaseStatus::Closed,
    }
}

/// Returns the default for what is set to no value.
fn or_default<T: Default>(choice: Choice<T>) -> Choice<T> {
    match choice {
        Choice::Unset => Choice::Known(T::default()),
        Choice::Known(_) | Choice::Unknown => choice,
    }
}

#[cfg(test)]
mod tests {
    use proto::FieldMask;

    use super::*;

    fn mask(paths: &[&str]) -> Option<FieldMask> {
        Some(FieldMask { paths: paths.iter().map(ToString::to_string).collect() })
    }

    #[test]
    fn without_a_mask_what_has_a_value_is_changed() {
        let update = v1::CaseUpdate {
            name: Some("a".to_owned()),
            status: v1::CaseStatus::Closed.into(),
            ..v1::CaseUpdate::default()
        };
        let draft = to_update_draft(update);
        let expected = CaseFields {
            name: Some("a".to_owned()),
            status: Choice::Known(CaseStatus::Closed),
            ..CaseFields::default()
        };
        assert_eq!((draft.fields, draft.names_other_field), (expected, false));
    }

    #[test]
    fn with_a_mask_what_has_no_value_gets_the_default() {
        for paths in [&["name", "description", "priority", "status", "team_id"][..], &["*"]] {
            let update = v1::CaseUpdate { update_mask: mask(paths), ..v1::CaseUpdate::default() };
            let expected = CaseFields {
                name: Some(String::new()),
                description: Some(String::new()),
                priority: Choice::Known(Priority::Low),
                status: Choice::Known(CaseStatus::Open),
                team_id: Some(None),
            };
            let draft = to_update_draft(update);
            assert_eq!((draft.fields, draft.names_other_field), (expected, false));
        }
        let update = v1::CaseUpdate {
            name: Some("a".to_owned()),
            priority: v1::Priority::High.into(),
            update_mask: mask(&["priority", "etag"]),
            ..v1::CaseUpdate::default()
        };
        let draft = to_update_draft(update);
        let expected =
            CaseFields { priority: Choice::Known(Priority::High), ..CaseFields::default() };
        assert_eq!((draft.fields, draft.names_other_field), (expected, true));
    }

    #[test]
    fn values_are_read_as_they_are_written() {
        for priority in Priority::ALL {
            assert_eq!(to_priority(from_priority(priority).into()), Choice::Known(priority));
        }
        for status in CaseStatus::ALL {
            assert_eq!(to_status(from_status(status).into()), Choice::Known(status));
        }
        assert_eq!((to_priority(5), to_status(-1)), (Choice::Unknown, Choice::Unknown));
    }
}
