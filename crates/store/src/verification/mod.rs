//! Checks that the data are consistent, as after a recovery from a backup. Nothing is written.
//!
//! Tables are read page by page along their primary keys, each page in a few statements. So little memory is needed
//! and no snapshot is kept open, however large a table is. Each fault is found in one statement, which sees
//! everything as it is at one time, so that others may write meanwhile.

mod checks;
mod constraints;
mod pages;
mod tables;
#[cfg(test)]
mod tests;

use crate::{database::Database, error::Error};

use constraints::foreign_keys;
use tables::TABLES;

/// The most faults of a check that are described.
const EXAMPLES: usize = 20;

/// What was found by one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The name of the check: what is as it should be, if there are no faults.
    pub check: String,
    /// How many rows, or other things, were checked.
    pub count: u64,
    /// How many faults there are.
    pub faults: u64,
    /// What is wrong, for the first 20 faults.
    pub examples: Vec<String>,
}

impl Checked {
    fn new(check: impl Into<String>) -> Self {
        Self { check: check.into(), count: 0, faults: 0, examples: Vec::new() }
    }

    /// Returns the result of a check of some things, with all faults.
    fn of(check: impl Into<String>, count: usize, faults: Vec<String>) -> Self {
        let mut checked = Self::new(check);
        checked.add(count as u64, faults.len() as u64, faults);
        checked
    }

    /// Adds what was found in further rows.
    fn add(&mut self, count: u64, faults: u64, examples: Vec<String>) {
        self.count += count;
        self.faults += faults;
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(examples.into_iter().take(room));
    }
}

impl Database {
    /// Checks everything that no constraint ensures, and that the constraints are in force and hold: they don't for
    /// rows that were written while they were switched off. If the schema is not that of this program, nothing else
    /// is checked.
    ///
    /// The role needs to be allowed to read all tables.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`]; [`Error::Invalid`] if the role may not read everything, or
    /// if the database's encoding is not UTF8.
    pub async fn verify(&self) -> Result<Vec<Checked>, Error> {
        self.require_reading().await?;
        let pending = self.pending_migrations().await?;
        let unknown = self.unknown_migrations().await?;
        let faults = pending.iter().map(|name| format!("migration {name} is pending"));
        let faults = faults.chain(unknown.iter().map(|version| {
            format!(
                "this program does not know migration {version}: verify with that of the release"
            )
        }));
        let faults: Vec<_> = faults.collect();
        let has_schema = faults.is_empty();
        let mut all =
            vec![Checked::of("migrations are complete", crate::migrations::count(), faults)];
        if !has_schema {
            return Ok(all);
        }
        all.extend(self.check_enforcement().await?);
        let keys = self.read("list_foreign_keys", foreign_keys).await?;
        for table in TABLES {
            all.extend(self.check_table(table, &keys).await?);
        }
        all.push(self.check_audit_logs().await?);
        Ok(all)
    }

    async fn check_audit_logs(&self) -> Result<Checked, Error> {
        let mut checked = Checked::new("audit logs are intact");
        for tenant in self.list_tenants().await? {
            let found = self.verify_audit_log(tenant.id, Vec::new()).await?;
            let faults: Vec<_> =
                found.faults.iter().map(|fault| format!("tenant {}: {fault}", tenant.id)).collect();
            let entries = found.last.number - found.pruned.number;
            checked.add(u64::try_from(entries).unwrap_or(0), faults.len() as u64, faults);
        }
        Ok(checked)
    }
}
