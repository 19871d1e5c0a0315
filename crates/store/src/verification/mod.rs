//! Checks that the data are consistent, as after a recovery from a backup. Nothing is written.
//!
//! Tables are read page by page along their primary keys, each page in a few statements. So little memory is needed
//! and no snapshot is kept open, however large a table is. Each fault is found in one statement, which sees
//! everything as it is at one time, so that others may write meanwhile.

mod checked;
mod checks;
mod constraints;
mod pages;
mod reading;
mod tables;
#[cfg(test)]
mod tests;

use crate::{database::Database, error::Error};

pub use checked::Checked;
use constraints::foreign_keys;
use tables::TABLES;

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
