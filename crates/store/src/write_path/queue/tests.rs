//! Tests of the queue.

use super::*;
use crate::{
    queued::tests::{Letter, letters},
    write_path::contended::{Addition, Turn},
};

/// All tests are of the first generation, but for the one about generations.
const FIRST: Generation = Generation::FIRST;

const MOST: Most = Most { jobs: 5, rows: 1000, one_tenant: false };

fn queue(total: usize, per_tenant: usize) -> Queue<Letter> {
    Queue::new(Limits { total, per_tenant })
}

/// A job of a tenant, for its case 1.
fn job(tenant: i64, letter: char) -> Letter {
    Letter::new(letter, tenant, 1)
}

/// Returns the letters of the next work: in brackets if the jobs share no statement.
fn take(queue: &Queue<Letter>, most: usize, one_tenant: bool) -> String {
    match queue.take(FIRST, Most { jobs: most, rows: 1000, one_tenant }) {
        None => String::new(),
        Some(Work::Shared(jobs)) => letters(jobs),
        Some(Work::Repeats(jobs)) => format!("?{}", letters(jobs)),
        Some(Work::Lane(Turn::Untried(jobs))) => format!("({})", letters(jobs)),
        Some(Work::Lane(Turn::Blocked { job, .. })) => format!("[{}]", job.letter),
    }
}

/// Returns the letter of the job that is next in the lane, which is tried again.
fn blocked(queue: &Queue<Letter>) -> Letter {
    match queue.take(FIRST, MOST) {
        Some(Work::Lane(Turn::Blocked { job, .. })) => job,
        other => panic!("{other:?}"),
    }
}

#[test]
fn jobs_of_a_tenant_are_taken_in_order_up_to_the_given_number() {
    let queue = queue(10, 10);
    for letter in "abc".chars() {
        queue.push(job(1, letter)).unwrap();
    }
    assert_eq!(take(&queue, 2, false), "ab");
    assert_eq!(take(&queue, 2, false), "c");
}

#[test]
fn a_job_beyond_a_limit_is_refused_until_another_was_taken() {
    let queue = queue(4, 2);
    queue.push(job(1, 'a')).unwrap();
    queue.push(job(1, 'b')).unwrap();
    assert_eq!(queue.push(job(1, 'c')), Err(Refusal::TenantFull));
    queue.push(job(2, 'd')).unwrap();
    queue.push(job(3, 'e')).unwrap();
    assert_eq!(queue.push(job(4, 'f')), Err(Refusal::Full));
    assert_eq!(take(&queue, 1, false), "a");
    queue.push(job(4, 'g')).unwrap();
    assert_eq!(letters(queue.take_all(FIRST)), "bdeg");
    queue.push(job(1, 'h')).unwrap();
    queue.push(job(1, 'i')).unwrap();
    assert_eq!(queue.push(job(1, 'j')), Err(Refusal::TenantFull));
}

#[test]
fn tenants_that_fill_the_queue_leave_room_for_others() {
    let queue = queue(256, 128);
    let fill = |tenant| (0..300).filter(|_| queue.push(job(tenant, 'f')).is_ok()).count();
    assert_eq!(fill(1), 128);
    assert_eq!(fill(2), 64);
    assert_eq!(fill(3), 32);
    queue.push(job(4, 'q')).unwrap();
    assert!(!queue.is_full());
}

#[test]
fn the_queue_is_full_for_a_tenant_if_it_refuses_the_tenants_next_job() {
    let queue = queue(8, 3);
    for tenant in [1, 1, 1, 2, 2, 2, 3] {
        assert!(!queue.is_full_for(TenantId::new(tenant).unwrap()));
        queue.push(job(tenant, 'f')).unwrap();
    }
    for (tenant, is_full) in [(1, true), (2, true), (3, true), (4, false)] {
        assert_eq!(queue.is_full_for(TenantId::new(tenant).unwrap()), is_full, "{tenant}");
        assert_eq!(queue.push(job(tenant, 'f')).is_err(), is_full, "{tenant}");
    }
    assert!(queue.is_full_for(TenantId::new(5).unwrap()));
}

