//! Upserts of cases.

use std::sync::LazyLock;

use diesel::{
    PgConnection, QueryResult, RunQueryDsl as _,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, Text},
};
use domain::{
    CallAgent, CaseDescription, CaseStatus, CaseUpserts, Change, DirectoryCase, Error, Priority,
    TeamId, TenantId,
};

use super::{
    case_row::{OptionalColumns, OptionalRow, to_optional_case},
    contention::{TurnLock, Upsert},
    row::{change, unreadable},
};
use crate::{
    audit::BoundAgent,
    database::Database,
    sql::{Parameters, Sql, Statement, bind},
};

const TEXT: &str = include_str!("upsert_cases.sql");

/// Upserts cases, and waits for nobody.
pub(super) struct UpsertCases;

/// Upserts cases, and waits for those that other transactions have locked.
pub(super) struct UpsertCasesWaiting;

/// Whether the statement was raced; whether the case is new, and changed.
type State = (Bool, Bool, Bool);

impl Statement for UpsertCases {
    type Columns = (State, OptionalColumns);

    fn text() -> &'static Sql {
        static SQL: LazyLock<Sql> = LazyLock::new(|| Sql::new(TEXT));
        &SQL
    }
}

impl Statement for UpsertCasesWaiting {
    type Columns = (State, OptionalColumns);

    fn text() -> &'static Sql {
        static SQL: LazyLock<Sql> = LazyLock::new(|| Sql::new(&TEXT.replace(" SKIP LOCKED", "")));
        &SQL
    }
}

/// The values of a row.
type Row = ((bool, bool, bool), OptionalRow);

/// The parameters, as upsert_cases.sql describes them.
struct Cases {
    tenant: i64,
    external_ids: Vec<String>,
    names: Vec<String>,
    descriptions: Vec<Option<String>>,
    priorities: Vec<Option<&'static str>>,
    statuses: Vec<Option<&'static str>>,
    teams: Vec<Option<i64>>,
    is_trial: bool,
    lock: TurnLock,
    agent: BoundAgent,
}

impl Cases {
    fn new(tenant: TenantId, agent: &CallAgent, upserts: &CaseUpserts, is_trial: bool) -> Self {
        let cases = upserts.as_slice();
        let description = |text: &CaseDescription| text.as_str().to_owned();
        let team = |team: Option<TeamId>| team.map_or(0, TeamId::get);
        Self {
            tenant: tenant.get(),
            external_ids: cases.iter().map(|case| case.external_id.as_str().to_owned()).collect(),
            names: cases.iter().map(|case| case.name.as_str().to_owned()).collect(),
            descriptions: cases.iter().map(|c| c.description.as_ref().map(description)).collect(),
            priorities: cases.iter().map(|case| case.priority.map(Priority::as_str)).collect(),
            statuses: cases.iter().map(|case| case.status.map(CaseStatus::as_str)).collect(),
            teams: cases.iter().map(|case| case.team.map(team)).collect(),
            is_trial,
            lock: TurnLock::of(tenant),
            agent: agent.into(),
        }
    }
}

impl Parameters for &Cases {
    fn bind<'b>(&'b self, number: usize, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match number {
            1 => out.push_bind_param::<BigInt, _>(&self.tenant),
            2 => out.push_bind_param::<Array<Text>, _>(&self.external_ids),
            3 => out.push_bind_param::<Array<Text>, _>(&self.names),
            4 => out.push_bind_param::<Array<Nullable<Text>>, _>(&self.descriptions),
            5 => out.push_bind_param::<Array<Nullable<Text>>, _>(&self.priorities),
            6 => out.push_bind_param::<Array<Nullable<Text>>, _>(&self.statuses),
            7 => out.push_bind_param::<Array<Nullable<BigInt>>, _>(&self.teams),
            8 => out.push_bind_param::<Bool, _>(&self.is_trial),
            9 => out.push_bind_param::<Integer, _>(&self.lock.class),
            10 => out.push_bind_param::<Integer, _>(&self.lock.tenant),
            11 => out.push_bind_param::<BigInt, _>(&self.agent.key),
            12 => out.push_bind_param::<Nullable<Text>, _>(&self.agent.address),
            _ => out.push_bind_param::<Text, _>(&self.agent.request_id),
        }
    }
}

impl Upsert for Cases {
    type Row = Row;

    const NAME: &'static str = "upsert_cases";

    fn run(&self, connection: &mut PgConnection, waits: bool) -> QueryResult<Vec<Row>> {
        match waits {
            true => bind(UpsertCasesWaiting, self).load(connection),
            false => bind(UpsertCases, self).load(connection),
        }
    }

    fn is_raced(((is_raced, ..), _): &Row) -> bool {
        *is_raced
    }
}

impl Database {
    /// Creates or changes cases by the caller's own ids: all of them or none. Returns what became of
    /// each, in the order of the request. If `is_trial`, nothing is changed, and the cases are returned as
    /// they would be, apart from their times; `None` for one that would be created.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::OutcomeUnknown`] and [`Error::Internal`].
    pub async fn upsert_cases(
        &self,
        tenant: TenantId,
        agent: &CallAgent,
        upserts: &CaseUpserts,
        is_trial: bool,
    ) -> Result<Vec<(Option<DirectoryCase>, Change)>, Error> {
        let cases = Cases::new(tenant, agent, upserts, is_trial);
        let rows = if is_trial {
            let check = move |connection: &mut PgConnection| Ok(cases.run(connection, false)?);
            self.read_for(tenant, "check_cases", check).await?
        } else {
            self.upsert(tenant, cases).await?
        };
        let cases = rows.into_iter().map(|((_, is_new, is_changed), row)| {
            Ok((to_optional_case(row)?, change(is_new, is_changed)))
        });
        let cases = cases.collect::<Result<Vec<_>, crate::Error>>();
        cases.map_err(|_| unreadable(is_trial))
    }
}
