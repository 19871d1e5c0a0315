//! `caseload admin verify`.

use serde::Serialize;
use store::{Checked, Database};

use super::{output::Output, record::Record};
use crate::failure::Failure;

pub(super) async fn run(database: &Database, output: Output) -> Result<(), Failure> {
    let checked = database.verify().await?;
    let (count, faulty): (_, Vec<_>) =
        (checked.len(), checked.iter().filter_map(description).collect());
    output.all::<CheckRecord>(checked)?;
    for line in &faulty {
        eprintln!("error: {line}");
    }
    match faulty.len() {
        0 => Ok(()),
        faulty => Err(format!("{faulty} of {count} checks have found faults").into()),
    }
}

/// Returns what a check has found, in one line; `None` if nothing is wrong.
fn description(checked: &Checked) -> Option<String> {
    let Checked { check, faults, examples, .. } = checked;
    let more = faults.saturating_sub(examples.len() as u64);
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    (*faults > 0).then(|| format!("not so: {check}: {}{more}", examples.join("; ")))
}

/// A check, and what it has found.
#[derive(Serialize)]
struct CheckRecord {
    check: String,
    checked: u64,
    faults: u64,
    examples: Vec<String>,
}

impl Record for CheckRecord {
    const COLUMNS: &'static [&'static str] = &["check", "checked", "faults"];
}

impl From<Checked> for CheckRecord {
    fn from(Checked { check, count, faults, examples }: Checked) -> Self {
        Self { check, checked: count, faults, examples }
    }
}