#[test]
fn the_queue_is_not_full_for_a_tenant_while_the_lane_has_room_or_jobs_that_nobody_waits_for() {
    let queue = queue(3, 2);
    let one = TenantId::new(1).unwrap();
    for tenant in 2..5 {
        queue.push(job(tenant, 'x')).unwrap();
    }
    assert!(queue.is_full_for(one));
    let [a, b] = [job(1, 'a'), job(1, 'b')];
    queue.block(a);
    assert!(!queue.is_full_for(one));
    queue.push(b.clone()).unwrap();
    assert!(queue.is_full_for(one));
    b.withdraw();
    assert!(!queue.is_full_for(one));
}

#[test]
fn with_one_tenant_at_a_time_jobs_of_different_tenants_are_not_taken_together() {
    let queue = queue(10, 10);
    for (id, letter) in [(1, 'a'), (2, 'x'), (1, 'b'), (3, 'y'), (1, 'c')] {
        queue.push(job(id, letter)).unwrap();
    }
    assert_eq!(take(&queue, 2, true), "ab");
    assert_eq!(take(&queue, 5, true), "c");
    assert_eq!(take(&queue, 5, true), "x");
    assert_eq!(take(&queue, 5, true), "y");
}

#[test]
fn a_closed_queue_is_emptied_and_then_ends() {
    let queue = queue(10, 10);
    queue.push(job(1, 'a')).unwrap();
    queue.close();
    assert_eq!(queue.push(job(1, 'b')), Err(Refusal::Closed));
    assert_eq!(take(&queue, 5, false), "a");
    assert_eq!(take(&queue, 5, false), "");
}

#[test]
fn a_requeued_job_comes_first_whatever_the_limits_are() {
    let queue = queue(1, 1);
    queue.push(job(1, 'a')).unwrap();
    queue.close();
    queue.requeue(job(1, 'b'));
    assert_eq!(take(&queue, 5, false), "ba");
    assert_eq!(take(&queue, 5, false), "");
}

#[test]
fn a_push_wakes_a_waiting_worker() {
    let queue = queue(10, 10);
    std::thread::scope(|scope| {
        let taker = scope.spawn(|| take(&queue, 5, false));
        queue.push(job(1, 'a')).unwrap();
        assert_eq!(taker.join().unwrap(), "a");
    });
}

#[test]
fn only_the_current_generation_gets_jobs() {
    let queue = queue(10, 10);
    let first = queue.generation();
    let is_over = |generation| queue.take(generation, MOST).is_none();
    std::thread::scope(|scope| {
        let old = scope.spawn(|| is_over(first));
        let new = scope.spawn(|| queue.take(first.next(), MOST));
        queue.begin(first.next());
        assert!(old.join().unwrap());
        queue.push(job(1, 'a')).unwrap();
        assert!(is_over(first));
        assert!(queue.take_all(first).is_empty());
        assert!(matches!(new.join().unwrap(), Some(Work::Shared(jobs)) if jobs.len() == 1));
    });
}

#[test]
fn a_case_that_waits_for_a_lock_keeps_one_worker_at_most_and_others_share_statements() {
    let queue = queue(10, 10);
    for (tenant, letter) in [(1, 'b'), (2, 'x'), (1, 'c'), (2, 'y')] {
        queue.push(job(tenant, letter)).unwrap();
    }
    assert!(matches!(queue.block(job(1, 'a')), Blocked::Waits { with: Addition::Case }));
    queue.push(job(1, 'd')).unwrap();
    // First those that have waited behind it.
    assert_eq!(take(&queue, 9, false), "xy");

    queue.push(job(2, 'z')).unwrap();
    let tried = blocked(&queue);
    assert_eq!(tried.letter, 'a');
    // Another worker gets the jobs of other cases only.
    assert_eq!(take(&queue, 9, false), "z");
    assert!(matches!(queue.block(tried), Blocked::Waits { with: Addition::None }));
    queue.end_turn(FIRST, Duration::ZERO);

    let tried = blocked(&queue);
    assert_eq!(tried.letter, 'a');
    // It got its lock, and so may the others.
    queue.unblock(tried.tenant(), tried.case());
    queue.end_turn(FIRST, Duration::ZERO);
    assert_eq!(take(&queue, 9, false), "bcd");
}

