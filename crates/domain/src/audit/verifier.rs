//! Verifies the log of a tenant.

use super::{
    chain::{Anchor, AuditRecord},
    details::AuditDetails,
    entry::AuditEvent,
    fault::AuditFault,
};

/// Compares the entries of a log, in the order of their numbers, with their hashes, and with what was there
/// once.
#[derive(Debug)]
pub struct ChainVerifier {
    /// The last entry that was pruned.
    pruned: Anchor,
    /// Up to where the last entry about that says that the log was pruned.
    said_pruned: Option<Anchor>,
    /// The last entry so far.
    last: Anchor,
    expected: Vec<Anchor>,
    faults: Vec<AuditFault>,
}

impl ChainVerifier {
    /// Begins behind the last entry that was pruned. Each of the expected entries must be there.
    #[must_use]
    pub fn new(pruned: Anchor, expected: &[Anchor]) -> Self {
        // That there was nothing once is always so.
        let mut expected = expected.to_vec();
        expected.retain(|anchor| *anchor != Anchor::START);
        expected.sort_by_key(|anchor| anchor.number);
        let (said_pruned, last, faults) = (None, pruned, Vec::new());
        let mut verifier = Self { pruned, said_pruned, last, expected, faults };
        verifier.compare_expected(pruned);
        verifier
    }

    /// Checks the next entry.
    pub fn check(&mut self, AuditRecord { entry, hash }: &AuditRecord) {
        let next = self.last.number.saturating_add(1);
        let number = entry.number;
        if number > next {
            self.faults.push(AuditFault::Missing { first: next, last: number - 1 });
        } else if number < next || self.last.hash.then(entry) != *hash {
            self.faults.push(AuditFault::Changed { number });
        }
        // What follows is compared with the hash that is stored, so that each change is found once. Where entries
        // are missing before this one, it can't be told whether it is as it was.
        if entry.event == AuditEvent::LogPruned.as_str() {
            self.said_pruned = AuditDetails::value(&entry.details, AuditDetails::UP_TO)
                .and_then(|anchor| anchor.parse().ok());
        }
        self.last = Anchor { number, hash: *hash };
        self.compare_expected(self.last);
    }

    /// Compares the last entry with the head of the log, which is `None` if it is missing. Returns the last
    /// entry, and all faults.
    #[must_use]
    pub fn finish(mut self, head: Option<Anchor>) -> (Anchor, Vec<AuditFault>) {
        match head {
            None if self.last != Anchor::START => self.faults.push(AuditFault::HeadMissing),
            None => {}
            Some(head) if head.number > self.last.number => {
                let first = self.last.number + 1;
                self.faults.push(AuditFault::Missing { first, last: head.number });
            }
            Some(head) if head.number < self.last.number => {
                self.faults.push(AuditFault::Unknown { number: head.number + 1 });
            }
            Some(head) if head.hash != self.last.hash => {
                self.faults.push(AuditFault::HeadChanged);
            }
            Some(_) => {}
        }
        let Anchor { number, .. } = self.pruned;
        if self.pruned != Anchor::START && self.said_pruned != Some(self.pruned) {
            self.faults.push(AuditFault::BeginningMissing { number });
        }
        let shorter = self.expected.iter().map(|it| AuditFault::Shorter { number: it.number });
        self.faults.extend(shorter);
        (self.last, self.faults)
    }

