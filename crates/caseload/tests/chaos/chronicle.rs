//! What became of the tasks that editors change: what they know, and what the database has seen.

use std::{collections::HashMap, sync::Mutex, time::Instant};

use crate::{
    audit::{TOLERANCE, Verdict},
    psql::Psql,
    report::Report,
    statements::SentStatements,
};

/// Records each change and each deletion of a task, in the transaction that makes it.
pub(crate) const CREATE: &str = "
    CREATE TABLE changes (
        no bigint GENERATED ALWAYS AS IDENTITY,
        task_id bigint NOT NULL,
        case_id bigint NOT NULL,
        step text NOT NULL
    );
    CREATE FUNCTION record_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'DELETE' THEN
            INSERT INTO changes (task_id, case_id, step) VALUES (OLD.id, OLD.case_id, 'deleted');
        ELSE
            INSERT INTO changes (task_id, case_id, step) VALUES (
                NEW.id, NEW.case_id, split_part(split_part(NEW.description, ' ', 1), '-', 4)
            );
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER record_change AFTER UPDATE OR DELETE ON tasks
        FOR EACH ROW EXECUTE FUNCTION record_change()";

/// Returns a line for each task: its id, and its changes in their order.
const CHANGES: &str =
    "SELECT task_id, string_agg(step, ',' ORDER BY no) FROM changes GROUP BY task_id";

/// Returns the changes of each task, in their order, by its id.
pub(crate) fn changes(database: &Psql) -> HashMap<i64, String> {
    let lines = database.run(CHANGES);
    let changes = lines.lines().map(|line| {
        let (task, steps) = line.split_once('|').unwrap();
        (task.parse().unwrap(), steps.to_owned())
    });
    changes.collect()
}

/// What an editor knows of a task at the end.
#[derive(Debug, Default)]
pub(crate) struct Life {
    pub(crate) name: String,
    /// 0 if it was not created.
    pub(crate) task: i64,
    /// The number of the last change that was acknowledged.
    pub(crate) acknowledged: usize,
    /// The number of the change that was given up, and when the editor was told that its time was over.
    pub(crate) timed_out: Option<(usize, Instant)>,
    pub(crate) is_deleted: bool,
    /// Whether the last request was not answered until the time limit.
    pub(crate) is_stuck: bool,
}

impl Life {
    pub(crate) fn new(name: String) -> Self {
        Self { name, ..Self::default() }
    }
}

/// The lives of all tasks that editors changed.
#[derive(Default)]
pub(crate) struct Chronicle(Mutex<Vec<Life>>);

impl Chronicle {
    pub(crate) fn record(&self, life: Life) {
        self.0.lock().unwrap().push(life);
    }

    /// Compares each life with the changes that the database has seen: each acknowledged one was made,
    /// once, in order, and none after the editor was told that its time was over. The tasks of others are
    /// judged elsewhere.
    pub(crate) fn judge(
        &self,
        verdict: &mut Verdict,
        sent: &SentStatements,
        database: &Psql,
        report: &Report,
        is_of_others: impl Fn(i64) -> bool,
    ) {
        let changes = changes(database);
        let mut changes: HashMap<i64, Vec<&str>> =
            changes.iter().map(|(task, steps)| (*task, steps.split(',').collect())).collect();
        for life in self.0.lock().unwrap().drain(..) {
            let made = changes.remove(&life.task).unwrap_or_default();
            let Life { name, acknowledged, timed_out, is_deleted, is_stuck, .. } = &life;
            verdict.stuck += u64::from(*is_stuck);
            let mut expected: Vec<String> = (1..=*acknowledged).map(|n| n.to_string()).collect();
            expected.extend(is_deleted.then(|| "deleted".to_owned()));
            let (in_order, more) = made.split_at(made.len().min(expected.len()));
            if in_order.len() < expected.len() {
                verdict.lost += 1;
                report.finding(format!("{name} lacks changes: {made:?} instead of {expected:?}"));
                continue;
            }
            // What was given up, or is stuck, may have been made as well: once, as the last.
            let may_be_more = timed_out.is_some() || *is_stuck;
            if in_order != expected || more.len() > usize::from(may_be_more) {
                verdict.doubled += 1;
                report.finding(format!("{name} has changes {made:?} instead of {expected:?}"));
            }
            if let ([_], Some((step, told))) = (more, timed_out)
                && let Some(sent) = sent.last(&format!("{name}-{step}"))
                && sent > *told + TOLERANCE
            {
                verdict.late += 1;
                report.finding(format!("{name} was changed {:?} too late", sent - *told));
            }
        }
        for (task, steps) in changes.into_iter().filter(|(task, _)| !is_of_others(*task)) {
            report.unexpected(format!("the task {task} was changed by nobody: {steps:?}"));
        }
    }
}