#[test]
fn other_cases_of_a_tenant_stay_in_the_queue_until_several_wait_for_locks() {
    let queue = queue(20, 20);
    for (case, letter) in [(1, 'b'), (2, 'x'), (3, 'y'), (4, 'z')] {
        queue.push(Letter::new(letter, 1, case)).unwrap();
    }
    queue.block(Letter::new('a', 1, 1));
    assert!(queue.divert(Letter::new('c', 1, 1)).is_none());
    assert!(queue.divert(Letter::new('w', 1, 2)).is_some());
    assert_eq!(take(&queue, 1, false), "x");
    assert_eq!(blocked(&queue).letter, 'a');

    queue.block(Letter::new('y', 1, 3));
    queue.block(Letter::new('z', 1, 4));
    assert!(queue.divert(Letter::new('w', 1, 2)).is_none());
    queue.push(job(2, 'o')).unwrap();
    assert_eq!(take(&queue, 9, false), "o");
}

#[test]
fn after_a_turn_in_the_lane_the_queue_gets_as_much_time() {
    let queue = queue(10, 10);
    queue.block(job(1, 'a'));
    let tried = blocked(&queue);
    queue.push(job(2, 'x')).unwrap();
    queue.block(tried);
    queue.end_turn(FIRST, Duration::from_secs(3600));
    assert_eq!(take(&queue, 9, false), "x");
    queue.push(job(2, 'y')).unwrap();
    assert_eq!(take(&queue, 9, false), "y");
}

#[test]
fn a_worker_waits_for_the_next_turn_in_the_lane() {
    let queue = queue(10, 10);
    queue.block(job(1, 'a'));
    let tried = blocked(&queue);
    queue.block(tried);
    queue.end_turn(FIRST, Duration::from_millis(20));
    assert_eq!(take(&queue, 9, false), "[a]");
}

#[test]
fn the_end_of_a_turn_in_the_lane_wakes_a_waiting_worker() {
    let queue = queue(10, 10);
    queue.block(job(1, 'a'));
    queue.push(job(1, 'b')).unwrap();
    let tried = blocked(&queue);
    std::thread::scope(|scope| {
        let taker = scope.spawn(|| take(&queue, 9, false));
        queue.block(tried);
        queue.end_turn(FIRST, Duration::ZERO);
        assert_eq!(taker.join().unwrap(), "[a]");
    });
}

#[test]
fn a_new_generation_gets_the_lane_although_the_old_one_has_not_returned_it() {
    let queue = queue(10, 10);
    queue.block(job(1, 'a'));
    let tried = blocked(&queue);
    queue.begin(FIRST.next());
    queue.block(tried);
    assert!(matches!(queue.take(FIRST.next(), MOST), Some(Work::Lane(Turn::Blocked { .. }))));
    // What the old worker returns is not the new one's.
    queue.end_turn(FIRST, Duration::ZERO);
    queue.push(job(1, 'b')).unwrap();
    queue.push(job(2, 'x')).unwrap();
    assert!(matches!(queue.take(FIRST.next(), MOST), Some(Work::Shared(_))));
}

#[test]
fn jobs_in_the_lane_count_for_their_tenant_but_take_no_room_from_others() {
    let queue = queue(3, 2);
    queue.block(job(1, 'a'));
    queue.push(job(1, 'b')).unwrap();
    assert_eq!(queue.push(job(1, 'c')), Err(Refusal::TenantFull));
    for tenant in 2..5 {
        assert!(!queue.is_full());
        queue.push(job(tenant, 'x')).unwrap();
    }
    assert!(queue.is_full());
    assert_eq!(queue.push(job(5, 'y')), Err(Refusal::Full));
}

