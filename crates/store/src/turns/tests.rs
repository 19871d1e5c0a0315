//! In which order jobs are taken.

use super::*;
use crate::queued::tests::{Letter, letters};

/// Adds jobs with this many rows each.
fn push(turns: &mut Turns<Letter>, tenant: i64, letters: &str, rows: usize) {
    for letter in letters.chars() {
        turns.push(Letter::new(letter, tenant, 1).with_rows(rows));
    }
}

/// Takes jobs, as many as there are rows.
fn take(turns: &mut Turns<Letter>, rows: usize) -> String {
    letters(turns.take(Most { jobs: 1000, rows, one_tenant: false }))
}

#[test]
fn tenants_take_turns_of_some_rows() {
    let mut turns = Turns::new();
    push(&mut turns, 1, "abcdefgh", 8);
    push(&mut turns, 2, "stuvwxyz", 4);
    // 16 rows each.
    assert_eq!(take(&mut turns, 64), "abstuvcdwxyz");
    assert_eq!(take(&mut turns, 64), "efgh");
}

#[test]
fn a_turn_that_a_statement_has_no_room_for_goes_on_in_the_next_one() {
    let mut turns = Turns::new();
    push(&mut turns, 1, "abcd", 8);
    push(&mut turns, 2, "xyz", 8);
    assert_eq!(take(&mut turns, 8), "a");
    assert_eq!(take(&mut turns, 16), "bx");
    assert_eq!(take(&mut turns, 99), "ycdz");
}

#[test]
fn large_jobs_are_paid_for_with_later_turns() {
    let mut turns = Turns::new();
    push(&mut turns, 1, "AB", 48);
    push(&mut turns, 2, "abcdefgh", 16);
    // Once A is taken, its tenant waits until the other one has had as many rows.
    assert_eq!(take(&mut turns, 999), "AabcBdefgh");
}

#[test]
fn the_first_job_is_taken_however_large_it_is() {
    let mut turns = Turns::new();
    push(&mut turns, 1, "A", 500);
    push(&mut turns, 2, "b", 100);
    assert_eq!(take(&mut turns, 10), "A");
    assert_eq!(take(&mut turns, 10), "b");
}

#[test]
fn a_tenant_that_comes_is_served_before_those_that_wait() {
    let mut turns = Turns::new();
    push(&mut turns, 1, "abcdefghijkl", 8);
    push(&mut turns, 2, "mnopqrstuvwx", 8);
    assert_eq!(take(&mut turns, 48), "abmncd");
    push(&mut turns, 3, "X", 8);
    assert_eq!(take(&mut turns, 24), "Xop");
}

/// A tenant that has one job at a time would otherwise always be the first.
#[test]
fn a_tenant_that_comes_again_at_once_waits_for_its_turn() {
    let mut turns = Turns::new();
    push(&mut turns, 1, "abcdefgh", 16);
    push(&mut turns, 2, "X", 16);
    assert_eq!(take(&mut turns, 32), "aX");
    push(&mut turns, 2, "Y", 16);
    assert_eq!(take(&mut turns, 48), "bYc");
    push(&mut turns, 2, "Z", 16);
    assert_eq!(take(&mut turns, 48), "Zde");
}

#[test]
fn what_a_tenant_has_had_too_much_is_not_forgotten_while_others_wait() {
    let mut turns = Turns::new();
    push(&mut turns, 1, "A", 64);
    push(&mut turns, 2, "abcdefgh", 16);
    assert_eq!(take(&mut turns, 80), "Aa");
    push(&mut turns, 1, "B", 64);
    assert_eq!(take(&mut turns, 999), "bcdBefgh");
}

#[test]
fn a_quiet_tenant_is_in_the_next_statement_whatever_the_others_do() {
    let mut turns = Turns::new();
    for tenant in 1..=2 {
        push(&mut turns, tenant, &"f".repeat(300), 6);
    }
    let most = Most { jobs: 32, rows: 1280, one_tenant: false };
    for round in 0..10 {
        turns.push(Letter::new('q', 3, 1).with_rows(6));
        let taken = letters(turns.take(most));
        // Every other statement is a brief one.
        let length = if round % 2 == 0 { 1 } else { 32 };
        assert_eq!((taken.len(), taken.matches('q').count()), (length, 1), "{round}: {taken}");
    }
}

