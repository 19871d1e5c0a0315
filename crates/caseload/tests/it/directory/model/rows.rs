//! The rows of the database.

use std::collections::BTreeMap;

use super::state::{Outcome, Times};
use crate::support::App;

/// What is stored of users, cases, tasks and the records of idempotency keys.
pub(super) struct Rows(Vec<Row>);

struct Row {
    /// What it is, its id, its tenant and its values, with `|` between them.
    values: String,
    /// When a case or a task was created and changed last, in microseconds since 1970.
    times: Option<(i64, i64)>,
    /// The transaction that wrote the row.
    xmin: String,
}

impl Rows {
    pub(super) fn read(app: &App) -> Self {
        const TIMES: &str = "concat_ws(
            ' ', (extract(epoch FROM created_at) * 1000000)::bigint,
            (extract(epoch FROM updated_at) * 1000000)::bigint
        )";
        let rows = app.database.query(&format!(
            "SELECT format(
                 'user|%s|%s|%s|%s|%s|%s|%s|%s', id, tenant_id, external_id, email, first_name,
                 last_name, deactivated_at IS NULL, erased_at IS NOT NULL AND scrubbed_at IS NOT NULL
             ), '', xmin FROM users
             UNION ALL SELECT format(
                 'case|%s|%s|%s|%s|%s|%s|%s|%s', id, tenant_id, external_id, name, description,
                 priority, status, coalesce(team_id, 0)
             ), {TIMES}, xmin FROM cases
             UNION ALL SELECT format('task|%s|%s|%s|%s|%s', id, tenant_id, case_id, description, (
                 SELECT string_agg(a.user_id::text, ',' ORDER BY a.position)
                 FROM task_assignees AS a WHERE a.tenant_id = t.tenant_id AND a.task_id = t.id
             )), {TIMES}, xmin FROM tasks AS t
             UNION ALL SELECT format(
                 'record|%s-%s|%s|%s', tenant_id, key, array_to_string(first_names, ','),
                 array_to_string(last_names, ',')
             ), '', xmin FROM idempotency_keys"
        ));
        let mut rows: Vec<_> = rows.lines().map(Row::parse).collect();
        rows.sort_by(|one, other| one.values.cmp(&other.values));
        Self(rows)
    }

    /// Returns the values of all rows, sorted.
    pub(super) fn values(&self) -> Vec<String> {
        self.0.iter().map(|row| row.values.clone()).collect()
    }

    /// Checks that a row which is as it was before was not written, either; and that the time of a change
    /// moves forward, exactly with changes.
    #[track_caller]
    pub(super) fn assert_follow(&self, before: &Self, step: &str) {
        let before: BTreeMap<_, _> = before.0.iter().map(|row| (row.name(), row)).collect();
        for row in self.0.iter().filter(|row| !row.values.starts_with("record")) {
            let Some(before) = before.get(row.name()) else {
                assert!(row.times.is_none_or(|(created, updated)| created == updated), "{step}");
                continue;
            };
            if row.values == before.values {
                assert_eq!(row.xmin, before.xmin, "{} was written: {step}", row.values);
                continue;
            }
            let (Some(now), Some(before)) = (row.times, before.times) else { continue };
            assert_eq!(now.0, before.0, "{}: created_at has changed: {step}", row.values);
            assert!(now.1 > before.1, "{}: updated_at has not moved: {step}", row.values);
        }
    }

    /// Checks that a response has the times that are stored. A repeat has those of the creation.
    #[track_caller]
    pub(super) fn assert_told(&self, outcome: &Outcome, is_repeat: bool, step: &str) {
        let (cases, tasks) = match outcome {
            Outcome::Cases(cases) => (cases.iter().map(|(_, case)| case).collect(), vec![]),
            Outcome::CreatedCase(case, tasks) => (vec![case], tasks.iter().collect()),
            Outcome::Tasks(tasks) => (vec![], tasks.iter().collect::<Vec<_>>()),
            _ => return,
        };
        for (kind, id, times) in cases
            .into_iter()
            .filter_map(|case| Some(("case", case.id?, case.times)))
            .chain(tasks.into_iter().map(|task| ("task", task.id, task.times)))
        {
            let times = times.unwrap_or_else(|| panic!("{kind} {id} has no times: {step}"));
            if is_repeat {
                assert_eq!(times.created_at, times.updated_at, "{kind} {id}: {step}");
                continue;
            }
            assert!(
                self.has_times(kind, id, times),
                "{kind} {id} has others than {times:?}: {step}"
            );
        }
    }

    /// Whether a case or a task has these times, or is deleted.
    pub(super) fn has_times(&self, kind: &str, id: i64, times: Times) -> bool {
        let name = format!("{kind}|{id}");
        let row = self.0.iter().find(|row| row.name() == name);
        row.and_then(|row| row.times).is_none_or(|(created, updated)| times.tell(created, updated))
    }
}

impl Row {
    fn parse(line: &str) -> Self {
        let (rest, xmin) = line.rsplit_once('|').unwrap();
        let (values, times) = rest.rsplit_once('|').unwrap();
        let times = times.split_once(' ');
        let times =
            times.map(|(created, updated)| (created.parse().unwrap(), updated.parse().unwrap()));
        Self { values: values.to_owned(), times, xmin: xmin.to_owned() }
    }

    /// Returns what the row is, and its id.
    fn name(&self) -> &str {
        let end = self.values.match_indices('|').nth(1).map_or(self.values.len(), |(end, _)| end);
        &self.values[..end]
    }
}
