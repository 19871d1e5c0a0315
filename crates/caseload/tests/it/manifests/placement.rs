//! How many pods there are, and where.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use super::{
    options,
    rendered::{self, Rendered, items, number, text},
};

/// What a tenant alone may have in flight while a server is late, and a client address while a gateway is: a half and a
/// quarter of 128.
const LEAST_OF_A_TENANT: u64 = 64;
const LEAST_OF_AN_ADDRESS: u64 = 32;

#[test]
fn what_scales_and_what_keeps_pods_name_the_same_deployments() {
    for rendered in rendered::overlays() {
        let names = |kind: &str| -> BTreeSet<&str> {
            rendered.of_kind(kind).iter().map(|value| text(&value["metadata"]["name"])).collect()
        };
        let deployments = names("Deployment");
        assert_eq!(deployments, names("PodDisruptionBudget"), "{}", rendered.name);
        for scaler in rendered.of_kind("HorizontalPodAutoscaler") {
            let spec = &scaler["spec"];
            assert!(deployments.contains(text(&spec["scaleTargetRef"]["name"])), "{scaler}");
            assert!(number(&spec["minReplicas"]) >= 2, "{scaler}");
            let target = text(&spec["scaleTargetRef"]["name"]);
            let pod = &rendered.named("Deployment", target)["spec"]["template"];
            let processor = &spec["metrics"][1]["containerResource"];
            assert_eq!(processor["name"], "cpu", "{scaler}");
            // Not that of a sidecar, which may be busy while the program is idle.
            assert_eq!(processor["container"], pod["spec"]["containers"][0]["name"], "{scaler}");
        }
        for deployment in rendered.of_kind("Deployment") {
            assert!(deployment["spec"].get("replicas").is_none(), "the autoscaler's: {deployment}");
        }
    }
}

/// Returns the pod of the deployment that an autoscaler or a budget is for, by its name.
fn deployed<'a>(rendered: &'a Rendered, value: &Value) -> &'a Value {
    rendered.named("Deployment", text(&value["metadata"]["name"]))
}

#[test]
fn autoscalers_go_by_the_work_in_flight_against_what_a_program_takes() {
    for rendered in rendered::overlays() {
        let containers = rendered.containers();
        for scaler in rendered.of_kind("HorizontalPodAutoscaler") {
            let metric = &scaler["spec"]["metrics"][0];
            assert_eq!(metric["type"], "Pods", "{scaler}");
            let (limit, share) = match text(&metric["pods"]["metric"]["name"]) {
                "caseload_calls_in_flight" => ("CASELOAD_MAX_IN_FLIGHT", LEAST_OF_A_TENANT),
                "caseload_requests_in_flight" => ("CASELOAD_MAX_REQUESTS", LEAST_OF_AN_ADDRESS),
                unknown => panic!("{unknown}"),
            };
            let target: u64 = text(&metric["pods"]["target"]["averageValue"]).parse().unwrap();
            let own = &deployed(&rendered, scaler)["spec"]["template"];
            let container = containers.iter().find(|container| container.pod == own).unwrap();
            let most: u64 = options::value(container, limit).parse().unwrap();
            assert!(target < share && share < most, "{}: {target}", container.name());
        }
    }
}

/// docs/OPERATIONS.md has the rule with which the adapter serves the autoscalers' metrics.
#[test]
fn the_documented_rule_of_the_adapter_serves_the_metrics_of_the_autoscalers() {
    let page = fs::read_to_string(rendered::directory().join("../../docs/OPERATIONS.md")).unwrap();
    let (_, query) = page.split_once("- seriesQuery: '{__name__=~\"").unwrap();
    let pattern = query.split('"').next().unwrap();
    let (before, rest) = pattern.split_once('(').unwrap();
    let (words, after) = rest.split_once(')').unwrap();
    let served: BTreeSet<String> =
        words.split('|').map(|word| format!("{before}{word}{after}")).collect();
    for rendered in rendered::overlays() {
        let scalers = rendered.of_kind("HorizontalPodAutoscaler");
        let names = scalers
            .iter()
            .map(|scaler| text(&scaler["spec"]["metrics"][0]["pods"]["metric"]["name"]).to_owned());
        assert_eq!(names.collect::<BTreeSet<_>>(), served, "{}", rendered.name);
    }
}

#[test]
fn a_budget_is_for_the_pods_of_its_deployment_and_keeps_at_least_one() {
    for rendered in rendered::overlays() {
        for budget in rendered.of_kind("PodDisruptionBudget") {
            let deployment = deployed(&rendered, budget);
            assert_eq!(budget["spec"]["selector"], deployment["spec"]["selector"], "{budget}");
            let name = text(&budget["metadata"]["name"]);
            let scaler = rendered.named("HorizontalPodAutoscaler", name);
            let least = number(&scaler["spec"]["minReplicas"]);
            assert!(number(&budget["spec"]["maxUnavailable"]) < least, "{budget}");
        }
    }
}

/// A rolling update replaces a pod only once the next one is ready.
#[test]
fn no_pod_goes_before_its_successor_is_ready() {
    for rendered in rendered::overlays() {
        for deployment in rendered.of_kind("Deployment") {
            let update = &deployment["spec"]["strategy"]["rollingUpdate"];
            assert_eq!((&update["maxUnavailable"], &update["maxSurge"]), (&0.into(), &1.into()));
            for container in items(&deployment["spec"]["template"]["spec"]["containers"]) {
                assert!(container.get("readinessProbe").is_some(), "{container}");
            }
        }
    }
}

#[test]
fn the_pods_of_a_deployment_are_spread_over_zones_and_nodes() {
    for rendered in rendered::overlays() {
        for deployment in rendered.of_kind("Deployment") {
            let constraints = &deployment["spec"]["template"]["spec"]["topologySpreadConstraints"];
            let mut keys = BTreeSet::new();
            for constraint in items(constraints) {
                keys.insert(text(&constraint["topologyKey"]));
                assert_eq!(constraint["labelSelector"], deployment["spec"]["selector"]);
                assert_eq!(constraint["maxSkew"], 1, "{constraint}");
                // A cluster with one zone, or one free node, still runs them.
                assert_eq!(constraint["whenUnsatisfiable"], "ScheduleAnyway", "{constraint}");
            }
            let expected = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"];
            assert_eq!(keys, BTreeSet::from(expected), "{}", rendered.name);
        }
    }
}
