//! What a worker does in the lane at a time.

/// The jobs of a turn.
#[derive(Debug)]
pub(in crate::write_path) enum Turn<T> {
    /// Jobs that may need no lock that is held: to be tried one by one, each for a moment only.
    Untried(Vec<T>),
    /// A job that has waited for a lock before, or whose case was the case of one.
    Blocked {
        job: T,
        /// How many cases wait for such turns, those of all tenants and this one included.
        cases: usize,
    },
}
