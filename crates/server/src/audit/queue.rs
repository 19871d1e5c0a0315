//! The entries that wait to be appended.

use std::collections::BTreeMap;

use domain::{NewAuditEntry, TenantId};

/// The most entries that wait, of all tenants and of one, while the database is away.
const MOST: usize = 10_000;
const MOST_OF_TENANT: usize = 1000;

/// The entries that wait, and how many were dropped for want of room.
#[derive(Debug, Default)]
pub(super) struct Queue {
    tenants: BTreeMap<TenantId, Waiting>,
    len: usize,
}

/// What waits of a tenant.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// The entries.
    pub(super) entries: Vec<NewAuditEntry>,
    /// How many more there were.
    pub(super) dropped: u64,
}

impl Queue {
    /// Adds an entry, or counts it as dropped.
    pub(super) fn push(&mut self, tenant: TenantId, entry: NewAuditEntry) {
        let waiting = self.tenants.entry(tenant).or_default();
        if self.len < MOST && waiting.entries.len() < MOST_OF_TENANT {
            waiting.entries.push(entry);
            self.len += 1;
        } else {
            waiting.dropped += 1;
        }
    }

    /// Counts entries as dropped.
    pub(super) fn drop_some(&mut self, tenant: TenantId, count: u64) {
        self.tenants.entry(tenant).or_default().dropped += count;
    }

    /// Takes all that waits.
    pub(super) fn take(&mut self) -> BTreeMap<TenantId, Waiting> {
        self.len = 0;
        std::mem::take(&mut self.tenants)
    }
}

#[cfg(test)]
mod tests {
    use domain::{Agent, AuditEvent};

    use super::*;

    #[test]
    fn there_is_room_for_some_entries_of_each_tenant_and_the_others_are_counted() {
        let tenant = |id| TenantId::new(id).unwrap();
        let entry = || NewAuditEntry::now(AuditEvent::KeyUsed, Agent::Session, 1);
        let mut queue = Queue::default();
        for id in 1..=12 {
            for _ in 0..MOST_OF_TENANT + 1 {
                queue.push(tenant(id), entry());
            }
        }
        queue.drop_some(tenant(1), 5);
        let waiting = queue.take();
        let counts = |id| (waiting[&tenant(id)].entries.len(), waiting[&tenant(id)].dropped);
        assert_eq!((counts(1), counts(10)), ((1000, 6), (1000, 1)));
        assert_eq!((counts(11), counts(12)), ((0, 1001), (0, 1001)));

        queue.push(tenant(12), entry());
        assert_eq!(queue.take()[&tenant(12)].entries.len(), 1);
    }
}
