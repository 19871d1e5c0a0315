//! What "flat" means, in numbers. Nothing here knows where the figures come from.

/// The least time, in seconds, that a process must have lived, or calls must have been made, before growth is
/// judged: before that, caches and pools still fill.
pub(crate) const LEAST_SECONDS: f64 = 600.0;

/// The least number of values that a part of a series must have.
const LEAST_VALUES: usize = 6;

/// The least part of the samples of a process that each of its series must have: it may be silent for moments.
const LEAST_SAMPLED: f64 = 0.8;

/// How much longer calls may take in the last third of a run than in the first.
pub(crate) const MOST_SLOWDOWN: f64 = 1.5;

/// A figure at a time, in seconds.
pub(crate) type Point = (f64, f64);

/// How much of something may be added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Allowance {
    /// The most that the last quarter may have, as a multiple of what the second one has.
    pub(crate) ratio: f64,
    /// What it may have in addition: what a few calls more or less make.
    pub(crate) extra: f64,
}

/// What a process had in the second quarter of its life and in the last one, as medians.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Growth {
    pub(crate) before: f64,
    pub(crate) after: f64,
    /// The slope after the first quarter (Theil–Sen: the median of the slopes between all pairs of points).
    pub(crate) per_hour: f64,
    pub(crate) is_flat: bool,
}

/// The time that calls took in the first third of a run and in the last one, as medians over windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Drift {
    pub(crate) before: f64,
    pub(crate) after: f64,
    pub(crate) is_flat: bool,
}

/// Returns the growth of a series; `None` if it is too short to tell. The first quarter is left out, in which
/// a process gets to its steady state.
pub(crate) fn growth(points: &[Point], allowance: Allowance) -> Option<Growth> {
    let second = part(points, 0.25, 0.5)?;
    let last = part(points, 0.75, 1.0)?;
    let (before, after) = (median(values(second))?, median(values(last))?);
    let is_flat = after <= before * allowance.ratio + allowance.extra;
    let per_hour = slope(part(points, 0.25, 1.0)?)? * 3600.0;
    Some(Growth { before, after, per_hour, is_flat })
}

/// Returns whether a series tells whether something grows, as another one of the same process does: it was sampled nearly
/// as often.
pub(crate) fn is_judged(points: &[Point], allowance: Allowance, other: &[Point]) -> bool {
    let is_complete = points.len() as f64 >= LEAST_SAMPLED * other.len() as f64;
    is_complete && growth(points, allowance).is_some()
}

/// Returns how the time of calls has changed, given that of windows without faults; `None` if there are too
/// few.
pub(crate) fn drift(points: &[Point]) -> Option<Drift> {
    let before = median(values(part(points, 0.0, 1.0 / 3.0)?))?;
    let after = median(values(part(points, 2.0 / 3.0, 1.0)?))?;
    Some(Drift { before, after, is_flat: after <= before * MOST_SLOWDOWN })
}

/// Returns the points between two fractions of the time from the first point to the last; `None` if there are
/// too few of them, or if that time is too short.
fn part(points: &[Point], from: f64, to: f64) -> Option<&[Point]> {
    let (first, last) = (points.first()?.0, points.last()?.0);
    let length = last - first;
    let index = |fraction: f64| points.partition_point(|(at, _)| *at < first + length * fraction);
    let end = if to < 1.0 { index(to) } else { points.len() };
    let part = &points[index(from)..end];
    (length >= LEAST_SECONDS && part.len() >= LEAST_VALUES).then_some(part)
}

fn values(points: &[Point]) -> Vec<f64> {
    points.iter().map(|(_, value)| *value).collect()
}

/// Returns the median; `None` of no values.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

/// Returns the median of the slopes between all pairs of points, a second.
fn slope(points: &[Point]) -> Option<f64> {
    let mut slopes = Vec::new();
    for (index, (at, value)) in points.iter().enumerate() {
        let later = points[index + 1..].iter().filter(|(other, _)| other > at);
        slopes.extend(later.map(|(other, next)| (next - value) / (other - at)));
    }
    median(slopes)
}
