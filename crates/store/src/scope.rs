//! Which tenants' rows a statement may see or change, where row-level security is on.
//!
//! `deploy/row_level_security.sql` makes a role whose statements see the rows of those tenants only that the setting
//! `caseload.tenants` names. It is set from the tenant of the call, apart from what the statement asks for:
//! whoever leaves out a condition, or binds another tenant, gets nothing.
//!
//! Most queries have it set for the session, before they begin ([`Access::Tenants`]). Those that
//! run most often, of one statement each, bring it along ([`TenantConnection`]), which saves a round trip.

#[cfg(test)]
mod tests;

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

/// The role that sees the rows of named tenants only.
pub(crate) const ROLE: &str = "caseload_tenant";

/// Tenants, as the setting names them: `{1,2}`.
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

    /// Returns the setting: digits, commas and braces.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the session of a query may see or change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// What the role of the connection may.
    All,
    /// Rows of these tenants.
    Tenants(Scope),
    /// Rows of the tenants that each statement names.
    OfStatements,
}

/// The domain whose check sets `caseload.tenants` for the transaction. A parameter is checked when it arrives, so the
/// setting is there before the statement is planned and run.
///
/// It has no identifier here: each database has another one, and Postgres finds it by the cast.
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

/// A connection for statements that each name the tenants whose rows they may see.
pub(crate) struct TenantConnection<'a> {
    connection: &'a mut PgConnection,
    /// `None` where row-level security is off.
    scope: Option<Scope>,
}

impl<'a> TenantConnection<'a> {
    pub(crate) fn new(connection: &'a mut PgConnection, scope: Option<Scope>) -> Self {
        Self { connection, scope }
    }

    /// Runs a statement, and returns its rows.
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

/// A statement that sets its scope: nobody reads the common table expression, so it costs no more than its
/// parameter.
pub(crate) struct Scoped<S, P> {
    scope: Scope,
    statement: Bound<S, P>,
}

/// Tells the statement from the one without a scope.
struct InScope<S>(PhantomData<S>);

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
