//! Counts refused uses of API keys: one entry stands for those of a minute.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant, SystemTime},
};

use domain::{AuditEvent, KeyId, NewAuditEntry, TenantId};

use super::origin::Origin;

/// How long an entry stands for all refusals of one kind.
const INTERVAL: Duration = Duration::from_secs(60);

/// The most kinds of refusals at once.
const MOST: usize = 10_000;

/// Why a key that exists is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Refusal {
    /// It was revoked.
    Revoked,
    /// It has expired.
    Expired,
    /// It is not accepted on the host that was called.
    Host,
    /// It is not accepted from the client's address.
    Address,
    /// It lacks the scope that the call needs.
    Scope,
}

impl Refusal {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Host => "host",
            Self::Address => "address",
            Self::Scope => "scope",
        }
    }
}

/// The refusals that are not in an entry yet.
#[derive(Debug, Default)]
pub(super) struct Refusals(HashMap<Kind, Counted>);

/// Refusals of one kind, of which only the first one is told with its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kind {
    tenant: TenantId,
    key: KeyId,
    refusal: Refusal,
    client: Option<IpAddr>,
}

#[derive(Debug)]
struct Counted {
    first: Option<(SystemTime, Origin)>,
    count: u64,
    /// When the next entry may be made.
    next: Instant,
}

impl Refusals {
    /// Counts a refusal. Returns whether there was room.
    pub(super) fn count(
        &mut self,
        (tenant, key): (TenantId, KeyId),
        refusal: Refusal,
        origin: &Origin,
        now: Instant,
    ) -> bool {
        let kind = Kind { tenant, key, refusal, client: origin.network() };
        if self.0.len() >= MOST && !self.0.contains_key(&kind) {
            return false;
        }
        let counted = self.0.entry(kind).or_insert(Counted { first: None, count: 0, next: now });
        counted.first.get_or_insert_with(|| (SystemTime::now(), origin.clone()));
        counted.count += 1;
        true
    }

    /// Takes the entries that are due; all of them if this is the end.
    pub(super) fn take(&mut self, now: Instant, is_end: bool) -> Vec<(TenantId, NewAuditEntry)> {
        let mut entries = Vec::new();
        self.0.retain(|kind, counted| {
            if counted.next > now && !is_end {
                return true;
            }
            let Some((time, origin)) = counted.first.take() else { return false };
            let agent = origin.agent(kind.key);
            let entry = NewAuditEntry::now(AuditEvent::KeyRefused, agent, kind.key.get());
            let entry = entry.with("reason", kind.refusal.as_str()).with("count", counted.count);
            entries.push((kind.tenant, NewAuditEntry { time: Some(time), ..entry }));
            (counted.count, counted.next) = (0, now + INTERVAL);
            true
        });
        entries
    }
}

#[cfg(test)]
mod tests {
    use http::Extensions;

    use super::*;

    #[test]
    fn an_entry_stands_for_the_refusals_of_a_minute() {
        let (tenant, key) = (TenantId::new(1).unwrap(), KeyId::new(2).unwrap());
        let origin = Origin::of(&Extensions::new());
        let start = Instant::now();
        let mut refusals = Refusals::default();
        let count = |refusals: &mut Refusals, refusal, after| {
            assert!(refusals.count((tenant, key), refusal, &origin, start + after));
        };
        let take = |refusals: &mut Refusals, after, is_end| {
            let entries = refusals.take(start + after, is_end).into_iter();
            let mut details: Vec<_> =
                entries.map(|(_, entry)| entry.details.as_str().to_owned()).collect();
            details.sort_unstable();
            details
        };
        let second = Duration::from_secs(1);

        count(&mut refusals, Refusal::Scope, second);
        count(&mut refusals, Refusal::Scope, second);
        count(&mut refusals, Refusal::Revoked, second);
        let both = ["reason=revoked count=1", "reason=scope count=2"];
        assert_eq!(take(&mut refusals, second, false), both);
        for _ in 0..5 {
            count(&mut refusals, Refusal::Scope, 2 * second);
        }
        assert!(take(&mut refusals, 60 * second, false).is_empty());
        assert_eq!(take(&mut refusals, 61 * second, false), ["reason=scope count=5"]);
        assert!(take(&mut refusals, 121 * second, false).is_empty());
        assert!(refusals.0.is_empty(), "nothing is remembered");

        count(&mut refusals, Refusal::Address, 122 * second);
        assert_eq!(take(&mut refusals, 122 * second, false), ["reason=address count=1"]);
        count(&mut refusals, Refusal::Address, 123 * second);
        assert_eq!(take(&mut refusals, 123 * second, true), ["reason=address count=1"]);
    }
}