    /// Compares the expected entries up to this one.
    fn compare_expected(&mut self, at: Anchor) {
        let reached = self.expected.partition_point(|anchor| anchor.number <= at.number);
        for Anchor { number, hash } in self.expected.drain(..reached) {
            if number < self.pruned.number {
                self.faults.push(AuditFault::Pruned { number });
            } else if number < at.number || hash != at.hash {
                // One that is missing, or has another hash.
                self.faults.push(AuditFault::Rewritten { number });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::Index};

    use super::*;
    use crate::{
        TenantId,
        audit::{AuditEntry, ChainHash},
    };

    fn entry(tenant: i64, number: i64, details: &str) -> AuditEntry {
        AuditEntry {
            tenant: TenantId::new(tenant).unwrap(),
            number,
            micros: number * 1000,
            event: "key.created".to_owned(),
            key: Some(1),
            role: None,
            address: Some("192.0.2.1".to_owned()),
            request_id: Some("r-1".to_owned()),
            subject: Some(number),
            details: details.to_owned(),
        }
    }

    fn log(tenant: i64, details: &[String]) -> Vec<AuditRecord> {
        let numbered = (1..).zip(details);
        let mut hash = ChainHash::START;
        let record = |(number, details): (i64, &String)| {
            let entry = entry(tenant, number, details);
            hash = hash.then(&entry);
            AuditRecord { entry, hash }
        };
        numbered.map(record).collect()
    }

    fn anchor(record: &AuditRecord) -> Anchor {
        Anchor { number: record.entry.number, hash: record.hash }
    }

    fn faults(records: &[AuditRecord], head: Anchor) -> Vec<AuditFault> {
        let mut verifier = ChainVerifier::new(Anchor::START, &[]);
        records.iter().for_each(|record| verifier.check(record));
        verifier.finish(Some(head)).1
    }

    /// A way to tamper with a log.
    #[derive(Clone, Debug)]
    enum Tampering {
        Change(Index),
        ChangeAndHash(Index),
        Delete(Index),
        DeleteTail(Index),
        Swap(Index, Index),
        OfOtherTenant(Index),
        Append,
    }

    impl Tampering {
        /// Returns whether anything was changed.
        fn apply(&self, log: &mut Vec<AuditRecord>) -> bool {
            let len = log.len();
            match self {
                Self::Change(at) => log[at.index(len)].entry.details.push('x'),
                Self::ChangeAndHash(at) => {
                    let at = at.index(len);
                    let before = if at == 0 { ChainHash::START } else { log[at - 1].hash };
                    log[at].entry.details.push('x');
                    log[at].hash = before.then(&log[at].entry);
                }
                Self::Delete(at) => drop(log.remove(at.index(len))),
                Self::DeleteTail(from) => log.truncate(from.index(len)),
                Self::Swap(a, b) => {
                    let (a, b) = (a.index(len), b.index(len));
                    if a == b {
                        return false;
                    }
                    let number = |log: &[AuditRecord], at: usize| log[at].entry.number;
                    let (of_a, of_b) = (number(log, a), number(log, b));
                    log.swap(a, b);
                    (log[a].entry.number, log[b].entry.number) = (of_a, of_b);
                }
                Self::OfOtherTenant(at) => {
                    let at = at.index(len);
                    let details: Vec<_> =
                        log.iter().map(|record| record.entry.details.clone()).collect();
                    let mut other = self::log(2, &details).swap_remove(at);
                    other.entry.tenant = log[at].entry.tenant;
                    log[at] = other;
                }
                Self::Append => {
                    let number = i64::try_from(len).unwrap() + 1;
                    let entry = entry(1, number, "forged");
                    let hash = log.last().map_or(ChainHash::START, |last| last.hash).then(&entry);
                    log.push(AuditRecord { entry, hash });
                }
            }
            true
        }
    }

    fn tampering() -> impl Strategy<Value = Tampering> {
        let index = any::<Index>;
        prop_oneof![
            index().prop_map(Tampering::Change),
            index().prop_map(Tampering::ChangeAndHash),
            index().prop_map(Tampering::Delete),
            index().prop_map(Tampering::DeleteTail),
            (index(), index()).prop_map(|(a, b)| Tampering::Swap(a, b)),
            index().prop_map(Tampering::OfOtherTenant),
            Just(Tampering::Append),
        ]
    }

    proptest! {
        #[test]
        fn a_log_is_good_until_anybody_tampers_with_it(
            details in proptest::collection::vec("[a-z]{0,3}", 1..20),
            tampering in tampering(),
        ) {
            let mut log = log(1, &details);
            let head = anchor(log.last().unwrap());
            prop_assert_eq!(faults(&log, head), vec![]);
            // The verification of each part begins where another one was pruned.
            for pruned in 0..log.len() {
                let mut verifier = ChainVerifier::new(anchor(&log[pruned]), &[]);
                log[pruned + 1..].iter().for_each(|record| verifier.check(record));
                let number = log[pruned].entry.number;
                let unsaid = AuditFault::BeginningMissing { number };
                prop_assert_eq!(verifier.finish(Some(head)), (head, vec![unsaid]));
            }
            if tampering.apply(&mut log) {
                prop_assert!(!faults(&log, head).is_empty(), "{:?}", tampering);
            }
        }

        /// Who can write everything, the head included, is found by an anchor that is kept elsewhere.
        #[test]
        fn a_log_that_was_rewritten_as_a_whole_is_found_by_an_anchor(
            details in proptest::collection::vec("[a-z]{0,3}", 1..20),
            at in any::<Index>(),
            kept in any::<Index>(),
        ) {
            let before = log(1, &details);
            let at = at.index(before.len());
            // An entry from the changed one on.
            let kept = at + kept.index(before.len() - at);
            let mut changed = details.clone();
            changed[at].push('x');
            for after in [log(1, &changed), log(1, &details[..at])] {
                let mut verifier = ChainVerifier::new(Anchor::START, &[anchor(&before[kept])]);
                after.iter().for_each(|record| verifier.check(record));
                let head = after.last().map_or(Anchor::START, anchor);
                prop_assert!(!verifier.finish(Some(head)).1.is_empty());
            }
        }
    }

    #[test]
    fn each_fault_is_named_with_its_place() {
        let details: Vec<_> = (0..6).map(|number| number.to_string()).collect();
        let good = log(1, &details);
        let head = anchor(&good[5]);
        type Tamper = fn(&mut Vec<AuditRecord>);
        let table: [(Tamper, &[AuditFault]); 6] = [
            (|_| (), &[]),
            (|log| log[2].entry.details.push('x'), &[AuditFault::Changed { number: 3 }]),
            (|log| drop(log.drain(1..3)), &[AuditFault::Missing { first: 2, last: 3 }]),
            (|log| log.truncate(4), &[AuditFault::Missing { first: 5, last: 6 }]),
            (Vec::clear, &[AuditFault::Missing { first: 1, last: 6 }]),
            (
                |log| log[5].hash = ChainHash::START,
                &[AuditFault::Changed { number: 6 }, AuditFault::HeadChanged],
            ),
        ];
        for (tamper, expected) in table {
            let mut log = good.clone();
            tamper(&mut log);
            assert_eq!(faults(&log, head), expected);
        }
        assert_eq!(faults(&good, anchor(&good[3])), [AuditFault::Unknown { number: 5 }]);
        let mut verifier = ChainVerifier::new(Anchor::START, &[]);
        verifier.check(&good[0]);
        assert_eq!(verifier.finish(None).1, [AuditFault::HeadMissing]);
    }

    #[test]
    fn a_beginning_is_missing_unless_an_entry_says_up_to_where_it_was_pruned() {
        let details: Vec<_> = (0..4).map(|number| number.to_string()).collect();
        let good = log(1, &details);
        let pruned = anchor(&good[1]);
        for (said, faults) in [
            (pruned.to_string(), vec![]),
            (anchor(&good[0]).to_string(), vec![AuditFault::BeginningMissing { number: 2 }]),
            ("x".to_owned(), vec![AuditFault::BeginningMissing { number: 2 }]),
        ] {
            let mut verifier = ChainVerifier::new(pruned, &[]);
            good[2..].iter().for_each(|record| verifier.check(record));
            let mut entry = entry(1, 5, &format!("count=2 up_to={said}"));
            entry.event = "log.pruned".to_owned();
            let hash = good[3].hash.then(&entry);
            let record = AuditRecord { entry, hash };
            verifier.check(&record);
            assert_eq!(verifier.finish(Some(anchor(&record))).1, faults, "{said}");
        }
    }

    #[test]
    fn an_anchor_is_compared_where_it_can_be() {
        let details: Vec<_> = (0..6).map(|number| number.to_string()).collect();
        let good = log(1, &details);
        let other = log(1, &["x".to_owned()]);
        let end = Anchor { number: 7, ..anchor(&other[0]) };
        for (pruned, expected, faults) in [
            (0, anchor(&good[2]), &[][..]),
            (0, Anchor { number: 3, ..anchor(&other[0]) }, &[AuditFault::Rewritten { number: 3 }]),
            (0, end, &[AuditFault::Shorter { number: 7 }]),
            (0, Anchor::START, &[]),
            (3, anchor(&good[2]), &[]),
            (3, Anchor { number: 3, ..anchor(&other[0]) }, &[AuditFault::Rewritten { number: 3 }]),
            (3, anchor(&good[1]), &[AuditFault::Pruned { number: 2 }]),
        ] {
            let base = if pruned == 0 { Anchor::START } else { anchor(&good[pruned - 1]) };
            let mut verifier = ChainVerifier::new(base, &[expected]);
            good[pruned..].iter().for_each(|record| verifier.check(record));
            let mut found = verifier.finish(Some(anchor(&good[5]))).1;
            found.retain(|fault| !matches!(fault, AuditFault::BeginningMissing { .. }));
            assert_eq!(found, faults, "{pruned} {expected}");
        }
    }
}
