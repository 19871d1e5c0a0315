//! Tests of the lane.

use std::time::Duration;

use super::*;
use crate::queued::tests::{Letter, letters};

fn tenant(id: i64) -> TenantId {
    TenantId::new(id).unwrap()
}

fn case(id: i64) -> CaseId {
    CaseId::new(id).unwrap()
}

/// Returns a lane with this job, which is blocked.
fn blocked(job: Letter) -> Lane<Letter> {
    let mut lane = Lane::new();
    assert_eq!(lane.block(job, Instant::now()), Addition::Case);
    lane
}

/// Returns a lane with this job, which is blocked, and with all others of its tenant.
fn blocked_tenant(job: Letter) -> Lane<Letter> {
    let (mut lane, now) = (Lane::new(), Instant::now());
    for number in 101.. {
        let gone = Letter::new('-', job.tenant().get(), number);
        gone.withdraw();
        if lane.block(gone, now) == Addition::Tenant {
            break;
        }
    }
    lane.tidy(now);
    assert_eq!(lane.block(job, now), Addition::None);
    lane
}

/// Adds a job, which must be taken.
#[track_caller]
fn add(lane: &mut Lane<Letter>, job: Letter) {
    assert!(lane.add(job).is_none());
}

/// Returns the next turns: letters of blocked jobs in upper case, others in lower case.
fn turns(lane: &mut Lane<Letter>, count: usize) -> Vec<String> {
    let mut turns = Vec::new();
    for _ in 0..count {
        turns.extend(lane.turn().map(|turn| match turn {
            Turn::Untried(jobs) => letters(jobs),
            Turn::Blocked { job, .. } => letters([job]).to_uppercase(),
        }));
    }
    turns
}

#[test]
fn only_jobs_of_cases_that_wait_for_locks_are_taken() {
    let mut lane = blocked(Letter::new('a', 1, 1));
    add(&mut lane, Letter::new('b', 1, 1));
    assert_eq!(letters(lane.add(Letter::new('c', 1, 2))), "c");
    assert_eq!(letters(lane.add(Letter::new('x', 2, 1))), "x");
    assert_eq!(lane.len(), 2);
}

#[test]
fn of_a_tenant_with_several_cases_that_wait_for_locks_all_jobs_are_taken() {
    let mut lane = blocked_tenant(Letter::new('a', 1, 1));
    add(&mut lane, Letter::new('b', 1, 2));
    assert_eq!(letters(lane.add(Letter::new('x', 2, 1))), "x");
    assert_eq!(lane.len(), 2);
}

#[test]
fn jobs_of_a_blocked_case_wait_behind_it_and_others_are_tried_between() {
    let mut lane = blocked_tenant(Letter::new('a', 1, 1));
    for job in [('b', 1), ('c', 2), ('d', 3)] {
        add(&mut lane, Letter::new(job.0, 1, job.1));
    }
    assert_eq!(turns(&mut lane, 9), ["cd", "A", "B"]);
    assert_eq!(lane.len(), 0);
}

#[test]
fn jobs_that_may_be_repeats_are_looked_up_before_they_wait_behind_others() {
    let mut lane = blocked(Letter::new('a', 1, 1));
    for letter in ['b', 'c'] {
        add(&mut lane, Letter::new(letter, 1, 1).with_key());
        add(&mut lane, Letter::new(letter.to_ascii_uppercase(), 1, 1));
    }
    assert_eq!((letters(lane.take_repeats()), lane.len()), ("bc".to_owned(), 3));
    // One of them is none.
    assert!(lane.wait(Letter::new('c', 1, 1).with_key()).is_none());
    assert_eq!(turns(&mut lane, 9), ["A", "B", "C", "C"]);
    assert_eq!((letters(lane.take_repeats()), lane.len()), (String::new(), 0));
}

#[test]
fn few_jobs_of_each_tenant_are_looked_up_at_a_time() {
    let mut lane = blocked(Letter::new('-', 1, 1));
    for (tenant, letter) in (1..).zip("abcdef".chars()) {
        if tenant > 1 {
            lane.block(Letter::new('-', tenant, 1), Instant::now());
        }
        for _ in 0..9 {
            add(&mut lane, Letter::new(letter, tenant, 1).with_key());
        }
    }
    let looked_up = |lane: &mut Lane<Letter>| {
        let mut letters: Vec<_> = letters(lane.take_repeats()).chars().collect();
        letters.dedup();
        (letters.len(), lane.len())
    };
    assert_eq!(looked_up(&mut lane), (4, 6 + 54 - 32));
    assert_eq!(looked_up(&mut lane), (6, 6 + 54 - 32 - 20));
}

