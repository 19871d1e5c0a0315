//! The tenants whose rows a statement may see or change, with row-level security.
//!
//! `deploy/row_level_security.sql` creates a role whose statements see only rows of the tenants in the setting
//! `caseload.tenants`. The setting comes from the tenants of the calls, not from the statement's own parameters: a
//! statement that lacks a condition, or has another tenant in it, gets no rows.
//!
//! Most queries run in a session that is set before they begin ([`Access::Tenants`]). The most frequent ones, of one
//! statement each, send the setting with the statement ([`TenantConnection`]), which saves a round trip.

#[cfg(test)]
pub(crate) mod tests;

use std::{marker::PhantomData, sync::Arc};

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    pg::{Pg, PgTypeMetadata},
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    query_dsl::methods::LoadQuery,
    serialize::{self, IsNull, Output, ToSql},
    sql_types::HasSqlType,
};
use domain::TenantId;

use crate::sql::{Bound, Parameters, Statement};

/// The role that row-level security restricts to the tenants of the setting.
pub(crate) const ROLE: &str = "caseload_tenant";

/// The value of the setting: an array of tenants, such as `{1,2}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope(Arc<str>);

impl Scope {
    /// Returns the scope of these tenants.
    pub(crate) fn of(tenants: impl IntoIterator<Item = TenantId>) -> Self {
        let mut ids: Vec<i64> = tenants.into_iter().map(TenantId::get).collect();
        ids.sort_unstable();
        ids.dedup();
        let ids: Vec<_> = ids.iter().map(i64::to_string).collect();
        Self(format!("{{{}}}", ids.join(",")).into())
    }

    /// Returns the value, which has only digits, commas and braces.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the session of a query may see or change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everything that the role of the connection may.
    All,
    /// Rows of these tenants.
    Tenants(Scope),
    /// No rows, unless a statement sets its scope itself ([`TenantConnection`]).
    OfStatements,
}

/// The domain whose check sets `caseload.tenants` for the transaction. Postgres checks a parameter when it receives
/// it, so the setting is in force before the statement is planned and run.
///
/// Its OID differs from database to database. Postgres takes it from the cast.
struct Tenants;

impl HasSqlType<Tenants> for Pg {
    fn metadata(_: &mut Self::MetadataLookup) -> PgTypeMetadata {
        PgTypeMetadata::new(0, 0)
    }
}

impl ToSql<Tenants, Pg> for Scope {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        std::io::Write::write_all(out, self.0.as_bytes())?;
        Ok(IsNull::No)
    }
}

/// A connection for statements that set their scope themselves.
pub(crate) struct TenantConnection<'a> {
    connection: &'a mut PgConnection,
    /// `None` without row-level security.
    scope: Option<Scope>,
}

impl<'a> TenantConnection<'a> {
    pub(crate) fn new(connection: &'a mut PgConnection, scope: Option<Scope>) -> Self {
        Self { connection, scope }
    }

    /// Runs a statement in the scope, and returns its rows.
    pub(crate) fn load<'q, S, P, U>(&mut self, statement: Bound<S, P>) -> QueryResult<Vec<U>>
    where
        Bound<S, P>: LoadQuery<'q, PgConnection, U> + RunQueryDsl<PgConnection>,
        Scoped<S, P>: LoadQuery<'q, PgConnection, U> + RunQueryDsl<PgConnection>,
    {
        match self.scope.clone() {
            Some(scope) => Scoped { scope, statement }.load(self.connection),
            None => statement.load(self.connection),
        }
    }
}

/// A statement that sets its scope, by a parameter in a common table expression. Nothing refers to that, so Postgres
/// does not run it.
pub(crate) struct Scoped<S, P> {
    scope: Scope,
    statement: Bound<S, P>,
}

/// The query id of a statement with a scope: its text is not that of the statement without one.
pub(crate) struct InScope<S>(PhantomData<S>);

impl<S: Statement, P: Parameters> QueryFragment<Pg> for Scoped<S, P> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH caseload_scope AS (SELECT ");
        out.push_bind_param::<Tenants, _>(&self.scope)?;
        out.push_sql("::caseload_tenants)");
        self.statement.walk_behind_cte(out)
    }
}

impl<S: Statement, P> QueryId for Scoped<S, P> {
    type QueryId = InScope<S>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<S: Statement, P> Query for Scoped<S, P> {
    type SqlType = S::Columns;
}

impl<S: Statement, P> RunQueryDsl<PgConnection> for Scoped<S, P> {}
