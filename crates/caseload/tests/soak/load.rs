//! The load: as many calls as the system takes, and then a share of that on a schedule.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::Semaphore,
    task::{JoinSet, spawn},
    time::{sleep, sleep_until},
};

use crate::{
    call::Call,
    caller::Callers,
    knowledge::{FED_CASES, PEOPLE},
    random::Random,
};

/// The callers of the closed loops.
const CALLERS: usize = 64;

/// The most calls at a time on the schedule. Those beyond it fail at once, so that an outage does not fill
/// the memory of the test.
const MOST_AT_ONCE: usize = 20_000;

/// Why a call was not made.
const NOT_MADE: &str = "not made: too many calls were waiting";

/// How many fed users or cases are in a request.
const FED: usize = 50;

/// Feeds users and cases, and creates as many tasks as are kept.
pub(crate) async fn fill(callers: &Arc<Callers>, seed: u64) {
    for tenant in &callers.knowledge.tenants {
        let all = |count: usize| {
            (0..count).step_by(FED).map(|first| (first..first + FED).collect::<Vec<_>>())
        };
        let mut calls: Vec<Call> = all(PEOPLE).map(Call::BatchUpsertUsers).collect();
        calls.extend(all(FED_CASES).map(Call::BatchUpsertCases));
        for call in calls {
            callers.make(tenant, call, Random::new(seed, 1)).await.unwrap();
        }
    }
    let mut running = JoinSet::new();
    for number in 0..CALLERS {
        let callers = Arc::clone(callers);
        let mut random = Random::new(seed, stream(number) + 1000);
        let tenant =
            Arc::clone(&callers.knowledge.tenants[number % callers.knowledge.tenants.len()]);
        running.spawn(async move {
            while tenant.kept() < callers.knowledge.kept {
                let batch = callers.knowledge.batch(&tenant, &mut random);
                let call = Call::BatchCreateTasks(batch, random.one_in(2));
                let _ = callers.make(&tenant, call, fork(&mut random)).await;
            }
        });
    }
    running.join_all().await;
}

/// Returns how many calls a second the system answers, if each caller makes its next call once the last one
/// was answered.
pub(crate) async fn highest_rate(callers: &Arc<Callers>, duration: Duration, seed: u64) -> f64 {
    let answered = Arc::new(AtomicU64::new(0));
    // The first part warms up what is slow at first.
    let start = Instant::now() + duration / 5;
    let end = start + duration;
    let mut running = JoinSet::new();
    for number in 0..CALLERS {
        let (callers, answered) = (Arc::clone(callers), Arc::clone(&answered));
        let mut random = Random::new(seed, stream(number) + 2000);
        running.spawn(async move {
            while Instant::now() < end {
                let (tenant, call) = callers.knowledge.next(&mut random);
                let result = callers.make(&tenant, call, fork(&mut random)).await;
                let now = Instant::now();
                if result.is_ok() && now >= start && now < end {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    running.join_all().await;
    answered.load(Ordering::Relaxed) as f64 / duration.as_secs_f64()
}

/// Makes calls from `start` to `end`, so many a second on average, at random times. When a call is due depends on
/// no other one, and it counts from then on. Returns once all were answered or given up. Ends early once it is
/// told to.
pub(crate) async fn run(
    callers: &Arc<Callers>,
    rate: f64,
    (start, end): (Instant, Instant),
    ended: &AtomicBool,
    seed: u64,
) {
    let places = Arc::new(Semaphore::new(MOST_AT_ONCE));
    let mut random = Random::new(seed, 3000);
    let mut due = start;
    loop {
        due += pause(rate, &mut random);
        if due >= end || ended.load(Ordering::Relaxed) {
            break;
        }
        if due > Instant::now() {
            sleep_until(due.into()).await;
        }
        let (tenant, call) = callers.knowledge.next(&mut random);
        let kind = call.kind();
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            if let Some(tasks) = call.deletes() {
                tenant.take_back(tasks);
            }
            callers.recorder.record(kind, due, Err(NOT_MADE.to_owned()));
            continue;
        };
        let (callers, random) = (Arc::clone(callers), fork(&mut random));
        spawn(async move {
            let result = callers.make(&tenant, call, random).await;
            callers.recorder.record(kind, due, result);
            drop(place);
        });
    }
    while places.available_permits() < MOST_AT_ONCE {
        sleep(Duration::from_millis(20)).await;
    }
}

/// Returns the time between two calls, by chance: the exponential distribution.
fn pause(rate: f64, random: &mut Random) -> Duration {
    const STEPS: usize = 1 << 30;
    let uniform = (random.below(STEPS) + 1) as f64 / STEPS as f64;
    Duration::from_secs_f64(-uniform.ln() / rate)
}

fn fork(random: &mut Random) -> Random {
    Random::new(stream(random.below(1 << 30)), 0)
}

fn stream(number: usize) -> u64 {
    u64::try_from(number).unwrap()
}
