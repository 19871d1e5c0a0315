//! When no fault has an effect.

use super::analysis::Point;

/// The length of a window, in seconds.
pub(crate) const WINDOW: f64 = 5.0;

/// How long before a fault calls begin that may still be under way then, in seconds.
const BEFORE: f64 = 5.0;

/// How long after a repair calls may still wait for others, in seconds.
const AFTER: f64 = 12.0;

/// A fault, and when everything worked again, in seconds since the beginning.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) what: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

/// Returns whether no fault has an effect in the window that begins at a time.
pub(crate) fn is_faultless(window: f64, faults: &[Fault]) -> bool {
    !faults.iter().any(|fault| window + WINDOW > fault.from - BEFORE && window < fault.to + AFTER)
}

/// Returns the points of windows in which no fault has an effect.
pub(crate) fn without_faults(points: &[Point], faults: &[Fault]) -> Vec<Point> {
    points.iter().copied().filter(|(window, _)| is_faultless(*window, faults)).collect()
}
