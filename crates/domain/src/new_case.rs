//! A case to create: the input, checked.

use crate::{
    CaseDescription, CaseFields, CaseName, CaseStatus, FieldPath, Fingerprint, FingerprintVersion,
    IdempotencyKey, Idempotent, NewTask, Operation, Priority, TaskBatch, TaskDraft, TeamId,
    Violation, Violations, idempotency::FingerprintV1,
};

/// A valid case to create, with up to 25 tasks, and possibly an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCase {
    /// The name.
    pub name: CaseName,
    /// What the case is about.
    pub description: CaseDescription,
    /// How urgent it is.
    pub priority: Priority,
    /// Whether it is open.
    pub status: CaseStatus,
    /// The team to which it belongs, if any.
    pub team: Option<TeamId>,
    tasks: Vec<NewTask>,
    idempotency_key: Option<IdempotencyKey>,
}

impl NewCase {
    /// Checks a request. An empty idempotency key counts as none.
    ///
    /// # Errors
    /// Every violation, in the order of the request. Of a list that is too long, only the items
    /// within its limit are checked.
    pub fn parse(
        mut fields: CaseFields,
        tasks: impl ExactSizeIterator<Item = TaskDraft>,
        idempotency_key: String,
    ) -> Result<Self, Violations> {
        let mut violations = Vec::new();
        let mut report = |path: FieldPath, rule| {
            violations.push(Violation { path: path.of_new_case(), rule });
        };
        // A name that is absent is reported as one that is empty.
        fields.name.get_or_insert_default();
        let fields = fields.parse(&mut report);
        if tasks.len() > TaskBatch::MAX_TASKS {
            report(FieldPath::new("tasks"), &TaskBatch::TOO_MANY_TASKS);
        }
        let tasks = NewTask::parse_all(tasks.take(TaskBatch::MAX_TASKS), &mut report);
        let idempotency_key = IdempotencyKey::parse_optional(idempotency_key, &mut report);
        match (fields.name, violations.is_empty()) {
            (Some(name), true) => Ok(Self {
                name,
                description: fields.description.unwrap_or_default(),
                priority: fields.priority.unwrap_or_default(),
                status: fields.status.unwrap_or_default(),
                team: fields.team.flatten(),
                tasks,
                idempotency_key,
            }),
            _ => Err(Violations(violations)),
        }
    }

    /// Returns the tasks, at most 25.
    #[must_use]
    pub fn tasks(&self) -> &[NewTask] {
        &self.tasks
    }

    /// Returns the tasks, owned.
    #[must_use]
    pub fn into_tasks(self) -> Vec<NewTask> {
        self.tasks
    }
}

impl Idempotent for NewCase {
    fn operation(&self) -> Operation {
        Operation::CreateCase
    }

    fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.idempotency_key.as_ref()
    }

    fn fingerprint(&self, version: FingerprintVersion) -> Fingerprint {
        match version {
            FingerprintVersion::V1 => {
                let mut hash = FingerprintV1::default();
                hash.text(self.name.as_str());
                hash.text(self.description.as_str());
                hash.text(self.priority.as_str());
                hash.text(self.status.as_str());
                // No team has the id 0.
                hash.integer(self.team.map_or(0, TeamId::get));
                NewTask::hash_all(&self.tasks, &mut hash);
                hash.finish()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Choice;

    fn fields(name: &str) -> CaseFields {
        CaseFields { name: Some(name.to_owned()), ..CaseFields::default() }
    }

    fn task(description: &str, emails: &[&str]) -> TaskDraft {
        TaskDraft {
            description: description.to_owned(),
            assignee_emails: emails.iter().map(ToString::to_string).collect(),
        }
    }

    fn violations(fields: CaseFields, tasks: Vec<TaskDraft>, key: &str) -> Vec<String> {
        NewCase::parse(fields, tasks.into_iter(), key.to_owned())
            .unwrap_err()
            .as_slice()
            .iter()
            .map(|violation| format!("{} {:?}", violation.path, violation.rule.reason))
            .collect()
    }

    #[test]
    fn what_is_absent_has_its_default() {
        let case = NewCase::parse(fields(" a "), [].into_iter(), String::new()).unwrap();
        assert_eq!((case.name.as_str(), case.description.as_str()), ("a", ""));
        assert_eq!((case.priority, case.status), (Priority::Low, CaseStatus::Open));
        assert_eq!((case.team, case.tasks(), case.idempotency_key()), (None, &[][..], None));
    }

    #[test]
    fn reports_every_violation_in_the_order_of_the_request() {
        let fields = CaseFields {
            name: None,
            description: Some("a\0".to_owned()),
            priority: Choice::Unknown,
            status: Choice::Unknown,
            team_id: Some(Some(0)),
        };
        let tasks = [vec![task(" ", &["x"])], vec![task("a", &[]); 25]].concat();
        assert_eq!(
            violations(fields, tasks, "a b"),
            [
                "case.name Required",
                "case.description ContainsNul",
                "case.priority UnknownValue",
                "case.status UnknownValue",
                "case.team_id NotPositive",
                "case.tasks TooMany",
                "case.tasks[0].description Required",
                "case.tasks[0].assignee_emails[0] InvalidEmail",
                "request_id InvalidCharacter",
            ]
        );
        let crowded = vec![task("a", &["a@b"; 51])];
        assert_eq!(
            violations(super::tests::fields("a"), crowded, ""),
            ["case.tasks[0].assignee_emails TooMany"]
        );
    }

    #[test]
    fn a_fingerprint_tells_every_part_apart_and_nothing_else() {
        let of = |fields: CaseFields, tasks: Vec<TaskDraft>| {
            let case = NewCase::parse(fields, tasks.into_iter(), String::new()).unwrap();
            case.fingerprint(FingerprintVersion::V1)
        };
        let base = || of(fields("a"), vec![task("b", &["c@d"])]);
        assert_eq!(base(), of(fields(" a "), vec![task(" b ", &["C@D", "c@d"])]));
        let described = CaseFields { description: Some("x".to_owned()), ..fields("a") };
        let urgent = CaseFields { priority: Choice::Known(Priority::High), ..fields("a") };
        let closed = CaseFields { status: Choice::Known(CaseStatus::Closed), ..fields("a") };
        let of_team = CaseFields { team_id: Some(Some(1)), ..fields("a") };
        for other in [fields("b"), described, urgent, closed, of_team] {
            assert_ne!(base(), of(other, vec![task("b", &["c@d"])]));
        }
        assert_ne!(base(), of(fields("a"), vec![]));
        assert_ne!(base(), of(fields("a"), vec![task("b", &[])]));
    }

    /// Fingerprints are stored: what a version makes of a case must stay the same.
    #[test]
    fn a_fingerprint_of_version_1_stays_what_it_is() {
        let case = NewCase::parse(fields("a"), [task("b", &["c@d"])].into_iter(), String::new());
        let fingerprint = case.unwrap().fingerprint(FingerprintVersion::V1);
        let hex: String = fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "b0de29a062dd2dbfa21ef5795723eaecf733b1e060fcd9274e451c2a65322a6c");
    }
}
