//! How the soak tells flat figures from growing ones, on made-up series.

#[path = "../soak/analysis.rs"]
mod analysis;
#[path = "../soak/exposition.rs"]
mod exposition;
#[path = "../soak/faultless.rs"]
mod faultless;
#[path = "../soak/kind.rs"]
mod kind;
#[path = "../soak/retry_budget.rs"]
mod retry_budget;
#[path = "../soak/section.rs"]
mod section;

use crate::soak::{
    analysis::{Allowance, LEAST_SECONDS, Point, drift, growth, is_judged},
    faultless::{Fault, is_faultless, without_faults},
    kind::Kind,
    retry_budget::RetryBudget,
};

const ALLOWANCE: Allowance = Allowance { ratio: 1.1, extra: 1.0 };
const HALF_AN_HOUR: f64 = 1800.0;

/// Returns a value every five seconds: what `value` makes of the time, and noise of this amplitude, which is
/// the same each time.
fn series(seconds: f64, noise: f64, value: impl Fn(f64) -> f64) -> Vec<Point> {
    let mut state = 1_u64;
    let mut points = Vec::new();
    let mut at = 0.0;
    while at <= seconds {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let random = f64::from(u32::try_from(state >> 33).unwrap()) / f64::from(u32::MAX >> 1);
        points.push((at, value(at) + noise * (2.0 * random - 1.0)));
        at += 5.0;
    }
    points
}

#[test]
fn a_flat_noisy_series_is_flat() {
    let growth = growth(&series(HALF_AN_HOUR, 6.0, |_| 30.0), ALLOWANCE).unwrap();
    assert!(growth.is_flat, "{growth:?}");
    assert!(growth.per_hour.abs() < 8.0, "{growth:?}");
}

#[test]
fn a_leaking_series_is_not() {
    let leak = series(HALF_AN_HOUR, 3.0, |at| 30.0 + 30.0 * at / 3600.0);
    let growth = growth(&leak, ALLOWANCE).unwrap();
    assert!(!growth.is_flat, "{growth:?}");
    assert!((growth.per_hour - 30.0).abs() < 4.0, "{growth:?}");
}

#[test]
fn what_a_process_takes_to_warm_up_is_no_growth() {
    let warm = series(HALF_AN_HOUR, 1.0, |at| 30.0 - 20.0 * (-at / 100.0).exp());
    assert!(growth(&warm, ALLOWANCE).unwrap().is_flat);
}

#[test]
fn single_peaks_are_no_growth() {
    let peaks = series(HALF_AN_HOUR, 1.0, |at| if at % 60.0 < 15.0 { 300.0 } else { 30.0 });
    assert!(growth(&peaks, ALLOWANCE).unwrap().is_flat);
}

#[test]
fn a_step_that_stays_is_growth() {
    let step = series(HALF_AN_HOUR, 1.0, |at| if at > 1000.0 { 36.0 } else { 30.0 });
    assert!(!growth(&step, ALLOWANCE).unwrap().is_flat);
}

#[test]
fn a_few_more_of_few_are_no_growth() {
    let few = series(HALF_AN_HOUR, 0.0, |at| if at > 1000.0 { 1.0 } else { 0.0 });
    assert!(growth(&few, ALLOWANCE).unwrap().is_flat);
}

#[test]
fn short_series_are_not_judged() {
    let short = series(LEAST_SECONDS - 5.0, 1.0, |at| at);
    assert_eq!(growth(&short, ALLOWANCE), None);
    assert_eq!(drift(&short), None);
    assert_eq!(growth(&[], ALLOWANCE), None);
    // Long enough, but with hardly a value in its quarters.
    let sparse: Vec<_> = series(HALF_AN_HOUR, 1.0, |at| at).into_iter().step_by(60).collect();
    assert_eq!(growth(&sparse, ALLOWANCE), None);
}

