//! Which traces are recorded.

use crate::context::{Context, TraceId};

/// Decides which traces are recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Whether a request whose caller has a trace is recorded exactly if the caller says that it is sampled.
    pub is_parent_based: bool,
    /// What is decided otherwise.
    pub root: Root,
}

/// Decides about a trace without regard to the caller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Root {
    /// Every trace is recorded.
    Always,
    /// None is.
    Never,
    /// A part of them is, by their ids.
    Some(Ratio),
}

/// A part of all traces, by their ids: every program that records the same part, or a larger one, records these.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// Of the numbers below 2^63, those below this one are in the part.
    bound: u64,
}

impl Ratio {
    /// All traces.
    pub const ALL: Self = Self { bound: 1 << 63 };

    /// Returns this part; `None` unless it is from 0 to 1.
    #[must_use]
    pub fn new(ratio: f64) -> Option<Self> {
        // A float that large is converted to the largest number that fits, which is what is meant.
        let bound = (ratio * (1_u64 << 63) as f64) as u64;
        (0.0..=1.0).contains(&ratio).then_some(Self { bound })
    }

    fn contains(self, trace: TraceId) -> bool {
        trace.low() >> 1 < self.bound
    }
}

impl Sampling {
    /// Whether a trace is recorded, of which the caller has the context `parent`.
    pub(crate) fn samples(&self, parent: Option<&Context>, trace: TraceId) -> bool {
        match (parent, self.root) {
            (Some(parent), _) if self.is_parent_based => parent.is_sampled,
            (_, Root::Always) => true,
            (_, Root::Never) => false,
            (_, Root::Some(ratio)) => ratio.contains(trace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Ids;

    fn parent(is_sampled: bool) -> Context {
        let ids = Ids::new();
        Context { trace: ids.trace(), span: ids.span(), is_sampled }
    }

    #[test]
    fn a_caller_decides_where_its_decision_counts() {
        for (is_parent_based, root, sampled, unsampled, none) in [
            (true, Root::Always, true, false, true),
            (true, Root::Never, true, false, false),
            (false, Root::Always, true, true, true),
            (false, Root::Never, false, false, false),
        ] {
            let sampling = Sampling { is_parent_based, root };
            let samples =
                |parent: Option<Context>| sampling.samples(parent.as_ref(), Ids::new().trace());
            let decisions = [Some(parent(true)), Some(parent(false)), None].map(samples);
            assert_eq!(decisions, [sampled, unsampled, none], "{sampling:?}");
        }
    }

    #[test]
    fn a_ratio_takes_its_part_of_the_traces_and_a_smaller_one_a_part_of_these() {
        let ids = Ids::new();
        let taken = |ratio: f64, trace| Ratio::new(ratio).unwrap().contains(trace);
        let traces: Vec<_> = (0..10_000).map(|_| ids.trace()).collect();
        for (ratio, range) in [(0.0, 0..=0), (0.25, 2_300..=2_700), (1.0, 10_000..=10_000)] {
            let count = traces.iter().filter(|trace| taken(ratio, **trace)).count();
            assert!(range.contains(&count), "{ratio}: {count}");
        }
        assert!(traces.iter().all(|trace| !taken(0.1, *trace) || taken(0.2, *trace)));
        for invalid in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Ratio::new(invalid), None, "{invalid}");
        }
    }
}
