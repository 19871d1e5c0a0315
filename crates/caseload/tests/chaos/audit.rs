//! The clients' ledger against the database.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use crate::{deployment::Psql, history::Entry, report::Tally};

/// A line for each task, a batch's together: the key, what the description says (the task's number,
/// how many tasks the batch has, how many assignees the task), what is there, and whether the
/// batch is remembered with this very task.
const TASKS: &str = "COPY (
    SELECT
        split_part(t.description, ' ', 1), split_part(t.description, ' ', 2),
        split_part(t.description, ' ', 3), split_part(t.description, ' ', 4),
        t.tenant_id, t.case_id, t.id,
        (
            SELECT coalesce(string_agg(a.user_id::text, ',' ORDER BY a.position), '')
            FROM task_assignees AS a
            WHERE a.tenant_id = t.tenant_id AND a.task_id = t.id
        )
    FROM tasks AS t
    ORDER BY split_part(t.description, ' ', 1), t.tenant_id, t.id
) TO STDOUT WITH (FORMAT csv, DELIMITER '|')";

/// How many requests are remembered some of whose tasks are not there.
const HOLLOW_REQUESTS: &str = "SELECT count(*) FROM task_batch_requests AS r
    WHERE cardinality(r.task_ids) <> (
        SELECT count(*) FROM tasks AS t
        WHERE t.tenant_id = r.tenant_id AND t.id = ANY (r.task_ids)
    )";

/// What a run is judged by.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) partial: u64,
    pub(crate) stuck: u64,
}

/// The tasks with the same key.
#[derive(Default)]
struct Group {
    key: String,
    /// As the ledger has it.
    line: String,
    ids: Vec<String>,
    tasks: usize,
    is_whole: bool,
}

impl Verdict {
    /// Nothing may be writing any more.
    pub(crate) fn of(mut ledger: HashMap<Box<str>, Entry>, database: &Psql, tally: &Tally) -> Self {
        let mut verdict = Self::default();
        let mut psql = database.command(TASKS).stdout(Stdio::piped()).spawn().unwrap();
        let mut group = Group::default();
        for line in BufReader::new(psql.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let fields: Vec<&str> = line.split('|').map(|field| field.trim_matches('"')).collect();
            if fields[0] != group.key {
                verdict.judge(&group, &mut ledger, tally);
                group = Group::of(&fields);
            }
            group.add(&fields);
        }
        assert!(psql.wait().unwrap().success(), "the audit's query failed");
        verdict.judge(&group, &mut ledger, tally);
        for (key, entry) in ledger {
            match entry {
                Entry::Acknowledged(_) => verdict.found(&key, "is lost", tally, |v| &mut v.lost),
                Entry::Stuck => verdict.stuck += 1,
                Entry::GivenUp | Entry::Refused => {}
            }
        }
        let hollow: u64 = database.run(HOLLOW_REQUESTS).parse().unwrap();
        verdict.partial += hollow;
        verdict
    }

    fn judge(&mut self, group: &Group, ledger: &mut HashMap<Box<str>, Entry>, tally: &Tally) {
        let key = &group.key;
        if group.ids.is_empty() {
            return;
        }
        let entry = ledger.remove(key.as_str());
        if group.ids.len() > group.tasks {
            self.found(key, "was created more than once", tally, |v| &mut v.doubled);
        } else if !group.is_complete() {
            self.found(key, "is there in part", tally, |v| &mut v.partial);
        }
        match entry {
            Some(Entry::Acknowledged(told)) if *told != *group.line => {
                let missing = told
                    .split(' ')
                    .skip(2)
                    .filter(|task| !group.ids.iter().any(|id| task.split(':').next() == Some(id)));
                if missing.count() > 0 {
                    self.found(key, "is not there as it was told", tally, |v| &mut v.lost);
                } else if group.ids.len() == group.tasks {
                    self.found(key, "has other assignees than told", tally, |v| &mut v.partial);
                }
            }
            Some(Entry::Acknowledged(_) | Entry::GivenUp) => {}
            Some(Entry::Refused) => {
                tally.wrong(format!("{key}: was created; the answer said that it was not"));
            }
            Some(Entry::Stuck) => self.stuck += 1,
            None => self.found(key, "was never to be created", tally, |v| &mut v.doubled),
        }
    }

    fn found(&mut self, key: &str, what: &str, tally: &Tally, count: fn(&mut Self) -> &mut u64) {
        *count(self) += 1;
        tally.finding(format!("{key} {what}"));
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.partial + self.stuck == 0
    }
}

impl Group {
    fn of(fields: &[&str]) -> Self {
        Self {
            key: fields[0].to_owned(),
            line: format!("{} {}", fields[4], fields[5]),
            tasks: fields[2].parse().unwrap(),
            is_whole: true,
            ids: Vec::new(),
        }
    }

    fn add(&mut self, fields: &[&str]) {
        let [_, number, _, assignees, _, _, id, users] = fields else { panic!("{fields:?}") };
        self.ids.push((*id).to_owned());
        let count = users.split(',').filter(|user| !user.is_empty()).count();
        self.is_whole &= *number == self.ids.len().to_string() && *assignees == count.to_string();
        write!(self.line, " {id}:{users}").unwrap();
    }

    fn is_complete(&self) -> bool {
        self.is_whole && self.ids.len() == self.tasks
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, doubled, partial, stuck } = self;
        write!(f, "chaos: lost={lost} doubled={doubled} partial={partial} stuck={stuck}")
    }
}
