//! Clients that change the same tasks, all of them at once and each time in another order. Each counts
//! them up by one, from the state that it has read: so no number may be acknowledged twice, and at the
//! end all tasks have the same number.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use tokio::time::sleep;

use crate::{
    audit::Verdict,
    batch::CASES,
    endpoints::{Changed, Endpoints, Failure},
    patience::RepairedAt,
    psql::Psql,
    random::Random,
    report::Report,
};

/// The tasks that they change, of the second tenant.
const TENANT: usize = 1;
const TASKS: usize = 4;

pub(crate) const COUNTED: &str = "counts of shared tasks acknowledged";
const STALE: &str = "counts of shared tasks that came too late";

/// Returns the tasks, one line each: the id, and the numbers that it has had in turn.
const NUMBERS: &str = "SELECT task_id, string_agg(step, ',' ORDER BY no) FROM changes
    WHERE task_id IN (SELECT id FROM tasks WHERE description LIKE 'chaos-99-%')
    GROUP BY task_id ORDER BY task_id";

/// The tasks that are changed, and the numbers that were acknowledged.
pub(crate) struct Rivalry {
    case_id: i64,
    tasks: Vec<i64>,
    acknowledged: Mutex<Vec<u64>>,
}

impl Rivalry {
    /// Creates the tasks.
    pub(crate) fn create(database: &Psql) -> Self {
        let case_id = i64::try_from(TENANT * CASES + 1).unwrap();
        let ids = database.run(&format!(
            "INSERT INTO tasks (tenant_id, case_id, description)
             SELECT {}, {case_id}, 'chaos-99-0-0 edited' FROM generate_series(1, {TASKS})
             RETURNING id",
            TENANT + 1,
        ));
        let tasks = ids.lines().map(|id| id.parse().unwrap()).collect();
        Self { case_id, tasks, acknowledged: Mutex::default() }
    }

    /// Returns whether a task is one of these.
    pub(crate) fn has(&self, task: i64) -> bool {
        self.tasks.contains(&task)
    }

    /// Counts what was acknowledged and is not there, or was made twice or in part.
    pub(crate) fn judge(&self, verdict: &mut Verdict, database: &Psql, report: &Report) {
        let numbers = database.run(NUMBERS);
        let numbers: Vec<_> = numbers.lines().filter_map(|line| line.split_once('|')).collect();
        let made = numbers.first().map_or("", |(_, numbers)| *numbers);
        if numbers.iter().any(|(_, numbers)| *numbers != made) {
            verdict.partial += 1;
            report.finding(format!("shared tasks were changed in part: {numbers:?}"));
        }
        let count = made.split(',').filter(|number| !number.is_empty()).count();
        let in_order: Vec<_> = (1..=count).map(|number| number.to_string()).collect();
        if made != in_order.join(",") {
            verdict.doubled += 1;
            report.finding(format!("shared tasks have had the numbers {made}"));
        }
        let acknowledged = self.acknowledged.lock().unwrap();
        let distinct: BTreeSet<_> = acknowledged.iter().collect();
        if distinct.len() < acknowledged.len() {
            verdict.lost += 1;
            report.finding("a count of shared tasks was acknowledged twice".to_owned());
        }
        if distinct.last().is_some_and(|last| **last > count as u64) {
            verdict.lost += 1;
            report.finding(format!("shared tasks lack {:?} of {count}", distinct.last()));
        }
    }
}

pub(crate) struct Rival {
    pub(crate) rivalry: Arc<Rivalry>,
    pub(crate) endpoints: Endpoints,
    pub(crate) report: Arc<Report>,
    pub(crate) repaired_at: RepairedAt,
    pub(crate) random: Random,
}

impl Rival {
    pub(crate) async fn run(mut self) {
        while self.repaired_at.get().is_none() {
            self.count_up().await;
            sleep(self.random.millis(1, 40)).await;
        }
    }

    async fn count_up(&mut self) {
        let place = (TENANT, self.rivalry.case_id);
        let reader = self.random.below(self.endpoints.count());
        let tasks = self.endpoints.read_all(reader, place, &self.rivalry.tasks).await;
        let Some(tasks) = tasks else { return };
        let numbers: BTreeSet<u64> =
            tasks.iter().map(|task| number(&task.contents.description)).collect();
        let (Some(number), 1) = (numbers.first(), numbers.len()) else {
            return self.report.unexpected(format!("shared tasks are read with {numbers:?}"));
        };
        let next = number + 1;
        let mut changes: Vec<_> = tasks
            .into_iter()
            .map(|task| (task.id, format!("chaos-99-0-{next} edited"), task.etag))
            .collect();
        let start = self.random.below(changes.len());
        changes.rotate_left(start);
        if self.random.one_in(2) {
            changes.reverse();
        }
        let endpoint = self.random.below(self.endpoints.count());
        match self.endpoints.change_all(endpoint, place, changes).await {
            Ok(Changed::All) => {
                self.rivalry.acknowledged.lock().unwrap().push(next);
                self.report.count(COUNTED);
            }
            Ok(Changed::Stale) => self.report.count(STALE),
            Err(Failure::Rejected(kind) | Failure::Unexpected(kind)) => {
                self.report.unexpected(kind);
            }
            Err(Failure::Refused(kind) | Failure::TimedOut(kind) | Failure::Unknown(kind)) => {
                self.report.failed_attempt(kind);
            }
        }
    }
}

/// Returns the number in a description.
fn number(description: &str) -> u64 {
    let name = description.split(' ').next().unwrap_or_default();
    name.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}
