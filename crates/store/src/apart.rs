//! Changes to rows that other transactions may have locked.

use std::sync::Arc;

use diesel::{PgConnection, QueryResult};
use domain::{Error, TenantId};

use crate::{
    connections::{lane::Lane, presence::Presence},
    database::Database,
    error::is_lock_timeout,
};

/// How long a statement waits for a lock where others wait for its connection.
pub(crate) const MOMENT: &str = "50ms";

/// A change that is tried at once, and again beside all others if it has to wait for locks.
pub(crate) trait Attempt: Send + Sync + 'static {
    /// What it results in.
    type Outcome: Send + 'static;

    /// The name of the query in logs.
    const NAME: &'static str;

    /// Whether [`Self::waiting`] may take seconds, however well the database does. Then it does not count
    /// when the age of statements is judged.
    const IS_LONG: bool = false;

    /// Makes the change, if that takes no lock that somebody else holds for longer than a moment;
    /// returns `None`, or fails because of the lock, and has changed nothing, if it does. If it takes
    /// several statements, the change is not made if the caller has gone meanwhile.
    fn at_once(
        &self,
        connection: &mut PgConnection,
        caller: &Presence,
    ) -> QueryResult<Option<Self::Outcome>>;

    /// Makes the change, and waits for locks as long as a statement may; not if the caller has gone
    /// meanwhile. Returns `None`, or fails because of a lock, and has changed nothing, if it is to be
    /// tried again.
    fn waiting(
        &self,
        connection: &mut PgConnection,
        caller: &Presence,
    ) -> QueryResult<Option<Self::Outcome>>;
}

impl Database {
    /// Makes a change.
    ///
    /// The first attempt waits for nobody, or for a moment, and is almost always enough. Others are made on the
    /// connections for them, so that rows which somebody else has locked delay nobody but their
    /// callers. It is tried until the caller's time is over.
    pub(crate) async fn attempt<A: Attempt>(
        &self,
        tenant: TenantId,
        change: A,
    ) -> Result<A::Outcome, Error> {
        let change = Arc::new(change);
        let mut lane = Lane::Changes;
        loop {
            let change = Arc::clone(&change);
            let statements = self.statements();
            let attempt = move |connection: &mut PgConnection, caller: &Presence| {
                let result = match lane {
                    Lane::Contended if A::IS_LONG => {
                        statements.uncounted(connection, |it| change.waiting(it, caller))
                    }
                    Lane::Contended => change.waiting(connection, caller),
                    Lane::Changes
                    | Lane::Queries
                    | Lane::Lists
                    | Lane::Directory
                    | Lane::Audit
                    | Lane::Checks => change.at_once(connection, caller),
                };
                match result {
                    Ok(outcome) => Ok(outcome),
                    Err(error) if is_lock_timeout(&error) => Ok(None),
                    Err(error) => Err(error.into()),
                }
            };
            if let Some(outcome) = self.write_for(tenant, lane, A::NAME, attempt).await? {
                return Ok(outcome);
            }
            lane = Lane::Contended;
        }
    }
}