/// As one whose metric has another name now, or whose process does not answer any more.
#[test]
fn a_series_that_lacks_samples_is_not_judged() {
    let all = series(HALF_AN_HOUR, 1.0, |at| at);
    assert!(is_judged(&all, ALLOWANCE, &all));
    assert!(is_judged(&all[all.len() / 10..], ALLOWANCE, &all));
    assert!(!is_judged(&[], ALLOWANCE, &all));
    assert!(growth(&all[..all.len() / 2], ALLOWANCE).is_some());
    assert!(!is_judged(&all[..all.len() / 2], ALLOWANCE, &all));
    let sparse: Vec<_> = all.iter().copied().step_by(2).collect();
    assert!(!is_judged(&sparse, ALLOWANCE, &all));
    let short = series(LEAST_SECONDS - 5.0, 1.0, |at| at);
    assert!(!is_judged(&short, ALLOWANCE, &short));
}

#[test]
fn calls_that_take_as_long_as_before_have_not_drifted() {
    let drift = drift(&series(HALF_AN_HOUR, 15.0, |_| 30.0)).unwrap();
    assert!(drift.is_flat, "{drift:?}");
}

#[test]
fn calls_that_take_ever_longer_have() {
    let drift = drift(&series(HALF_AN_HOUR, 5.0, |at| 20.0 + 30.0 * at / HALF_AN_HOUR)).unwrap();
    assert!(!drift.is_flat, "{drift:?}");
}

#[test]
fn windows_around_faults_are_left_out() {
    let fault = Fault { what: "a fault".to_owned(), from: 100.0, to: 103.0 };
    let faults = [fault];
    for (window, expected) in
        [(85.0, true), (90.0, true), (95.0, false), (100.0, false), (110.0, false), (115.0, true)]
    {
        assert_eq!(is_faultless(window, &faults), expected, "the window at {window}");
    }
    let points = [(85.0, 1.0), (100.0, 2.0), (120.0, 3.0)];
    assert_eq!(without_faults(&points, &faults), [(85.0, 1.0), (120.0, 3.0)]);
}

#[test]
fn values_of_metrics_are_summed_over_their_labels() {
    let text = "# TYPE caseload_connections gauge\n\
        caseload_connections{listener=\"grpc\"} 3\n\
        caseload_connections{listener=\"rest\"} 4.5 # {trace_id=\"1\"} 1.0\n\
        caseload_connections_limit 9\n\
        caseload_write_waiting_batches{place=\"queue\"} 2\n\
        caseload_write_waiting_batches{place=\"lane\"} 1\n# EOF\n";
    assert_eq!(exposition::sum(text, "caseload_connections"), Some(7.5));
    assert_eq!(exposition::sum(text, "caseload_write_waiting_batches"), Some(3.0));
    assert_eq!(exposition::sum(text, "caseload_streams"), None);
}

#[test]
fn the_page_has_the_mix() {
    let page = include_str!("../../../../docs/SOAK.md");
    for kind in Kind::all() {
        let protocols = if kind.has_rest() { "gRPC, REST" } else { "gRPC" };
        let row = format!("| {} | {} | {protocols} |", kind.name(), kind.weight());
        assert!(page.contains(&row), "docs/SOAK.md lacks: {row}");
    }
    let total: usize = Kind::all().map(Kind::weight).sum();
    assert_eq!(total, Kind::numbers());
    let drawn: Vec<_> = (0..Kind::numbers()).map(Kind::of).collect();
    for kind in Kind::all() {
        let count = drawn.iter().filter(|drawn| **drawn == kind).count();
        assert_eq!(count, kind.weight(), "{kind:?}");
    }
}

#[test]
fn a_section_of_a_page_is_replaced() {
    let page = "before\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nafter\n";
    let replaced = section::replaced(page, "new\n").unwrap();
    let expected = "before\n<!-- figures: begin -->\n\nnew\n\n<!-- figures: end -->\nafter\n";
    assert_eq!(replaced, expected);
    assert_eq!(section::replaced(&replaced, "new\n").as_deref(), Some(expected));
    assert_eq!(section::replaced("no such section", "new"), None);
}

#[test]
fn callers_repeat_little_while_most_attempts_fail_and_as_before_once_they_succeed() {
    let budget = RetryBudget::full();
    let repeats = (0..2000).filter(|_| budget.pay()).count();
    assert_eq!(repeats, 499);
    // Nine of ten succeed, which earns less than one failure costs.
    let mut repeated = 0;
    for _ in 0..1000 {
        (0..9).for_each(|_| budget.earn());
        repeated += usize::from(budget.pay());
    }
    assert_eq!(repeated, 0);
    (0..5011).for_each(|_| budget.earn());
    assert!(budget.pay());
}
