//! What an attack has done, so that a case whose attack did nothing is not taken for one that was withstood.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::figures::Figures;

/// Counts one kind of effect of an attack. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    /// What is counted, in the plural.
    name: &'static str,
    count: Arc<AtomicUsize>,
}

impl Effect {
    /// Returns a counter of effects with this name.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, count: Arc::default() }
    }

    /// Counts one.
    pub(crate) fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns whether so many were counted.
    pub(crate) fn is(&self, least: usize) -> bool {
        self.count.load(Ordering::Relaxed) >= least
    }

    /// Adds the count to the figures of the case. It is a defect of the attack if it is less than this.
    pub(crate) fn require(&self, least: usize, figures: &mut Figures) {
        let (name, count) = (self.name, self.count.load(Ordering::Relaxed));
        if count < least {
            figures.defect(format!("the attack did too little: {count} {name}, not {least}"));
        } else {
            figures.note(format!("{name}: {count}"));
        }
    }
}