#[test]
fn jobs_that_may_be_repeats_are_looked_up_whatever_their_case() {
    let mut lane = blocked_tenant(Letter::new('a', 1, 1));
    for letter in ['b', 'c', 'd'] {
        let job = Letter::new(letter, 1, 2);
        add(&mut lane, if letter == 'c' { job.with_key() } else { job });
    }
    assert_eq!(letters(lane.take_repeats()), "c");
    assert!(lane.wait(Letter::new('c', 1, 2).with_key()).is_none());
    let Some(Turn::Untried(jobs)) = lane.turn() else { panic!("they are tried") };
    let mut jobs = jobs.into_iter();
    lane.block(jobs.next().unwrap(), Instant::now());
    // Those behind it are not begun, and come back.
    jobs.for_each(|job| add(&mut lane, job));
    assert_eq!(letters(lane.take_repeats()), "c");
    assert_eq!(turns(&mut lane, 9), ["A", "B", "D"]);
}

#[test]
fn jobs_that_may_be_repeats_leave_with_the_others() {
    let mut lane = blocked(Letter::new('a', 1, 1));
    add(&mut lane, Letter::new('b', 1, 1));
    add(&mut lane, Letter::new('c', 1, 1).with_key());
    assert_eq!(letters(lane.unblock(tenant(1), case(1))), "abc");
    assert_eq!(lane.len(), 0);

    let gone = Letter::new('a', 1, 1);
    let mut lane = blocked(gone.clone());
    add(&mut lane, Letter::new('b', 1, 1).with_key());
    gone.withdraw();
    let (withdrawn, leaving) = lane.tidy(Instant::now() + Duration::from_secs(60));
    assert_eq!((letters(withdrawn), letters(leaving)), ("a".to_owned(), "b".to_owned()));
    assert_eq!(lane.len(), 0);

    let withdrawn = Letter::new('c', 1, 1).with_key();
    let mut lane = blocked(Letter::new('a', 1, 1));
    add(&mut lane, withdrawn.clone());
    withdrawn.withdraw();
    assert_eq!(letters(lane.tidy(Instant::now()).0), "c");
    assert_eq!(lane.len(), 1);
    add(&mut lane, Letter::new('d', 1, 1).with_key());
    assert_eq!(letters(lane.drain()), "ad");
}

#[test]
fn a_turn_has_few_untried_jobs() {
    let mut lane = blocked_tenant(Letter::new('a', 1, 1));
    for letter in 'b'..='l' {
        add(&mut lane, Letter::new(letter, 1, 2));
    }
    assert_eq!(turns(&mut lane, 9), ["bcdefghi", "A", "jkl"]);
}

#[test]
fn tenants_take_turns_and_so_do_the_cases_of_each() {
    let mut lane = blocked(Letter::new('a', 1, 1));
    add(&mut lane, Letter::new('b', 1, 1));
    lane.block(Letter::new('c', 1, 2), Instant::now());
    lane.block(Letter::new('x', 2, 9), Instant::now());
    assert_eq!(turns(&mut lane, 9), ["A", "X", "C", "B"]);
}

#[test]
fn a_job_that_is_blocked_again_stays_before_the_others_of_its_case() {
    let mut lane = blocked(Letter::new('a', 1, 1));
    add(&mut lane, Letter::new('b', 1, 1));
    let Some(Turn::Blocked { job: first, .. }) = lane.turn() else { panic!("a is blocked") };
    // A job of the same case comes meanwhile.
    add(&mut lane, Letter::new('c', 1, 1));
    assert_eq!(lane.block(first, Instant::now()), Addition::None);
    assert_eq!(turns(&mut lane, 9), ["A", "B", "C"]);
}

#[test]
fn a_job_that_comes_while_the_only_one_of_its_case_is_tried_becomes_blocked_with_it() {
    let mut lane = blocked_tenant(Letter::new('a', 1, 1));
    let Some(Turn::Blocked { job: first, .. }) = lane.turn() else { panic!("a is blocked") };
    add(&mut lane, Letter::new('b', 1, 1));
    add(&mut lane, Letter::new('c', 1, 2));
    lane.block(first, Instant::now());
    assert_eq!(turns(&mut lane, 9), ["c", "A", "B"]);
}

