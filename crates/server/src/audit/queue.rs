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
#[derive(Clone, Debug, Default)]
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

    /// Adds what could not be appended.
    pub(super) fn requeue(&mut self, tenant: TenantId, Waiting { entries, dropped }: Waiting) {
        self.count_dropped(tenant, dropped);
        entries.into_iter().for_each(|entry| self.push(tenant, entry));
    }

    /// Counts entries as dropped.
    pub(super) fn count_dropped(&mut self, tenant: TenantId, count: u64) {
        if count > 0 {
            self.tenants.entry(tenant).or_default().dropped += count;
        }
    }

    /// Takes all that waits of one tenant.
    pub(super) fn pop(&mut self) -> Option<(TenantId, Waiting)> {
        let (tenant, waiting) = self.tenants.pop_first()?;
        self.len -= waiting.entries.len();
        Some((tenant, waiting))
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
            for _ in 0..=MOST_OF_TENANT {
                queue.push(tenant(id), entry());
            }
        }
        queue.count_dropped(tenant(1), 5);
        let mut counts = Vec::new();
        let mut first = None;
        while let Some((_, waiting)) = queue.pop() {
            counts.push((waiting.entries.len(), waiting.dropped));
            first.get_or_insert(waiting);
        }
        assert_eq!((counts[0], counts[9]), ((1000, 6), (1000, 1)));
        assert_eq!(counts[10..], [(0, 1001), (0, 1001)]);

        queue.push(tenant(1), entry());
        queue.requeue(tenant(1), first.unwrap());
        let (_, waiting) = queue.pop().unwrap();
        assert_eq!((waiting.entries.len(), waiting.dropped), (1000, 7));
        assert!(queue.pop().is_none() && queue.len == 0);
    }
}
