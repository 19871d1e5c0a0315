//! Limits how many calls are worked on at once, over all connections.

use std::{sync::Arc, time::Duration};

use domain::{Error, Principal, Scope, TenantId};
use proto::wire::{self, Access};
use serving::{Client, Exhausted, LateMetrics, Quota, QuotaPermit, Resource};
use store::TaskWriter;

use crate::tenant_quota::{TenantPermit, TenantQuota};

/// Admits calls up to a limit. A call is admitted once its caller is known and its message is there, and
/// has its permit until its response was sent.
///
/// While the write queue is full, every call that writes is rejected: the queue would reject it after
/// all the work on it. So is one that creates tasks, of a tenant that has its share of the queue. Calls
/// that read are admitted.
///
/// Behind a proxy all calls come on one connection, so a limit for each connection would not do. A tenant
/// may make as many calls at once as it leaves for others, and one in any case: otherwise one that floods
/// the server, or does not take its responses, would lock out all others.
#[derive(Debug)]
pub(crate) struct Admission {
    permits: Arc<Quota>,
    tenants: TenantQuota,
    directory: TenantQuota,
    writer: Arc<TaskWriter>,
}

/// The most calls of the directory that are worked on at once. Each may have the database work on hundreds
/// of rows, so there are few. A tenant may make as many as it leaves for others, and one in any case:
/// alone half.
const DIRECTORY_CALLS: usize = 16;

/// The permit of a call that is worked on.
#[derive(Debug)]
pub(crate) struct CallPermit {
    _client: QuotaPermit,
    _tenant: TenantPermit,
}

impl Admission {
    /// Admits `max_in_flight` calls at once, of which one client address may make `share_percent`.
    pub(crate) fn new(max_in_flight: usize, share_percent: u8, writer: Arc<TaskWriter>) -> Self {
        Self {
            permits: Quota::new(Resource::Requests, max_in_flight, share_percent),
            tenants: TenantQuota::with_minimum(max_in_flight, 1),
            directory: TenantQuota::with_minimum(DIRECTORY_CALLS, 1),
            writer,
        }
    }

    /// Adapts the limit for as long as the future lives, so that the server is late by `most` at most.
    pub(crate) fn adapt(
        &self,
        most: Duration,
        late: LateMetrics,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (used, tenants) = (self.tenants.clone(), self.tenants.clone());
        let set = move |limit| tenants.set_limit(limit);
        serving::adapt(self.tenants.total(), (most, late), move || used.used(), set)
    }

    /// Returns the calls of all tenants.
    pub(crate) fn tenants(&self) -> &TenantQuota {
        &self.tenants
    }

    /// Returns a function that returns whether more than half of the permits are taken, or all that are given at the
    /// moment.
    pub(crate) fn is_scarce(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let (permits, tenants) = (Arc::clone(&self.permits), self.tenants.clone());
        move || permits.is_scarce() || tenants.is_scarce()
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

    /// Checks whether a call of a tenant to the method with this path is admitted, before there is more work on it,
    /// and whether the write queue takes it. Those that write in other ways are not in the queue.
    ///
    /// # Errors
    /// [`Error::Overloaded`]; [`Error::TenantOverloaded`].
    pub(crate) fn check_tenant(&self, path: &str, tenant: TenantId) -> Result<(), Error> {
        self.tenants.check(tenant, 1)?;
        if !wire::creates_tasks(path) {
            return Ok(());
        }
        // Of a queue that is full for all, no tenant has too much.
        if self.writer.is_full() {
            return Err(Error::Overloaded);
        }
        if self.writer.is_full_for(tenant) { Err(Error::TenantOverloaded) } else { Ok(()) }
    }

    /// Returns the permit of a call to the method with this path, if it is one of the directory. One whose
    /// caller may not make it needs none: it is rejected.
    ///
    /// # Errors
    /// [`Error::TenantOverloaded`] if the tenant would have more of such calls than are left, and
    /// [`Error::Overloaded`] if none is left.
    pub(crate) fn admit_to_directory(
        &self,
        path: &str,
        caller: &Principal,
    ) -> Result<Option<TenantPermit>, Error> {
        if !wire::is_of_directory(path) || !caller.scopes.contains(Scope::Admin) {
            return Ok(None);
        }
        let mut permit = self.directory.permit(caller.tenant);
        permit.grow(1)?;
        Ok(Some(permit))
    }

    /// Returns the permit of an admitted call.
    ///
    /// # Errors
    /// [`Error::Overloaded`]; [`Error::AddressOverloaded`] if the client's address has its share, and
    /// [`Error::TenantOverloaded`] if the tenant would have more than is left.
    pub(crate) fn admit(
        &self,
        access: Access,
        client: &Client,
        tenant: TenantId,
    ) -> Result<CallPermit, Error> {
        self.check(access)?;
        let mut client = self.permits.permit(client);
        client.grow(1).map_err(|exhausted| match exhausted {
            Exhausted::Total => Error::Overloaded,
            Exhausted::Address => Error::AddressOverloaded,
        })?;
        let mut tenant = self.tenants.permit(tenant);
        tenant.grow(1)?;
        Ok(CallPermit { _client: client, _tenant: tenant })
    }
}

#[cfg(test)]
mod tests {
    use domain::KeyId;
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
            changers: 1,
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

