//! Compares what the callers know with the rows of the database.

use std::{
    collections::BTreeMap,
    fmt,
    io::{BufRead as _, BufReader},
    process::Stdio,
    sync::Arc,
};

use crate::{
    call::Tasks,
    knowledge::{Doubt, Expected},
    psql::Psql,
    report::Report,
};

/// Returns a line for each task: what its description states (the number of its request, its index, and how
/// many there are), its case and its id.
const TASKS: &str = "COPY (
    SELECT substr(split_part(description, ' ', 1), 6), split_part(description, ' ', 2),
        split_part(description, ' ', 3), case_id, id
    FROM tasks WHERE description LIKE 'soak-%' ORDER BY id
) TO STDOUT WITH (FORMAT csv, DELIMITER ' ')";

/// Returns a line for each case that was created by callers: the number of its request, and its id.
const CASES: &str = "COPY (
    SELECT substr(name, 6), id FROM cases WHERE name LIKE 'soak-%' ORDER BY id
) TO STDOUT WITH (FORMAT csv, DELIMITER ' ')";

/// How many requests violate each guarantee.
#[derive(Clone, Debug, Default)]
pub(crate) struct Audit {
    /// The requests whose tasks or cases are there, as they must.
    pub(crate) intact: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) partial: u64,
}

/// What the database has of a request.
#[derive(Default)]
struct Stored {
    count: usize,
    cases: Vec<i64>,
    indexes: Vec<usize>,
    ids: Vec<i64>,
}

impl Stored {
    /// Returns whether these are the tasks that were acknowledged. They are in the order of their ids.
    fn is(&self, tasks: &Tasks) -> bool {
        let mut ids = tasks.ids.clone();
        ids.sort_unstable();
        ids == self.ids && self.cases.iter().all(|case| *case == tasks.case_id)
    }
}

impl Audit {
    /// Compares each request with its rows. No program may be writing any more.
    pub(crate) fn of(expected: Expected, psql: &Psql, report: &Report) -> Self {
        let mut audit = Self::default();
        let mut stored: BTreeMap<u64, Stored> = BTreeMap::new();
        rows(psql, TASKS, |row| {
            let [number, index, count, case, id] = row else { panic!("{row:?}") };
            let stored = stored.entry(*number as u64).or_default();
            stored.count = usize::try_from(*count).unwrap();
            stored.indexes.push(usize::try_from(*index).unwrap());
            stored.cases.push(*case);
            stored.ids.push(*id);
        });
        let mut cases: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        rows(psql, CASES, |row| {
            let [number, id] = row else { panic!("{row:?}") };
            cases.entry(*number as u64).or_default().push(*id);
        });
        let Expected { tasks, doubtful } = expected;
        for (number, of_request) in &stored {
            audit.judge(*number, of_request, tasks.get(number), doubtful.get(number), report);
        }
        for (number, ids) in &cases {
            let is_known = tasks.contains_key(number) || doubtful.contains_key(number);
            if !is_known || ids.len() > 1 {
                audit.doubled += 1;
                report.finding(format!("request {number} has these cases: {ids:?}"));
            }
        }
        for (number, tasks) in &tasks {
            let has_tasks = tasks.ids.is_empty() || stored.contains_key(number);
            let case = cases.get(number).is_some_and(|ids| ids.contains(&tasks.case_id));
            if has_tasks && (case || !tasks.is_case) {
                audit.intact += 1;
            } else {
                audit.lost += 1;
                report.finding(format!("request {number} was acknowledged, and nothing is there"));
            }
        }
        audit
    }

    fn judge(
        &mut self,
        number: u64,
        stored: &Stored,
        expected: Option<&Arc<Tasks>>,
        doubt: Option<&Doubt>,
        report: &Report,
    ) {
        let found = |count: &mut u64, what: &str| {
            *count += 1;
            report.finding(format!("request {number} {what}: {:?}", stored.ids));
        };
        let tasks = match (expected, doubt) {
            (Some(tasks), _) | (None, Some(Doubt::MaybeDeleted(tasks))) => Some(tasks),
            (None, Some(Doubt::MaybeCreated)) => None,
            (None, None) => {
                return found(&mut self.doubled, "is there, was deleted or never acknowledged");
            }
        };
        if stored.ids.len() > stored.count {
            found(&mut self.doubled, "was carried out more than once");
        } else if stored.ids.len() < stored.count || !is_sequence(&stored.indexes) {
            found(&mut self.partial, "was carried out in part");
        } else if tasks.is_some_and(|tasks| !stored.is(tasks)) {
            found(&mut self.lost, "has other tasks than were acknowledged");
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.partial == 0
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, doubled, partial, .. } = self;
        write!(f, "lost={lost} doubled={doubled} partial={partial}")
    }
}

/// Returns whether these are the numbers from 0 on, in any order.
fn is_sequence(indexes: &[usize]) -> bool {
    let mut sorted = indexes.to_vec();
    sorted.sort_unstable();
    sorted.into_iter().eq(0..indexes.len())
}

/// Calls a function with the numbers of each row.
fn rows(psql: &Psql, query: &str, mut see: impl FnMut(&[i64])) {
    let mut process = psql.command(query).stdout(Stdio::piped()).spawn().unwrap();
    for line in BufReader::new(process.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let numbers: Vec<i64> = line.split(' ').map(|field| field.parse().unwrap()).collect();
        see(&numbers);
    }
    assert!(process.wait().unwrap().success(), "the audit's query failed");
}