#[test]
fn the_jobs_of_a_case_leave_the_lane_when_one_of_them_has_got_its_lock() {
    let mut lane = blocked(Letter::new('a', 1, 1));
    add(&mut lane, Letter::new('b', 1, 1));
    lane.block(Letter::new('c', 1, 2), Instant::now());
    assert_eq!(turns(&mut lane, 1), ["A"]);
    add(&mut lane, Letter::new('d', 1, 1));

    assert_eq!(letters(lane.unblock(tenant(1), case(1))), "bd");
    assert!(!lane.takes(&Letter::new('e', 1, 1)) && lane.takes(&Letter::new('e', 1, 2)));
    assert_eq!(turns(&mut lane, 9), ["C"]);
    assert_eq!(letters(lane.unblock(tenant(1), case(2))), "");
    assert!(lane.tenants.is_empty());
    assert_eq!(lane.len(), 0);
}

#[test]
fn a_tenant_leaves_the_lane_when_its_last_blocked_case_has_got_its_lock() {
    let mut lane = blocked_tenant(Letter::new('a', 1, 1));
    add(&mut lane, Letter::new('b', 1, 1));
    lane.block(Letter::new('c', 1, 2), Instant::now());
    add(&mut lane, Letter::new('d', 1, 3));
    assert_eq!(turns(&mut lane, 2), ["d", "A"]);

    assert_eq!(letters(lane.unblock(tenant(1), case(1))), "");
    assert_eq!(turns(&mut lane, 2), ["b", "C"]);
    add(&mut lane, Letter::new('e', 1, 4));
    assert_eq!(letters(lane.unblock(tenant(1), case(2))), "e");
    assert!(lane.tenants.is_empty());
    assert_eq!(lane.len(), 0);
}

#[test]
fn withdrawn_jobs_are_removed_and_their_case_is_remembered_for_a_while() {
    let (a, b) = (Letter::new('a', 1, 1), Letter::new('b', 1, 1));
    let now = Instant::now();
    let mut lane = blocked(a.clone());
    a.withdraw();
    let (withdrawn, leaving) = lane.tidy(now);
    assert_eq!((letters(withdrawn), letters(leaving)), ("a".to_owned(), String::new()));
    add(&mut lane, b);

    let (withdrawn, leaving) = lane.tidy(now + Duration::from_secs(60));
    assert_eq!((letters(withdrawn), letters(leaving)), (String::new(), "b".to_owned()));
    assert!(lane.tenants.is_empty());
    assert_eq!(lane.len(), 0);
}

#[test]
fn a_turn_tells_how_many_cases_wait() {
    let mut lane = blocked(Letter::new('a', 1, 1));
    lane.block(Letter::new('b', 1, 2), Instant::now());
    lane.block(Letter::new('x', 2, 1), Instant::now());
    for left in [3, 2, 1] {
        assert!(matches!(lane.turn(), Some(Turn::Blocked { cases, .. }) if cases == left));
    }
}

#[test]
fn a_case_with_a_blocked_job_is_not_forgotten() {
    let mut lane = blocked(Letter::new('a', 1, 1));
    lane.tidy(Instant::now() + Duration::from_secs(60));
    assert!(lane.takes(&Letter::new('b', 1, 1)));
    assert_eq!(lane.len(), 1);
}

#[test]
fn few_tenants_are_remembered_without_jobs() {
    let (mut lane, start) = (Lane::new(), Instant::now());
    for id in 1..=1000 {
        let now = start + Duration::from_millis(u64::try_from(id).unwrap());
        lane.block(Letter::new('a', id, 1), now);
        lane.turn();
    }
    assert!(lane.tenants.len() <= MAX_REMEMBERED + 1, "{}", lane.tenants.len());
    assert!(lane.takes(&Letter::new('b', 1000, 1)) && !lane.takes(&Letter::new('b', 1, 1)));
}

#[test]
fn all_jobs_are_drained_and_their_tenants_are_remembered() {
    let mut lane = blocked_tenant(Letter::new('a', 1, 1));
    add(&mut lane, Letter::new('b', 1, 2));
    assert_eq!(letters(lane.drain()), "ab");
    assert_eq!((lane.len(), lane.takes(&Letter::new('c', 1, 9))), (0, true));
}
