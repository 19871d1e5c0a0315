//! Lists of cases.

use std::sync::LazyLock;

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{BigInt, Bool, Nullable, Text},
};
use domain::{Case, CaseId, CasePage, CaseQuery, CaseStatus, Error, Priority, TeamId, TenantId};

use super::row::{OptionalColumns, OptionalRow, to_optional_case};
use crate::{
    database::Database,
    sql::{Parameters, Sql, Statement, bind},
};

/// The cases that pass the filters.
const SOURCE: &str = "\
    cases AS c
    WHERE c.tenant_id = $1
        AND ($2::text IS NULL OR c.priority = $2)
        AND ($3::text IS NULL OR c.status = $3)
        AND ($4::bigint IS NULL OR c.team_id = $4)";

/// Lists cases.
pub(super) struct List;

impl Statement for List {
    type Columns = (Nullable<BigInt>, OptionalColumns);

    fn text() -> &'static Sql {
        static TEXT: LazyLock<Sql> =
            LazyLock::new(|| Sql::new(&include_str!("list.sql").replace("{source}", SOURCE)));
        &TEXT
    }
}

/// The parameters, as list.sql describes them.
struct Wanted {
    tenant: i64,
    priority: Option<&'static str>,
    status: Option<&'static str>,
    team: Option<i64>,
    after: i64,
    skip: i64,
    limit: i64,
    count_total: bool,
}

impl Parameters for &Wanted {
    fn bind<'b>(&'b self, number: usize, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match number {
            1 => out.push_bind_param::<BigInt, _>(&self.tenant),
            2 => out.push_bind_param::<Nullable<Text>, _>(&self.priority),
            3 => out.push_bind_param::<Nullable<Text>, _>(&self.status),
            4 => out.push_bind_param::<Nullable<BigInt>, _>(&self.team),
            5 => out.push_bind_param::<BigInt, _>(&self.after),
            6 => out.push_bind_param::<BigInt, _>(&self.skip),
            7 => out.push_bind_param::<BigInt, _>(&self.limit),
            _ => out.push_bind_param::<Bool, _>(&self.count_total),
        }
    }
}

impl Database {
    /// Returns a page of a list of cases.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn query_cases(
        &self,
        tenant: TenantId,
        query: &CaseQuery,
    ) -> Result<CasePage, Error> {
        let CaseQuery { filter, after, skip, page_size, count_total } = query;
        let wanted = Wanted {
            tenant: tenant.get(),
            priority: filter.priority.map(Priority::as_str),
            status: filter.status.map(CaseStatus::as_str),
            team: filter.team.map(TeamId::get),
            after: after.map_or(0, CaseId::get),
            skip: *skip,
            // One more, to know whether there are more.
            limit: page_size + 1,
            count_total: *count_total,
        };
        let (total, mut cases) = self
            .list_scoped(tenant, "query_cases", move |connection| {
                let rows: Vec<(Option<i64>, OptionalRow)> = connection.load(bind(List, &wanted))?;
                let total = rows.first().and_then(|(total, _)| *total);
                let cases =
                    rows.into_iter().filter_map(|(_, row)| to_optional_case(row).transpose());
                Ok((total, cases.collect::<Result<Vec<Case>, _>>()?))
            })
            .await?;
        let page_size = usize::try_from(*page_size).unwrap_or(usize::MAX);
        let has_more = cases.len() > page_size;
        cases.truncate(page_size);
        Ok(CasePage { cases, has_more, total })
    }
}
