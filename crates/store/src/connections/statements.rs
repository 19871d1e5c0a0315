//! Since when statements have been running.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use diesel::{
    PgConnection,
    connection::{Connection as _, Instrumentation, InstrumentationEvent},
};

/// Since when the statement of a connection has been running; `None` while none is.
type Since = Mutex<Option<Instant>>;

/// The statements that are running on a group of connections. Clones are of the same group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statements {
    connections: Arc<Mutex<Vec<Weak<Since>>>>,
}

impl Statements {
    /// Returns an observer for a new connection of the group.
    pub(super) fn observer(&self) -> Observer {
        let since = Arc::new(Since::default());
        let mut connections = lock(&self.connections);
        connections.retain(|connection| connection.strong_count() > 0);
        connections.push(Arc::downgrade(&since));
        Observer { since }
    }

    /// Runs a query whose statements don't count, on a connection whose others do.
    pub(crate) fn uncounted<T>(
        &self,
        connection: &mut PgConnection,
        query: impl FnOnce(&mut PgConnection) -> T,
    ) -> T {
        connection.set_instrumentation(None::<Observer>);
        let result = query(connection);
        connection.set_instrumentation(self.observer());
        result
    }

    /// Returns how long the statement that was begun first has been running; `None` if none is
    /// running.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        let connections = lock(&self.connections);
        let running = connections.iter().filter_map(|connection| *lock(&*connection.upgrade()?));
        running.min().map(|since| since.elapsed())
    }
}

/// Notes when the statements of a connection begin and end. A statement ends with its result: that
/// of a statement outside of a transaction, or of a COMMIT, comes after the commit.
#[derive(Debug)]
pub(super) struct Observer {
    since: Arc<Since>,
}

impl Observer {
    fn begin(&self) {
        *lock(&self.since) = Some(Instant::now());
    }

    fn end(&self) {
        *lock(&self.since) = None;
    }
}

impl Instrumentation for Observer {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartQuery { .. } => self.begin(),
            InstrumentationEvent::FinishQuery { .. } => self.end(),
            // What else there is does not run statements, or has events for them besides.
            _ => {}
        }
    }
}

/// Locks a value, also if a thread panicked while it had it locked: no update can panic half-way.
fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_statement_is_the_first_one_begun_that_has_no_result_on_an_open_connection() {
        let statements = Statements::default();
        let [one, two] = [statements.observer(), statements.observer()];
        assert_eq!(statements.oldest(), None);

        one.begin();
        let (begun, first) = (Instant::now(), statements.oldest().unwrap());
        two.begin();
        assert!(statements.oldest().unwrap() >= first);

        one.end();
        assert!(statements.oldest().unwrap() <= begun.elapsed());
        drop(two);
        assert_eq!(statements.oldest(), None);
    }
}
