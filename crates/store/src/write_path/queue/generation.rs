//! Which workers may take jobs.

/// A generation of workers. Only those of the current one may take jobs; another one replaces all
/// of them at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::write_path) struct Generation(u64);

impl Generation {
    #[cfg(test)]
    pub(super) const FIRST: Self = Self(0);

    /// Returns the generation after this one.
    pub(in crate::write_path) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
