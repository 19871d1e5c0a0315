//! Limits how many calls are worked on at once, over all connections.

use std::sync::Arc;

use domain::Error;
use proto::wire::Access;
use serving::{Client, Exhausted, Quota, QuotaPermit, Resource};
use store::TaskWriter;

/// Admits calls up to a limit. A call is admitted once its caller is known and its message is there, and
/// has its permit until its response was sent.
///
/// While the write queue is full, every call that writes is rejected: the queue would reject it after
/// all the work on it. Calls that read are admitted.
///
/// Behind a proxy all calls come on one connection, so a limit for each connection would not do.
#[derive(Debug)]
pub(crate) struct Admission {
    permits: Arc<Quota>,
    writer: Arc<TaskWriter>,
}

impl Admission {
    /// Admits `max_in_flight` calls at once, of which one client address may make `share_percent`.
    pub(crate) fn new(max_in_flight: usize, share_percent: u8, writer: Arc<TaskWriter>) -> Self {
        Self { permits: Quota::new(Resource::Requests, max_in_flight, share_percent), writer }
    }

    /// Returns a function that returns whether more than half of the permits are taken.
    pub(crate) fn is_scarce(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let permits = Arc::clone(&self.permits);
        move || permits.is_scarce()
    }

    /// Checks whether the write queue takes a call.
    ///
    /// # Errors
    /// [`Error::Overloaded`].
    pub(crate) fn check(&self, access: Access) -> Result<(), Error> {
        match access == Access::Write && self.writer.is_full() {
            true => Err(Error::Overloaded),
            false => Ok(()),
        }
    }

    /// Returns the permit of an admitted call.
    ///
    /// # Errors
    /// [`Error::Overloaded`]; [`Error::AddressOverloaded`] if the client's address has its share.
    pub(crate) fn admit(&self, access: Access, client: &Client) -> Result<QuotaPermit, Error> {
        self.check(access)?;
        let mut permit = self.permits.permit(client);
        match permit.grow(1) {
            Ok(()) => Ok(permit),
            Err(Exhausted::Total) => Err(Error::Overloaded),
            Err(Exhausted::Address) => Err(Error::AddressOverloaded),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use store::{Database, PoolSettings, TaskWriter, WriterSettings};

    use super::*;

    /// This many permits, and a write queue of this length that nothing is written from, as there is
    /// no database.
    fn admission(max_in_flight: usize, queue_length: usize) -> Admission {
        let url = "postgresql://127.0.0.1:1/none".parse().unwrap();
        let checkout_timeout = Duration::from_secs(1);
        let lock_timeout = Duration::from_secs(1);
        let pool = PoolSettings {
            writers: 1,
            readers: 1,
            checkout_timeout,
            lock_timeout,
            tenant_queue_length: 1,
        };
        let settings = WriterSettings {
            threads: 1,
            batches_per_statement: 1,
            one_tenant_per_statement: false,
            queue_length,
            queue_length_per_tenant: queue_length,
        };
        let writer = TaskWriter::start(&Database::open(&url, &pool), settings).unwrap();
        Admission::new(max_in_flight, 100, Arc::new(writer))
    }

    #[test]
    fn a_full_write_queue_rejects_calls_that_write_and_admits_calls_that_read() {
        let admission = admission(2, 0);
        let client = Client::default();
        assert!(matches!(admission.check(Access::Write), Err(Error::Overloaded)));
        assert!(matches!(admission.admit(Access::Write, &client), Err(Error::Overloaded)));
        assert!(admission.check(Access::Read).is_ok());
        assert!(admission.admit(Access::Read, &client).is_ok());
    }

    #[test]
    fn a_permit_is_returned_when_its_call_ends() {
        let admission = admission(1, 1);
        let client = Client::default();
        let permit = admission.admit(Access::Write, &client);
        assert!(permit.is_ok());
        assert!(matches!(admission.admit(Access::Read, &client), Err(Error::Overloaded)));
        drop(permit);
        assert!(admission.admit(Access::Read, &client).is_ok());
    }
}
