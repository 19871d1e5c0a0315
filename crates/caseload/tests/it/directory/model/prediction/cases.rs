//! What calls about cases are to do.

use super::{Model, error, invalid};
use crate::directory::model::{
    operation::{CaseEntry, CaseName, NewTask, Request},
    state::{Case, NEW, Outcome},
};

/// The least id that no team can have.
const TOO_LARGE: i64 = 1 << 53;

impl Model {
    pub(super) fn upsert_cases(
        &self,
        tenant: i64,
        entries: &[CaseEntry],
        is_trial: bool,
    ) -> Result<Outcome, String> {
        let of_each = entries.iter().enumerate();
        let of_each = of_each.flat_map(|(index, entry)| entry.violations(&entries[..index]));
        invalid(&of_each.collect::<Vec<_>>())?;
        let fed = entries.iter().map(|entry| {
            let before = self.case_known_as(tenant, entry.external_id);
            let new = || {
                let (id, external_id) = ((!is_trial).then_some(NEW), entry.external_id.to_owned());
                Case { id, external_id: Some(external_id), ..Case::new("") }
            };
            let case = entry.apply(before.cloned().unwrap_or_else(new));
            let change = match before {
                None => "Created",
                Some(before) if *before == case => "Unchanged",
                Some(_) => "Updated",
            };
            (Some(change), case)
        });
        Ok(Outcome::Cases(fed.collect()))
    }

    pub(super) fn find_case(
        &self,
        tenant: i64,
        request: &Request,
        name: CaseName,
    ) -> Result<Outcome, String> {
        Ok(one_case(self.case_named(tenant, request, name)?.clone()))
    }

    pub(super) fn list_cases(&self, tenant: i64, status: Option<&str>) -> Outcome {
        let listed =
            self.cases_of(tenant).filter(|case| status.is_none_or(|status| case.status == status));
        Outcome::Cases(listed.map(|case| (None, case.clone())).collect())
    }

    /// The directory alone tells what a case is called outside.
    pub(super) fn list_all_cases(&self, tenant: i64, status: Option<&str>) -> Outcome {
        let listed =
            self.cases_of(tenant).filter(|case| status.is_none_or(|status| case.status == status));
        let listed = listed.map(|case| (None, Case { external_id: None, ..case.clone() }));
        Outcome::Cases(listed.collect())
    }

    pub(super) fn close_case(
        &self,
        tenant: i64,
        request: &Request,
        name: CaseName,
    ) -> Result<Outcome, String> {
        let case = self.case_named(tenant, request, name)?.clone();
        Ok(one_case(Case { status: "CLOSED".to_owned(), ..case }))
    }

    pub(super) fn create_case(
        &self,
        tenant: i64,
        request: &Request,
        name: &str,
        tasks: &[NewTask],
    ) -> Result<Outcome, String> {
        let mut violations: Vec<_> = name_violation(name).into_iter().collect();
        violations.extend(tasks.iter().flat_map(|task| request.violations(task)));
        invalid(&violations)?;
        let tasks = self.new_tasks(tenant, request, tasks)?;
        Ok(Outcome::CreatedCase(Case::new(name), tasks))
    }

    pub(super) fn get_case(&self, tenant: i64, id: i64) -> Result<Outcome, String> {
        let case = self.case(tenant, id)?.clone();
        Ok(one_case(Case { external_id: None, ..case }))
    }

    pub(super) fn update_case(
        &self,
        tenant: i64,
        id: i64,
        name: Option<&str>,
        status: Option<&str>,
    ) -> Result<Outcome, String> {
        invalid(&name.and_then(name_violation).into_iter().collect::<Vec<_>>())?;
        let case = self.case(tenant, id)?.clone();
        Ok(one_case(Case {
            external_id: None,
            name: name.map_or(case.name, |name| name.trim().to_owned()),
            status: status.map_or(case.status, str::to_owned),
            ..case
        }))
    }

    /// Stores a case as it is now.
    pub(super) fn set_case(&mut self, tenant: i64, change: Option<&'static str>, case: &Case) {
        let id = case.id.expect("a case that is stored has an id");
        let before = self.cases.insert(id, (tenant, case.clone()));
        assert_eq!(before.is_none(), change == Some("Created"), "{case:?}");
        if before.is_none() {
            self.created_cases.push(id);
        }
    }

    pub(super) fn case(&self, tenant: i64, id: i64) -> Result<&Case, String> {
        let found = self.cases.get(&id).filter(|(other, _)| *other == tenant);
        found.map(|(_, case)| case).ok_or_else(no_case)
    }

    fn case_named(&self, tenant: i64, request: &Request, name: CaseName) -> Result<&Case, String> {
        match name {
            CaseName::Id => self.case(tenant, request.case),
            CaseName::ExternalId("") => Err(error("INVALID_ARGUMENT", &["REQUIRED"])),
            CaseName::ExternalId(id) => self.case_known_as(tenant, id).ok_or_else(no_case),
        }
    }

    fn case_known_as(&self, tenant: i64, external_id: &str) -> Option<&Case> {
        self.cases_of(tenant).find(|case| case.external_id.as_deref() == Some(external_id))
    }

    fn cases_of(&self, tenant: i64) -> impl Iterator<Item = &Case> {
        let of_tenant = self.cases.values().filter(move |(other, _)| *other == tenant);
        of_tenant.map(|(_, case)| case)
    }
}

impl Case {
    /// Returns a new case.
    pub(super) fn new(name: &str) -> Self {
        Self {
            id: Some(NEW),
            external_id: None,
            name: name.trim().to_owned(),
            description: String::new(),
            priority: "LOW".to_owned(),
            status: "OPEN".to_owned(),
            team_id: 0,
            times: None,
        }
    }
}

impl CaseEntry {
    /// Returns what is wrong with the entry by itself, or after those before it.
    fn violations(&self, before: &[Self]) -> Vec<&'static str> {
        let is_repeated = || before.iter().any(|other| other.external_id == self.external_id);
        let of_external_id = match self.external_id {
            "" => Some("REQUIRED"),
            _ => is_repeated().then_some("DUPLICATE"),
        };
        let is_unknown = |name: &&str| !["LOW", "HIGH"].contains(name);
        let violations = [
            of_external_id,
            name_violation(self.name),
            self.priority.filter(is_unknown).map(|_| "UNKNOWN_VALUE"),
            self.team_id.and_then(|id| match id {
                ..0 => Some("NOT_POSITIVE"),
                0..TOO_LARGE => None,
                TOO_LARGE.. => Some("OUT_OF_RANGE"),
            }),
        ];
        violations.into_iter().flatten().collect()
    }

    /// Returns the case as it is to be.
    fn apply(&self, case: Case) -> Case {
        let text = |new: Option<&str>, old| new.map_or(old, |new| new.trim().to_owned());
        Case {
            name: self.name.trim().to_owned(),
            description: text(self.description, case.description),
            priority: text(self.priority, case.priority),
            status: text(self.status, case.status),
            team_id: self.team_id.unwrap_or(case.team_id),
            ..case
        }
    }
}

fn one_case(case: Case) -> Outcome {
    Outcome::Cases(vec![(None, case)])
}

fn no_case() -> String {
    error("NOT_FOUND", &["CASE_NOT_FOUND"])
}

fn name_violation(name: &str) -> Option<&'static str> {
    name.trim().is_empty().then_some("REQUIRED")
}
