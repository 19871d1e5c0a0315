//! Opens connections and checks whether they can still be used.

use std::sync::{Arc, Weak};

use diesel::{
    Connection as _, ConnectionError, PgConnection,
    r2d2::{Error, ManageConnection, R2D2Connection as _},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    redaction::Redaction,
    session::{Sharing, Tokened},
    url::DatabaseUrl,
};

/// libpq's message for a server certificate that it rejects, except for the wrong host name, which has its own.
const UNVERIFIED: &str = "certificate verify failed";

/// The possible reasons, which libpq does not tell apart.
const REASONS: &str = "the server's certificate is of no authority in sslrootcert, has expired, or is \
    not valid yet; Postgres' log has the alert that says which";

/// Opens connections to the server that the URL asks for.
///
/// libpq selects the server among the hosts only when it connects. A server may become read-only
/// while its connections stay open (a full disk, a proxy that changes its target), and no query that
/// only reads would notice. Therefore a connection is checked again before it is used.
#[derive(Debug)]
pub(crate) struct Connector {
    url: SecretString,
    redaction: Redaction,
    /// The condition that the server must meet, in SQL; `None` if any server will do.
    condition: Option<&'static str>,
    sharing: Sharing,
    /// Never cloned, so that weak references show when the connector is dropped.
    life: Arc<()>,
}

impl Connector {
    /// Returns a connector to the database at a URL. Its connections are unusable while they share sessions.
    pub(super) fn new(url: &DatabaseUrl, sharing: Sharing) -> Self {
        // The conditions by which libpq itself selects a server.
        let condition = match url.parameter("target_session_attrs").as_deref() {
            Some("read-write") => Some("current_setting('transaction_read_only') = 'off'"),
            Some("primary") => Some("NOT pg_is_in_recovery()"),
            _ => None,
        };
        let (url, redaction) = (url.with_defaults(), url.redaction());
        Self { url, redaction, condition, sharing, life: Arc::default() }
    }

    /// Returns a reference that can be upgraded until this connector is dropped.
    pub(crate) fn life(&self) -> Weak<()> {
        Arc::downgrade(&self.life)
    }

    /// Removes secrets from an error: some of libpq's messages quote parts of the URL. Adds the possible reasons if
    /// the server's certificate was rejected.
    fn redact(&self, error: ConnectionError) -> ConnectionError {
        match error {
            ConnectionError::BadConnection(message) => {
                let mut message = self.redaction.apply(&message);
                if message.contains(UNVERIFIED) {
                    message = format!("{} ({REASONS})", message.trim_end());
                }
                ConnectionError::BadConnection(message)
            }
            ConnectionError::InvalidConnectionUrl(message) => {
                ConnectionError::InvalidConnectionUrl(self.redaction.apply(&message))
            }
            // These come from this program or from queries, which never contain the URL.
            other => other,
        }
    }
}

impl ManageConnection for Connector {
    type Connection = Tokened;
    type Error = Error;

    fn connect(&self) -> Result<Tokened, Error> {
        PgConnection::establish(self.url.expose_secret())
            .map(|connection| Tokened::new(connection, self.sharing.clone()))
            .map_err(|error| Error::ConnectionError(self.redact(error)))
    }

    fn is_valid(&self, connection: &mut Tokened) -> Result<(), Error> {
        if connection.check(self.condition)? {
            return Ok(());
        }
        let reason = "the server does not accept writes any more";
        Err(Error::ConnectionError(ConnectionError::BadConnection(reason.to_owned())))
    }

    fn has_broken(&self, connection: &mut Tokened) -> bool {
        std::thread::panicking() || connection.is_broken()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what is reported of a message of libpq, for a URL with a password.
    fn reported(message: &str) -> String {
        let url = "postgresql://me:hunter2@a/b?sslmode=verify-full&sslrootcert=ca.pem";
        let connector = Connector::new(&url.parse().unwrap(), Sharing::default());
        connector.redact(ConnectionError::BadConnection(message.to_owned())).to_string()
    }

    #[test]
    fn the_possible_reasons_are_added_to_a_rejected_certificate_only() {
        let failed = "connection to server at \"a\", port 5432 failed: ";
        let unverified = reported(&format!("{failed}SSL error: certificate verify failed\n"));
        assert_eq!(unverified, format!("{failed}SSL error: certificate verify failed ({REASONS})"));
        for clear in [
            "server certificate for \"b\" does not match host name \"a\"",
            "server does not support SSL, but SSL was required",
            "root certificate file \"ca.pem\" does not exist",
        ] {
            assert_eq!(reported(&format!("{failed}{clear}")), format!("{failed}{clear}"));
        }
        let quoted = reported(&format!("{failed}hunter2, certificate verify failed"));
        assert!(!quoted.contains("hunter2"), "{quoted}");
    }
}
