//! Compares what the clients know with the rows of the database.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use crate::{history::Entry, psql::Psql, report::Report, statements::SentStatements};

/// How much later than its caller's response a statement may be seen: it takes a moment until what the
/// server sent is read.
pub(crate) const TOLERANCE: Duration = Duration::from_millis(250);

/// Returns a line for each task, ordered by batch: what the description states (the batch's name,
/// the task's number, the batch's count of tasks, the task's count of assignees), then what is
/// stored (tenant, case, task, assignees).
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
    -- The tasks of editors are judged by their changes.
    WHERE t.description NOT LIKE '% edited'
    ORDER BY split_part(t.description, ' ', 1), t.tenant_id, t.id
) TO STDOUT WITH (FORMAT csv, DELIMITER '|')";

/// The result of a run: how many batches, tasks, cases and users violate each guarantee.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) partial: u64,
    pub(crate) stuck: u64,
    pub(crate) late: u64,
    /// How much is there that was deleted, or belongs to what was.
    pub(crate) remains: u64,
    /// How many names of erased users are left.
    pub(crate) traces: u64,
    /// How many batches, changes and tasks have other events than they should have.
    pub(crate) events: u64,
}

/// The stored tasks whose descriptions name the same batch.
#[derive(Default)]
struct StoredBatch {
    name: String,
    /// In the form of `Entry::Acknowledged`.
    rows: String,
    ids: Vec<String>,
    /// How many tasks the batch should have.
    expected_count: usize,
    /// Whether each task so far has its number and its count of assignees.
    is_consistent: bool,
}

impl Verdict {
    /// Compares each batch's entry with its rows. No program may be writing any more.
    pub(crate) fn new(
        mut history: HashMap<Box<str>, Entry>,
        sent: &SentStatements,
        database: &Psql,
        report: &Report,
    ) -> Self {
        let mut verdict = Self::default();
        let mut psql = database.command(TASKS).stdout(Stdio::piped()).spawn().unwrap();
        let mut stored = StoredBatch::default();
        for line in BufReader::new(psql.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let fields: Vec<&str> = line.split('|').map(|field| field.trim_matches('"')).collect();
            if fields[0] != stored.name {
                verdict.judge(&stored, &mut history, sent, report);
                stored = StoredBatch::new(&fields);
            }
            stored.add(&fields);
        }
        assert!(psql.wait().unwrap().success(), "the audit's query failed");
        verdict.judge(&stored, &mut history, sent, report);
        for (name, entry) in history {
            match entry {
                Entry::Acknowledged(_) => {
                    verdict.found(&name, "was acknowledged and does not exist", report, |v| {
                        &mut v.lost
                    });
                }
                Entry::Stuck => verdict.stuck += 1,
                Entry::GivenUp
                | Entry::TimedOut(_)
                | Entry::Refused
                | Entry::Deleted(_)
                | Entry::MaybeDeleted(_) => {}
            }
        }
        verdict
    }

    fn judge(
        &mut self,
        stored: &StoredBatch,
        history: &mut HashMap<Box<str>, Entry>,
        sent: &SentStatements,
        report: &Report,
    ) {
        let name = &stored.name;
        if stored.ids.is_empty() {
            return;
        }
        let entry = history.remove(name.as_str());
        if stored.ids.len() > stored.expected_count {
            self.found(name, "was created more than once", report, |v| &mut v.doubled);
        } else if !stored.is_complete() {
            self.found(name, "was created in part", report, |v| &mut v.partial);
        }
        match entry {
            Some(Entry::Acknowledged(rows) | Entry::MaybeDeleted(rows))
                if *rows != *stored.rows =>
            {
                let missing = rows
                    .split(' ')
                    .skip(2)
                    .filter(|task| !stored.ids.iter().any(|id| task.split(':').next() == Some(id)));
                if missing.count() > 0 {
                    self.found(name, "lacks tasks that were acknowledged", report, |v| &mut v.lost);
                } else if stored.ids.len() == stored.expected_count {
                    self.found(name, "has other assignees than acknowledged", report, |v| {
                        &mut v.partial
                    });
                }
            }
            Some(Entry::Acknowledged(_) | Entry::MaybeDeleted(_) | Entry::GivenUp) => {}
            Some(Entry::Deleted(_)) => {
                self.found(name, "was deleted with its case and is there", report, |v| {
                    &mut v.remains
                });
            }
            Some(Entry::TimedOut(told)) => self.judge_time(name, told, sent.last(name), report),
            Some(Entry::Refused) => {
                report.unexpected(format!("{name} was created although it was refused"));
            }
            Some(Entry::Stuck) => self.stuck += 1,
            None => self
                .found(name, "was created and never should have been", report, |v| &mut v.doubled),
        }
    }

    /// Judges a batch that was written, and whose caller was told at some time that its time was over.
    fn judge_time(&mut self, batch: &str, told: Instant, sent: Option<Instant>, report: &Report) {
        match sent {
            None => {
                report.unexpected(format!("{batch} was created in a statement that was not seen"))
            }
            Some(sent) if sent > told + TOLERANCE => {
                let late = sent - told;
                self.found(
                    batch,
                    &format!("was begun {late:?} after its time was over"),
                    report,
                    |v| &mut v.late,
                );
            }
            Some(_) => {}
        }
    }

    fn found(
        &mut self,
        batch: &str,
        what: &str,
        report: &Report,
        count: fn(&mut Self) -> &mut u64,
    ) {
        *count(self) += 1;
        report.finding(format!("{batch} {what}"));
    }

    pub(crate) fn is_clean(&self) -> bool {
        let Self { lost, doubled, partial, stuck, late, remains, traces, events } = self;
        lost + doubled + partial + stuck + late + remains + traces + events == 0
    }
}

impl StoredBatch {
    fn new(fields: &[&str]) -> Self {
        Self {
            name: fields[0].to_owned(),
            rows: format!("{} {}", fields[4], fields[5]),
            expected_count: fields[2].parse().unwrap(),
            is_consistent: true,
            ids: Vec::new(),
        }
    }

    fn add(&mut self, fields: &[&str]) {
        let [_, number, _, assignees, _, _, id, users] = fields else { panic!("{fields:?}") };
        self.ids.push((*id).to_owned());
        let count = users.split(',').filter(|user| !user.is_empty()).count();
        self.is_consistent &=
            *number == self.ids.len().to_string() && *assignees == count.to_string();
        write!(self.rows, " {id}:{users}").unwrap();
    }

    fn is_complete(&self) -> bool {
        self.is_consistent && self.ids.len() == self.expected_count
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, doubled, partial, stuck, late, remains, traces, events } = self;
        write!(
            f,
            "chaos: lost={lost} doubled={doubled} partial={partial} stuck={stuck} late={late} \
             remains={remains} traces={traces} events={events}"
        )
    }
}