#[test]
fn a_full_lane_refuses_jobs_until_those_that_nobody_waits_for_are_removed() {
    let queue = queue(4, 4);
    let [a, b] = [job(1, 'a'), job(1, 'b')];
    queue.block(a.clone());
    queue.push(b.clone()).unwrap();
    queue.block(job(2, 'x'));
    queue.block(job(3, 'y'));
    assert!(matches!(queue.block(job(4, 'z')), Blocked::Refused(_)));
    assert_eq!(queue.push(job(1, 'c')), Err(Refusal::Full));
    a.withdraw();
    b.withdraw();
    queue.push(job(1, 'd')).unwrap();
    assert_eq!(take(&queue, 9, false), "(d)");
}

#[test]
fn all_jobs_are_taken_from_queue_and_lane() {
    let queue = queue(9, 9);
    queue.block(job(1, 'a'));
    queue.push(job(2, 'x')).unwrap();
    assert_eq!(letters(queue.take_all(FIRST)), "xa");
    // Nothing is counted any more.
    for _ in 0..5 {
        queue.push(job(1, 'b')).unwrap();
    }
    assert_eq!(queue.push(job(1, 'b')), Err(Refusal::TenantFull));
}

#[test]
fn a_closed_queue_ends_when_its_lane_is_empty() {
    let queue = queue(9, 9);
    queue.block(job(1, 'a'));
    queue.close();
    assert_eq!(take(&queue, 9, false), "[a]");
    assert_eq!(take(&queue, 9, false), "");
}

/// They need no lock, so neither a turn nor a pause of the lane keeps them waiting; nor do they keep the queue.
#[test]
fn what_may_be_a_repeat_is_looked_up_at_once_and_in_turn_with_the_queue() {
    let queue = queue(99, 99);
    queue.push(job(1, 'a')).unwrap();
    let Some(Work::Shared(jobs)) = queue.take(FIRST, MOST) else { panic!("a is taken") };
    for job in jobs {
        queue.block(job);
    }
    let first = blocked(&queue);
    for letter in ['b', 'c'] {
        queue.push(job(1, letter).with_key()).unwrap();
        queue.push(job(2, letter.to_ascii_uppercase())).unwrap();
    }
    // The turn of the blocked one goes on.
    assert_eq!(take(&queue, 1, false), "?bc");
    queue.push(job(1, 'd').with_key()).unwrap();
    assert_eq!(take(&queue, 1, false), "B");
    assert_eq!(take(&queue, 1, false), "?d");
    assert_eq!(take(&queue, 1, false), "C");
    // One of them is new.
    queue.wait(job(1, 'b').with_key());
    queue.block(first);
    queue.end_turn(FIRST, Duration::ZERO);
    assert_eq!(take(&queue, 1, false), "[a]");
    queue.end_turn(FIRST, Duration::ZERO);
    assert_eq!(take(&queue, 1, false), "[b]");
    assert_eq!(queue.lengths(), (0, 0));
}

/// Else those that wait for a lock would not be tried for as long as repeats come.
#[test]
fn what_may_be_a_repeat_takes_turns_with_what_waits_for_a_lock() {
    let queue = queue(99, 99);
    queue.push(job(1, 'a')).unwrap();
    let Some(Work::Shared(jobs)) = queue.take(FIRST, MOST) else { panic!("a is taken") };
    for job in jobs {
        queue.block(job);
    }
    for letter in ['b', 'c', 'd'] {
        queue.push(job(1, letter).with_key()).unwrap();
        assert_eq!(take(&queue, 9, false), format!("?{letter}"));
        queue.push(job(1, 'x').with_key()).unwrap();
        let first = blocked(&queue);
        assert_eq!(first.letter, 'a');
        queue.block(first);
        queue.end_turn(FIRST, Duration::ZERO);
        assert_eq!(take(&queue, 9, false), "?x");
        // While another worker has the turn, look-ups don't wait for it.
        let first = blocked(&queue);
        for letter in ['y', 'z'] {
            queue.push(job(1, letter).with_key()).unwrap();
            assert_eq!(take(&queue, 9, false), format!("?{letter}"));
        }
        queue.block(first);
        queue.end_turn(FIRST, Duration::ZERO);
        let first = blocked(&queue);
        queue.block(first);
        queue.end_turn(FIRST, Duration::ZERO);
    }
    assert_eq!(queue.lengths(), (0, 1));
}
