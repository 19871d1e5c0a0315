//! The dashboard and the rules show data: everything that they name is there.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    installation::Installation,
    promql::{self, Selector},
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

/// Returns what is wrong with an expression.
fn faults(expression: &str, scrape: &Scrape, recorded: &BTreeSet<String>) -> Vec<String> {
    let named = promql::read(expression);
    let mut faults = Vec::new();
    if named.selectors.is_empty() {
        faults.push("it names no metric".to_owned());
    }
    let mut known: BTreeSet<&str> = OF_PROMETHEUS.into_iter().collect();
    for Selector { metric, labels } in &named.selectors {
        if recorded.contains(metric) || metric == UP {
            continue;
        }
        let samples: Vec<&Sample> =
            scrape.samples().filter(|sample| sample.name == *metric).collect();
        known.extend(samples.iter().flat_map(|sample| sample.labels.keys().map(String::as_str)));
        let is_selected = |sample: &&&Sample| {
            labels.iter().all(|(label, value)| {
                let is_of_prometheus = OF_PROMETHEUS.contains(&label.as_str());
                let found = sample.labels.get(label);
                is_of_prometheus || found.is_some_and(|it| value.as_ref().is_none_or(|v| v == it))
            })
        };
        if !samples.iter().any(|sample| is_selected(&sample)) {
            faults.push(format!("nothing is selected by {metric} with {labels:?}"));
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
    let installation = Installation::start(&[], &[]).await;
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
    assert_eq!(faults(r#"sum by (b, job) (rate(a_total{b="c",job=~"x"}[5m]))"#), 0);
    assert_eq!(faults("rate(b_total[5m])"), 1);
    assert_eq!(faults(r#"a_total{d="c"}"#), 1);
    assert_eq!(faults(r#"a_total{b="d"}"#), 1);
    assert_eq!(faults("sum by (d) (a_total)"), 1);
    assert_eq!(faults("1 + 1"), 1);
}
