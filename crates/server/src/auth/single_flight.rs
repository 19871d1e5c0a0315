//! One piece of work for all callers that need its result at the same time.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use tracing::Instrument as _;

/// The results to come, by the key of the work.
type Flights<K, V> = Arc<Mutex<HashMap<K, watch::Receiver<Option<V>>>>>;

/// Work that runs once for each key at a time, however many callers need its result.
///
/// It runs in a task of its own, so it doesn't depend on any of them: callers come and go while it
/// runs. Clones share the work.
#[derive(Debug)]
pub(super) struct SingleFlight<K, V> {
    flights: Flights<K, V>,
}

impl<K, V> SingleFlight<K, V>
where
    K: Copy + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(super) fn new() -> Self {
        Self { flights: Flights::default() }
    }

    /// Returns the result of the work that is running for this key; if none is, of `work`, which is
    /// started. `None` if the work panicked.
    pub(super) async fn run(
        &self,
        key: K,
        work: impl Future<Output = V> + Send + 'static,
    ) -> Option<V> {
        let mut result = self.join(key, work);
        let result = result.wait_for(Option::is_some).await.ok()?;
        result.clone()
    }

    fn join(
        &self,
        key: K,
        work: impl Future<Output = V> + Send + 'static,
    ) -> watch::Receiver<Option<V>> {
        let mut flights = lock(&self.flights);
        if let Some(result) = flights.get(&key) {
            return result.clone();
        }
        let (sender, result) = watch::channel(None);
        flights.insert(key, result.clone());
        // A runtime that shuts down drops the task at once, which removes the entry.
        drop(flights);
        let entry = Entry { flights: Arc::clone(&self.flights), key };
        let task = async move {
            let value = work.await;
            // Who comes after the work has ended starts it again.
            drop(entry);
            sender.send_replace(Some(value));
        };
        let task = task.in_current_span();
        // In the trace of the caller who has started it.
        let trace = traces::current();
        match trace.is_recording() {
            true => drop(tokio::spawn(trace.run(task))),
            false => drop(tokio::spawn(task)),
        }
        result
    }
}

impl<K, V> Clone for SingleFlight<K, V> {
    fn clone(&self) -> Self {
        Self { flights: Arc::clone(&self.flights) }
    }
}

/// The entry of a piece of work, which is removed when the work ends, also in a panic.
struct Entry<K: Eq + Hash, V> {
    flights: Flights<K, V>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Entry<K, V> {
    fn drop(&mut self) {
        lock(&self.flights).remove(&self.key);
    }
}

/// Locks the map, also if a thread panicked while it had it locked: no update of it can panic
/// half-way.
fn lock<T>(flights: &Mutex<T>) -> MutexGuard<'_, T> {
    flights.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use tokio::{sync::Semaphore, task::yield_now};
    use traces::{Limits, Root, Sampling, Tracer};

    use super::*;

    #[tokio::test]
    async fn the_work_is_shared_and_goes_on_when_its_callers_have_gone() {
        let flights = SingleFlight::new();
        let (runs, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let call = || {
            let (flights, runs, gate) = (flights.clone(), Arc::clone(&runs), Arc::clone(&gate));
            let work = async move {
                runs.fetch_add(1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                "found"
            };
            tokio::spawn(async move { flights.run(1, work).await })
        };

        let gone = call();
        yield_now().await;
        let waiting = call();
        yield_now().await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        gate.add_permits(1);
        assert_eq!(waiting.await.unwrap(), Some("found"));
        assert_eq!(runs.load(Ordering::SeqCst), 1);

        gate.add_permits(1);
        assert_eq!(call().await.unwrap(), Some("found"));
        assert_eq!(runs.load(Ordering::SeqCst), 2);
        assert!(lock(&flights.flights).is_empty());
    }

    #[test]
    fn work_that_a_runtime_does_not_start_any_more_is_dropped() {
        /// Begins work when it is dropped with its task, as the runtime shuts down.
        struct AtShutdown(SingleFlight<u8, u8>);

        impl Drop for AtShutdown {
            fn drop(&mut self) {
                let mut result = self.0.join(1, async { 7 });
                assert!(result.has_changed().is_err(), "the work was dropped");
                assert_eq!(*result.borrow_and_update(), None);
            }
        }

        let flights = SingleFlight::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let at_shutdown = AtShutdown(flights.clone());
        runtime.spawn(async move {
            let _at_shutdown = at_shutdown;
            std::future::pending::<()>().await;
        });
        drop(runtime);
        assert!(lock(&flights.flights).is_empty());
    }

    #[tokio::test]
    async fn the_work_is_in_the_trace_of_the_caller_who_started_it() {
        let sampling = Sampling { is_parent_based: true, root: Root::Always };
        let limits = Limits { queue: 9, batch: 9, delay: Duration::from_secs(3600) };
        let (tracer, _ended) = Tracer::new(sampling, limits);
        let (context, span) = tracer.serve(None, || None, "call").unwrap();
        let flights = SingleFlight::new();
        let work = || async { traces::current().context() };
        assert_eq!(span.run(flights.run(1, work())).await, Some(Some(context)));
        assert_eq!(flights.run(1, work()).await, Some(None));
    }

    #[tokio::test]
    async fn a_panic_costs_those_that_wait_and_the_next_caller_starts_the_work_again() {
        let flights = SingleFlight::new();
        assert_eq!(flights.run(1, async { panic!("a defect") }).await, None::<u8>);
        assert_eq!(flights.run(1, async { 7 }).await, Some(7));
    }
}
