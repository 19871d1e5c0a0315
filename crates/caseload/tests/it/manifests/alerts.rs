//! The alerts, as the Prometheus operator takes them.

use std::{fs, process::Command};

use serde_json::Value;

use super::rendered;

/// Returns the only document of a text.
fn document(text: &str) -> Value {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    let [document] = &documents[..] else { panic!("one document: {text}") };
    document.clone()
}

#[test]
fn the_resource_has_the_rules_and_is_where_the_metrics_are() {
    let output = Command::new(rendered::directory().join("prometheus-rule.sh")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let resource = document(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(resource["kind"], "PrometheusRule");
    let rules = rendered::directory().join("../prometheus/rules.yaml");
    assert_eq!(resource["spec"], document(&fs::read_to_string(rules).unwrap()));
    for overlay in rendered::overlays() {
        let monitor = overlay.named("ServiceMonitor", "caseload");
        assert_eq!(resource["apiVersion"], monitor["apiVersion"], "{}", overlay.name);
        let (resource, monitor) = (&resource["metadata"], &monitor["metadata"]);
        assert_eq!(resource["namespace"], monitor["namespace"], "{}", overlay.name);
        assert_eq!(resource["labels"], monitor["labels"], "{}", overlay.name);
    }
}
