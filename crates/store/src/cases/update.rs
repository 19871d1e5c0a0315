//! Changes to cases.

use std::sync::LazyLock;

use diesel::{
    PgConnection, QueryResult, RunQueryDsl as _,
    pg::{Pg, data_types::PgTimestamp},
    prelude::*,
    query_builder::AstPass,
    sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz},
};
use domain::{
    CallAgent, Case, CaseDescription, CaseName, CaseStatus, CaseUpdate, Error, FieldPath, Priority,
    Resource, TeamId, TenantId, Violation,
};

use super::row::{OptionalColumns, OptionalRow, to_optional_case};
use crate::{
    apart::Attempt,
    audit::BoundAgent,
    connections::presence::Presence,
    database::Database,
    schema::cases,
    sql::{Parameters, Sql, Statement, bind},
    time::allowed_times,
    transaction::in_transaction,
};

/// Changes a case.
pub(super) struct Update;

impl Statement for Update {
    type Columns = (Bool, Bool, OptionalColumns);

    fn text() -> &'static Sql {
        static TEXT: LazyLock<Sql> = LazyLock::new(|| Sql::new(UPDATE));
        &TEXT
    }
}

/// Finds out what a change would do. It locks nothing.
pub(super) struct UpdateTrial;

impl Statement for UpdateTrial {
    type Columns = (Bool, Bool, OptionalColumns);

    fn text() -> &'static Sql {
        static WITHOUT_LOCK: LazyLock<Sql> = LazyLock::new(|| Sql::new(&UPDATE.replace(LOCK, "")));
        &WITHOUT_LOCK
    }
}

const UPDATE: &str = include_str!("update.sql");

const LOCK: &str = "FOR NO KEY UPDATE OF c SKIP LOCKED";

/// Whether the case is stale, whether the statement was raced, and the case.
type Row = (bool, bool, OptionalRow);

/// The parameters, as update.sql describes them.
struct Change {
    tenant: i64,
    case: i64,
    name: Option<String>,
    description: Option<String>,
    priority: Option<&'static str>,
    status: Option<&'static str>,
    sets_team: bool,
    team: Option<i64>,
    times: Option<Vec<PgTimestamp>>,
    is_trial: bool,
    agent: BoundAgent,
}

impl Change {
    fn new(tenant: TenantId, agent: &CallAgent, update: &CaseUpdate, is_trial: bool) -> Self {
        Self {
            tenant: tenant.get(),
            case: update.case.get(),
            name: update.name.as_ref().map(CaseName::as_str).map(str::to_owned),
            description: update
                .description
                .as_ref()
                .map(CaseDescription::as_str)
                .map(str::to_owned),
            priority: update.priority.map(Priority::as_str),
            status: update.status.map(CaseStatus::as_str),
            sets_team: update.team.is_some(),
            team: update.team.flatten().map(TeamId::get),
            times: allowed_times(&update.precondition),
            is_trial,
            agent: agent.into(),
        }
    }
}

impl Parameters for &Change {
    fn bind<'b>(&'b self, number: usize, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match number {
            1 => out.push_bind_param::<BigInt, _>(&self.tenant),
            2 => out.push_bind_param::<BigInt, _>(&self.case),
            3 => out.push_bind_param::<Nullable<Text>, _>(&self.name),
            4 => out.push_bind_param::<Nullable<Text>, _>(&self.description),
            5 => out.push_bind_param::<Nullable<Text>, _>(&self.priority),
            6 => out.push_bind_param::<Nullable<Text>, _>(&self.status),
            7 => out.push_bind_param::<Bool, _>(&self.sets_team),
            8 => out.push_bind_param::<Nullable<BigInt>, _>(&self.team),
            9 => out.push_bind_param::<Nullable<Array<Timestamptz>>, _>(&self.times),
            10 => out.push_bind_param::<Bool, _>(&self.is_trial),
            11 => out.push_bind_param::<BigInt, _>(&self.agent.key),
            12 => out.push_bind_param::<Nullable<Text>, _>(&self.agent.address),
            _ => out.push_bind_param::<Text, _>(&self.agent.request_id),
        }
    }
}

impl Attempt for Change {
    type Outcome = Row;

    const NAME: &'static str = "update_case";

    fn at_once(&self, connection: &mut PgConnection, _: &Presence) -> QueryResult<Option<Row>> {
        let row: Row = bind(Update, self).get_result(connection)?;
        Ok(Some(row).filter(|(_, is_raced, _)| !is_raced))
    }

    fn waiting(
        &self,
        connection: &mut PgConnection,
        caller: &Presence,
    ) -> QueryResult<Option<Row>> {
        in_transaction(connection, |connection| {
            let case = cases::table.find((self.tenant, self.case)).select(cases::id);
            case.for_no_key_update().load::<i64>(connection)?;
            if caller.is_gone() {
                return Err(diesel::result::Error::RollbackTransaction);
            }
            self.at_once(connection, caller)
        })
    }
}

impl Database {
    /// Changes a case. Returns it as it is then. What is already as it should be is not touched. If
    /// `is_trial`, nothing is changed, and the case is returned as it would be, apart from its times.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such case, then [`Error::Stale`];
    /// [`Error::Unavailable`], [`Error::OutcomeUnknown`] and [`Error::Internal`].
    pub async fn update_case(
        &self,
        tenant: TenantId,
        agent: &CallAgent,
        update: &CaseUpdate,
        is_trial: bool,
    ) -> Result<Case, Error> {
        let change = Change::new(tenant, agent, update, is_trial);
        let (is_stale, _, row): Row = if is_trial {
            self.read_for(tenant, "check_case_update", move |connection| {
                Ok(bind(UpdateTrial, &change).get_result(connection)?)
            })
            .await?
        } else {
            self.attempt(tenant, change).await?
        };
        // The change is made by now; only its result can't be read.
        let case = to_optional_case(row).map_err(|error| match is_trial {
            true => error,
            false => crate::Error::connection_lost(error),
        })?;
        let case = case.ok_or(Error::NotFound(Resource::Case(update.case)))?;
        if is_stale {
            let path = FieldPath::new("case.etag");
            return Err(Error::Stale(Violation { path, rule: &CaseUpdate::STALE }.into()));
        }
        Ok(case)
    }
}