    fn tenant(id: i64) -> TenantId {
        TenantId::new(id).unwrap()
    }

    #[test]
    fn a_full_write_queue_rejects_calls_that_write_and_admits_calls_that_read() {
        let admission = admission(2, 0);
        let client = Client::default();
        assert!(matches!(admission.check(Access::Write), Err(Error::Overloaded)));
        assert!(matches!(
            admission.admit(Access::Write, &client, tenant(1)),
            Err(Error::Overloaded)
        ));
        assert!(admission.check(Access::Read).is_ok());
        assert!(admission.admit(Access::Read, &client, tenant(1)).is_ok());
    }

    #[test]
    fn a_permit_is_returned_when_its_call_ends() {
        let admission = admission(1, 1);
        let client = Client::default();
        let permit = admission.admit(Access::Write, &client, tenant(1));
        assert!(permit.is_ok());
        assert!(matches!(
            admission.admit(Access::Read, &client, tenant(1)),
            Err(Error::Overloaded)
        ));
        drop(permit);
        assert!(admission.admit(Access::Read, &client, tenant(1)).is_ok());
    }

    #[test]
    fn few_calls_of_the_directory_are_admitted_at_once() {
        let admission = admission(1, 1);
        let path = "/caseload.directory.v1.DirectoryService/BatchUpsertUsers";
        let caller = |id, scope| Principal {
            tenant: tenant(id),
            key: KeyId::new(1).unwrap(),
            scopes: [scope].into_iter().collect(),
        };
        let admit = |id| admission.admit_to_directory(path, &caller(id, Scope::Admin));
        let first: Vec<_> = (0..8).map(|_| admit(1).unwrap()).collect();
        assert!(first.iter().all(Option::is_some));
        assert!(matches!(admit(1), Err(Error::TenantOverloaded)));
        let others: Vec<_> = (2..10).map(|id| admit(id).unwrap()).collect();
        assert!(matches!(admit(10), Err(Error::Overloaded)));
        // Neither other calls count, nor those that are about to be rejected.
        let other_call = wire::METHODS[0].0;
        assert!(matches!(
            admission.admit_to_directory(other_call, &caller(1, Scope::Admin)),
            Ok(None)
        ));
        assert!(matches!(
            admission.admit_to_directory(path, &caller(1, Scope::TasksRead)),
            Ok(None)
        ));
        drop((first, others));
        assert!(admit(10).is_ok());
    }

    #[test]
    fn a_tenant_may_make_as_many_calls_at_once_as_it_leaves_for_others() {
        let admission = admission(6, 1);
        let client = Client::default();
        let admit = |id| admission.admit(Access::Read, &client, tenant(id));
        let mut first: Vec<_> = (0..3).map(|_| admit(1).unwrap()).collect();
        assert!(matches!(admit(1), Err(Error::TenantOverloaded)));
        let second = admit(2);
        assert!(second.is_ok());
        assert!(
            matches!(admit(2), Err(Error::TenantOverloaded)),
            "it would have more than is left"
        );
        let third = admit(3);
        assert!(third.is_ok());
        let last = admit(4);
        assert!(last.is_ok(), "one call is always possible");
        assert!(matches!(admit(5), Err(Error::Overloaded)));
        // What was rejected has taken nothing.
        first.clear();
        drop((second, third, last));
        assert!((0..3).map(|_| admit(5)).collect::<Vec<_>>().iter().all(Result::is_ok));
    }
}