#[test]
fn a_brief_statement_has_the_jobs_of_all_tenants_with_next_to_nothing_and_no_others() {
    let mut turns = Turns::new();
    push(&mut turns, 1, &"f".repeat(100), 6);
    push(&mut turns, 2, "ab", 6);
    push(&mut turns, 3, "c", 6);
    push(&mut turns, 4, "D", 200);
    let mut take = || letters(turns.take(Most { jobs: 8, rows: 1280, one_tenant: false }));
    assert_eq!([take(), take()], ["abc", "fffDffff"]);
}

#[test]
fn while_one_statement_takes_all_that_waits_none_is_brief() {
    let mut turns = Turns::new();
    push(&mut turns, 1, &"f".repeat(31), 6);
    push(&mut turns, 2, "q", 6);
    let taken = turns.take(Most { jobs: 32, rows: 1280, one_tenant: false });
    assert_eq!(taken.len(), 32);
}

#[test]
fn all_tenants_that_wait_get_the_same_number_of_rows() {
    let mut turns = Turns::new();
    for (tenant, rows) in [(1, 1), (2, 6), (3, 75), (4, 1276)] {
        push(&mut turns, tenant, &"f".repeat(20_000 / rows), rows);
    }
    let mut written = [0; 4];
    for _ in 0..20 {
        for job in turns.take(Most { jobs: 9999, rows: 1280, one_tenant: false }) {
            written[usize::try_from(job.tenant().get()).unwrap() - 1] += job.rows();
        }
    }
    let (least, most) = (written.iter().min().unwrap(), written.iter().max().unwrap());
    // The largest job, and a turn.
    assert!(most - least <= 1276 + 2 * 16, "{written:?}");
}

#[test]
fn with_one_tenant_at_a_time_a_statement_has_as_many_jobs_as_it_may_have() {
    let mut turns = Turns::new();
    push(&mut turns, 1, "abcdef", 16);
    push(&mut turns, 2, "xyz", 16);
    let mut take = || letters(turns.take(Most { jobs: 4, rows: 999, one_tenant: true }));
    assert_eq!([take(), take(), take(), take()], ["abcd", "xyz", "ef", ""]);
}

#[test]
fn a_job_is_put_before_the_others_of_its_tenant_and_its_tenant_before_others_that_come() {
    let mut turns = Turns::new();
    push(&mut turns, 1, "ab", 1);
    turns.push_front(Letter::new('X', 1, 1));
    turns.push_front(Letter::new('Y', 2, 1));
    assert_eq!(take(&mut turns, 99), "YXab");
}

#[test]
fn all_jobs_or_some_of_a_tenant_are_removed() {
    let mut turns = Turns::new();
    push(&mut turns, 1, "abc", 1);
    push(&mut turns, 2, "xyz", 1);
    let one = TenantId::new(1).unwrap();
    assert_eq!(letters(turns.take_of(one, |job| job.letter == 'b')), "b");
    assert_eq!(letters(turns.take_of(one, |_| true)), "ac");
    assert_eq!(letters(turns.take_of(TenantId::new(9).unwrap(), |_| true)), "");
    assert_eq!((turns.len(), turns.rows), (3, 3));
    assert_eq!(letters(turns.drain()), "xyz");
    assert_eq!(turns.len(), 0);
    assert_eq!(take(&mut turns, 99), "");
}

#[test]
fn nothing_is_kept_of_tenants_once_no_job_waits() {
    let mut turns = Turns::new();
    for tenant in 1..=1000 {
        push(&mut turns, tenant, "a", 1276);
    }
    while turns.len() > 0 {
        assert!(!take(&mut turns, 1280).is_empty());
    }
    assert!(turns.tenants.is_empty() && turns.new.is_empty() && turns.old.is_empty());
}
