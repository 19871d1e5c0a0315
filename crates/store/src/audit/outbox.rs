//! Moves changes from the outbox to the log.
//!
//! The statements that change cases and users write to the outbox, which waits for nobody, and in the same
//! transaction, so that no change lacks its row. Whoever moves rows locks the head of the tenant's log first: nobody
//! else deletes rows of the tenant meanwhile.

use std::{sync::LazyLock, time::SystemTime};

use diesel::{
    PgConnection,
    pg::{Pg, data_types::PgTimestamp},
    prelude::*,
    query_builder::AstPass,
    sql_types::{Array, BigInt, Nullable, Text, Timestamptz},
};
use domain::{AuditDetails, AuditEntry, TenantId};

use super::append::{logged, try_lock_head, write};
use crate::{
    connections::{lane::Lane, presence::Presence},
    database::Database,
    error::Error,
    sql::{Parameters, Sql, Statement, bind},
    time::{from_postgres, to_micros},
};

/// The most rows that are moved in one transaction.
const BATCH: usize = 1000;

/// Finds the tenants of whom changes wait.
pub(super) struct Tenants;

impl Statement for Tenants {
    type Columns = (BigInt, Timestamptz);

    fn text() -> &'static Sql {
        static TEXT: LazyLock<Sql> =
            LazyLock::new(|| Sql::new(include_str!("tenants_in_outbox.sql")));
        &TEXT
    }
}

/// Takes the oldest changes of a tenant.
pub(super) struct Take;

impl Statement for Take {
    type Columns = (
        BigInt,
        Timestamptz,
        Text,
        BigInt,
        Nullable<Text>,
        Text,
        Nullable<BigInt>,
        Nullable<Array<BigInt>>,
        Nullable<Array<BigInt>>,
        Text,
    );

    fn text() -> &'static Sql {
        static TEXT: LazyLock<Sql> =
            LazyLock::new(|| Sql::new(include_str!("take_from_outbox.sql")));
        &TEXT
    }
}

/// No parameters.
struct Nothing;

impl Parameters for Nothing {
    fn bind<'b>(&'b self, _: usize, _: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        Ok(())
    }
}

/// The parameters, as take_from_outbox.sql describes them.
struct Wanted {
    tenant: i64,
    most: i64,
}

impl Parameters for Wanted {
    fn bind<'b>(&'b self, number: usize, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match number {
            1 => out.push_bind_param::<BigInt, _>(&self.tenant),
            _ => out.push_bind_param::<BigInt, _>(&self.most),
        }
    }
}

#[derive(Queryable)]
struct Row {
    id: i64,
    created_at: PgTimestamp,
    event: String,
    api_key_id: i64,
    address: Option<String>,
    request_id: String,
    subject_id: Option<i64>,
    created_ids: Option<Vec<i64>>,
    updated_ids: Option<Vec<i64>>,
    details: String,
}

impl Row {
    /// Returns the entry for the log, without a number.
    fn into_entry(self, tenant: TenantId) -> AuditEntry {
        let details = match (self.created_ids, self.updated_ids) {
            (None, None) => self.details,
            (created, updated) => {
                let (created, updated) = (created.unwrap_or_default(), updated.unwrap_or_default());
                AuditDetails::of_fed(&created, &updated).into_string()
            }
        };
        AuditEntry {
            tenant,
            number: 0,
            micros: to_micros(self.created_at),
            event: self.event,
            key: Some(self.api_key_id),
            role: None,
            address: self.address,
            request_id: Some(self.request_id),
            subject: self.subject_id,
            details,
        }
    }
}

impl Database {
    /// Returns the tenants of whom changes are in the outbox, and the time of the oldest change of each.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn tenants_in_audit_outbox(&self) -> Result<Vec<(TenantId, SystemTime)>, Error> {
        self.read("tenants_in_audit_outbox", |connection| {
            let oldest: Vec<(i64, PgTimestamp)> = bind(Tenants, Nothing).load(connection)?;
            let oldest = oldest.into_iter();
            Ok(oldest
                .filter_map(|(tenant, time)| Some((TenantId::new(tenant)?, from_postgres(time))))
                .collect())
        })
        .await
    }

    /// Moves the oldest changes of a tenant from the outbox to the log, unless somebody else appends to it now. Returns
    /// whether there may be more to move.
    ///
    /// # Errors
    /// [`domain::Error::Unavailable`], [`domain::Error::OutcomeUnknown`] and [`domain::Error::Internal`];
    /// [`domain::Error::TenantOverloaded`] if too much of the tenant waits to be appended.
    pub async fn move_audit_outbox(&self, tenant: TenantId) -> Result<bool, domain::Error> {
        let move_some = move |connection: &mut PgConnection, _: &Presence| {
            logged(connection, |connection| {
                let Some(last) = try_lock_head(connection, tenant)? else {
                    return Ok((false, Vec::new()));
                };
                let rows = take_oldest(connection, tenant)?;
                let may_be_more = rows.len() == BATCH;
                let entries = rows.into_iter().map(|row| row.into_entry(tenant));
                Ok((may_be_more, write(connection, tenant, last, entries)?))
            })
        };
        self.write_for(tenant, Lane::Audit, "move_audit_outbox", move_some).await
    }
}

/// Deletes the oldest rows, and returns them in their order.
fn take_oldest(connection: &mut PgConnection, tenant: TenantId) -> QueryResult<Vec<Row>> {
    let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let wanted = Wanted { tenant: tenant.get(), most };
    let mut rows: Vec<Row> = bind(Take, wanted).load(connection)?;
    rows.sort_unstable_by_key(|row| row.id);
    Ok(rows)
}
