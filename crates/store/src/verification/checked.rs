//! What checks have found.

/// The most faults of a check that are described.
pub(super) const EXAMPLES: usize = 20;

/// What was found by one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The name of the check: what is as it should be, if there are no faults.
    pub check: String,
    /// How many rows, or other things, were checked.
    pub count: u64,
    /// How many faults there are.
    pub faults: u64,
    /// What is wrong, for the first 20 faults.
    pub examples: Vec<String>,
}

impl Checked {
    pub(super) fn new(check: impl Into<String>) -> Self {
        Self { check: check.into(), count: 0, faults: 0, examples: Vec::new() }
    }

    /// Returns the result of a check of some things, with all faults.
    pub(super) fn of(check: impl Into<String>, count: usize, faults: Vec<String>) -> Self {
        let mut checked = Self::new(check);
        checked.add(count as u64, faults.len() as u64, faults);
        checked
    }

    /// Adds what was found in further rows.
    pub(super) fn add(&mut self, count: u64, faults: u64, examples: Vec<String>) {
        self.count += count;
        self.faults += faults;
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(examples.into_iter().take(room));
    }
}
