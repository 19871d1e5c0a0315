//! Lists of the cases that were changed after a time.

use std::{sync::LazyLock, time::SystemTime};

use diesel::{
    PgConnection, QueryResult, RunQueryDsl as _,
    pg::{Pg, data_types::PgTimestamp},
    query_builder::AstPass,
    sql_types::{BigInt, Nullable, Text, Timestamptz},
};
use domain::{CaseId, CaseStatus, DirectoryCase, DirectoryCaseQuery, TenantId};

use super::case_row::{OptionalColumns, OptionalRow, to_optional_case};
use crate::{
    error::Error,
    sql::{Parameters, Sql, Statement, bind},
    time::to_postgres,
};

/// Lists cases by their changes.
pub(super) struct ListChanged;

impl Statement for ListChanged {
    type Columns = OptionalColumns;

    fn text() -> &'static Sql {
        static TEXT: LazyLock<Sql> = LazyLock::new(|| Sql::new(include_str!("list_changed.sql")));
        &TEXT
    }
}

/// The parameters, as list_changed.sql describes them.
struct Wanted {
    tenant: i64,
    status: Option<&'static str>,
    time: PgTimestamp,
    case: i64,
    limit: i64,
}

impl Parameters for &Wanted {
    fn bind<'b>(&'b self, number: usize, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match number {
            1 => out.push_bind_param::<BigInt, _>(&self.tenant),
            2 => out.push_bind_param::<Nullable<Text>, _>(&self.status),
            3 => out.push_bind_param::<Timestamptz, _>(&self.time),
            4 => out.push_bind_param::<BigInt, _>(&self.case),
            _ => out.push_bind_param::<BigInt, _>(&self.limit),
        }
    }
}

/// Returns a page, and one case more if there is one, behind the change of a case at this time, or behind all changes
/// of that time.
pub(super) fn list_changed(
    connection: &mut PgConnection,
    tenant: TenantId,
    query: &DirectoryCaseQuery,
    (time, case): (SystemTime, Option<CaseId>),
) -> Result<Vec<DirectoryCase>, Error> {
    let wanted = Wanted {
        tenant: tenant.get(),
        status: query.filter.status.map(CaseStatus::as_str),
        time: to_postgres(time),
        case: case.map_or(i64::MAX, CaseId::get),
        limit: query.page_size.limit(),
    };
    let rows: Vec<OptionalRow> = bind(ListChanged, &wanted).load(connection)?;
    rows.into_iter().filter_map(|row| to_optional_case(row).transpose()).collect()
}
