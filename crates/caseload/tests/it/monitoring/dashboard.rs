//! The dashboard and the rules show data: everything that they name is there.

use std::collections::BTreeSet;

use serde_json::Value;
use tonic::Code;

use super::{
    certificates::Certificates,
    promql::{self, Matcher, Selector},
    read,
    rules::rules,
    scrape::{Sample, Scrape},
};

/// The labels that Prometheus itself adds.
const OF_PROMETHEUS: [&str; 2] = ["instance", "job"];

/// The metric that Prometheus itself makes.
const UP: &str = "up";

/// Returns each expression of the dashboard, with the title of its panel.
fn dashboard() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/caseload.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let panels = panels.iter().filter(|panel| panel["type"] != "row");
    let targets = panels.flat_map(|panel| {
        let title = panel["title"].as_str().unwrap();
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}");
        targets
            .iter()
            .map(move |target| (title.to_owned(), target["expr"].as_str().unwrap().to_owned()))
    });
    targets.collect()
}

/// Returns the names of the scrape jobs.
fn jobs() -> BTreeSet<String> {
    let scrape = read("deploy/prometheus/scrape.yaml");
    let names = scrape.lines().filter_map(|line| line.trim().strip_prefix("- job_name: "));
    names.map(str::to_owned).collect()
}

/// Returns the values that a label may have: those of the samples, and all codes and statuses, as what fails is not
/// there from the beginning.
fn values(label: &str, samples: &[&Sample]) -> BTreeSet<String> {
    let found = samples.iter().filter_map(|sample| sample.labels.get(label).cloned());
    match label {
        "status" => (100..600).map(|status| status.to_string()).collect(),
        "grpc_code" => {
            // gRPC's other libraries write one of them in another way.
            let name = |code| format!("{:?}", Code::from(code)).replace("Cancelled", "Canceled");
            (0..=16).map(name).chain(found).collect()
        }
        _ => found.collect(),
    }
}

/// Returns each pattern that matches none of these values: it selects nothing, ever.
fn unknown_values(
    label: &str,
    matcher: &Matcher,
    values: &BTreeSet<String>,
) -> impl Iterator<Item = String> {
    let patterns: &[String] = if matcher.is_variable() { &[][..] } else { &matcher.patterns };
    patterns
        .iter()
        .filter(move |pattern| !values.iter().any(|value| promql::matches(pattern, value)))
        .map(move |pattern| format!("{label} is never {pattern:?}"))
}

/// Returns what is wrong with an expression.
fn faults(expression: &str, scrape: &Scrape, recorded: &BTreeSet<String>) -> Vec<String> {
    let named = promql::read(expression);
    let mut faults = Vec::new();
    if named.selectors.is_empty() {
        faults.push("it names no metric".to_owned());
    }
    let mut known: BTreeSet<&str> = OF_PROMETHEUS.into_iter().collect();
    for Selector { metric, labels } in &named.selectors {
        for (_, matcher) in labels.iter().filter(|(label, _)| label == "job") {
            faults.extend(unknown_values("job", matcher, &jobs()));
        }
        if recorded.contains(metric) || metric == UP {
            continue;
        }
        let samples: Vec<&Sample> =
            scrape.samples().filter(|sample| sample.name == *metric).collect();
        known.extend(samples.iter().flat_map(|sample| sample.labels.keys().map(String::as_str)));
        let is_selected = |sample: &&&Sample| {
            labels.iter().all(|(label, matcher)| {
                let is_of_prometheus = OF_PROMETHEUS.contains(&label.as_str());
                let found = sample.labels.get(label);
                // A request that fails on time is not always among those that were made.
                let may_be_absent = label == "status";
                is_of_prometheus || found.is_some_and(|it| may_be_absent || matcher.selects(it))
            })
        };
        if !samples.iter().any(|sample| is_selected(&sample)) {
            faults.push(format!("nothing is selected by {metric} with {labels:?}"));
        }
        for (label, matcher) in labels {
            if !OF_PROMETHEUS.contains(&label.as_str()) {
                faults.extend(unknown_values(label, matcher, &values(label, &samples)));
            }
        }
    }
    let unknown = named.groups.iter().filter(|label| !known.contains(label.as_str()));
    // A recorded metric has the labels of its expression, which is checked by itself.
    if !named.selectors.iter().any(|selector| recorded.contains(&selector.metric)) {
        faults.extend(unknown.map(|label| format!("no metric has the label {label}")));
    }
    faults
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_dashboard_and_the_rules_name_is_there_under_load() {
    let certificates = Certificates::create();
    let installation = certificates.start(&[]).await;
    installation.work().await;
    let mut scrape = installation.server.scrape().await;
    scrape.merge(installation.gateway.scrape().await);

    let rules = rules();
    let recorded: BTreeSet<String> =
        rules.iter().filter(|rule| !rule.is_alert).map(|rule| rule.name.clone()).collect();
    let of_rules = rules.into_iter().map(|rule| (rule.name, rule.expression));
    let mut wrong = Vec::new();
    for (name, expression) in dashboard().into_iter().chain(of_rules) {
        for fault in faults(&expression, &scrape, &recorded) {
            wrong.push(format!("{name}: {fault}\n  {expression}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_recorded_metric_is_used() {
    let rules = rules();
    let mut used: BTreeSet<String> = BTreeSet::new();
    let expressions = rules.iter().map(|rule| rule.expression.clone());
    for expression in expressions.chain(dashboard().into_iter().map(|(_, it)| it)) {
        used.extend(promql::read(&expression).selectors.into_iter().map(|it| it.metric));
    }
    let unused: Vec<&str> = rules
        .iter()
        .filter(|rule| !rule.is_alert && !used.contains(&rule.name))
        .map(|rule| rule.name.as_str())
        .collect();
    // By method and code, for those who ask by hand.
    assert_eq!(unused, ["caseload:grpc_calls:rate5m", "caseload:http_duration_seconds:p99_5m"]);
}

#[test]
fn a_name_that_is_not_there_is_found() {
    let text = "# HELP a A.\n# TYPE a counter\na_total{b=\"c\"} 1\n# EOF\n";
    let (scrape, recorded) = (Scrape::parse(text), BTreeSet::new());
    let faults = |expression| faults(expression, &scrape, &recorded).len();
    assert_eq!(faults(r#"sum by (b, job) (rate(a_total{b="c",job=~"caseload"}[5m]))"#), 0);
    assert_eq!(faults(r#"a_total{b=~"c|.",job=~"$job",instance=~"any"}"#), 0);
    assert_eq!(faults("rate(b_total[5m])"), 1);
    // The label, and its value.
    assert_eq!(faults(r#"a_total{d="c"}"#), 2);
    // What is selected, and the value.
    assert_eq!(faults(r#"a_total{b="d"}"#), 2);
    assert_eq!(faults(r#"a_total{b!="d"}"#), 1);
    assert_eq!(faults(r#"a_total{b=~"c|d"}"#), 1);
    assert_eq!(faults(r#"a_total{b=~"c|d.*"}"#), 1);
    assert_eq!(faults(r#"a_total{job=~"caseload|casel"}"#), 1);
    assert_eq!(faults(r#"up{job=~"casel"}"#), 1);
    assert_eq!(faults("sum by (d) (a_total)"), 1);
    assert_eq!(faults("1 + 1"), 1);
}
