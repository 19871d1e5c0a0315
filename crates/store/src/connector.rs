//! Makes connections, and tells which are of no more use.

use std::sync::{Arc, Weak};

use diesel::{
    ConnectionError, PgConnection, RunQueryDsl as _,
    dsl::sql,
    r2d2::{ConnectionManager, Error, ManageConnection},
    select,
    sql_types::Bool,
};

use crate::DatabaseUrl;

/// Makes connections to the server that the URL asks for.
///
/// libpq looks for it among the hosts, but only when it connects. A server may turn into one that
/// only reads with its connections open (a disk that is full, a proxy that changes its mind), and
/// no query that only reads would notice. So a connection is asked anew before it is used.
#[derive(Debug)]
pub(crate) struct Connector {
    inner: ConnectionManager<PgConnection>,
    /// What must be so, in SQL; nothing where any server will do.
    condition: Option<&'static str>,
    /// Shared with nobody, so that its end can be seen.
    life: Arc<()>,
}

impl Connector {
    pub(crate) fn new(url: &DatabaseUrl) -> Self {
        // As libpq itself finds out.
        let condition = match url.parameter("target_session_attrs") {
            Some("read-write") => Some("current_setting('transaction_read_only') = 'off'"),
            Some("primary") => Some("NOT pg_is_in_recovery()"),
            _ => None,
        };
        let inner = ConnectionManager::new(url.with_defaults());
        Self { inner, condition, life: Arc::default() }
    }

    /// Can be upgraded for as long as this lives.
    pub(crate) fn trace(&self) -> Weak<()> {
        Arc::downgrade(&self.life)
    }
}

impl ManageConnection for Connector {
    type Connection = PgConnection;
    type Error = Error;

    fn connect(&self) -> Result<PgConnection, Error> {
        self.inner.connect()
    }

    fn is_valid(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let Some(condition) = self.condition else {
            return self.inner.is_valid(connection);
        };
        if select(sql::<Bool>(condition)).get_result(connection)? {
            return Ok(());
        }
        let reason = "the server takes no writes any more".to_owned();
        Err(Error::ConnectionError(ConnectionError::BadConnection(reason)))
    }

    fn has_broken(&self, connection: &mut PgConnection) -> bool {
        self.inner.has_broken(connection)
    }
}
