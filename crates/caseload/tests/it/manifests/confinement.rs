//! Each pod may do as little as possible, by the standard that Kubernetes calls "restricted", and less.

use std::{fs, path::Path};

use serde_json::json;

use super::rendered;

#[test]
fn no_pod_is_root_or_may_become_it() {
    for rendered in rendered::all() {
        for pod in rendered.pods() {
            let context = &pod["spec"]["securityContext"];
            assert_eq!(context["runAsNonRoot"], true, "{}", rendered.name);
            assert!(rendered::number(&context["runAsUser"]) > 10_000, "{}", rendered.name);
            assert_eq!(context["seccompProfile"], json!({"type": "RuntimeDefault"}));
            assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
            assert_ne!(rendered::text(&pod["spec"]["serviceAccountName"]), "default");
        }
        for container in rendered.containers() {
            let expected = json!({
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            });
            assert_eq!(container.value["securityContext"], expected, "{}", container.name());
        }
    }
}

#[test]
fn each_pod_has_a_policy_for_what_it_receives_and_what_it_sends() {
    for rendered in rendered::all() {
        for pod in rendered.pods() {
            let labels = pod["metadata"]["labels"].as_object().unwrap();
            let policies = rendered.of_kind("NetworkPolicy");
            let mut policies = policies.iter().filter(|policy| {
                let selected = policy["spec"]["podSelector"]["matchLabels"].as_object().unwrap();
                selected.iter().all(|(name, value)| labels.get(name) == Some(value))
            });
            let policy = policies.next().unwrap_or_else(|| panic!("{}: {labels:?}", rendered.name));
            assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
            let is_open = |rule: &serde_json::Value| rule.get("ports").is_none();
            for direction in ["ingress", "egress"] {
                let rules = &policy["spec"][direction];
                assert!(!rendered::items(rules).any(is_open), "{}: {rules}", rendered.name);
            }
        }
    }
}

/// Without an orchestrator that says so, too.
#[test]
fn the_images_run_as_a_user_who_is_not_root_by_number() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Dockerfile");
    let dockerfile = fs::read_to_string(path).unwrap();
    let stages: Vec<&str> = dockerfile.split("\nFROM ").skip(1).collect();
    let stage = |name: &str| {
        let is_named =
            |stage: &&&str| stage.lines().next().unwrap().ends_with(&format!(" AS {name}"));
        *stages.iter().find(is_named).unwrap_or_else(|| panic!("no stage {name}"))
    };
    for name in ["server", "gateway", "roles"] {
        let own = stage(name);
        let base = if own.starts_with("runtime ") { stage("runtime") } else { "" };
        let lines = base.lines().chain(own.lines());
        let last = lines.rev().find_map(|line| line.strip_prefix("USER "));
        let (user, group) = last.unwrap().split_once(':').unwrap();
        let ids: Vec<u32> = [user, group].iter().map(|id| id.parse().unwrap()).collect();
        assert!(!ids.contains(&0), "{name}: {ids:?}");
    }
}
