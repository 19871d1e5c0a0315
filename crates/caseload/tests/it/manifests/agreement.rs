//! What the manifests say about each other is true.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::{Value, json};

use super::rendered::{self, Rendered, items, number, text};

/// Returns the labels by which a document selects pods, if it does.
fn selected(document: &Value) -> Option<&Value> {
    let spec = &document["spec"];
    match text(&document["kind"]) {
        "Service" => Some(&spec["selector"]),
        "Deployment" | "PodDisruptionBudget" | "PeerAuthentication" | "AuthorizationPolicy" => {
            spec["selector"].get("matchLabels")
        }
        "NetworkPolicy" | "Server" => spec["podSelector"].get("matchLabels"),
        "EnvoyFilter" => spec["workloadSelector"].get("labels"),
        _ => None,
    }
}

/// Returns the pods that have all these labels.
fn pods_with<'a>(rendered: &'a Rendered, selected: &Value) -> Vec<&'a Value> {
    let selected = selected.as_object().unwrap();
    let has_all = |pod: &&Value| {
        selected.iter().all(|(name, value)| pod["metadata"]["labels"].get(name) == Some(value))
    };
    rendered.pods().into_iter().filter(has_all).collect()
}

/// Returns whether a pod has a port of this name or number.
fn has_port(pod: &Value, port: &Value) -> bool {
    let mut ports =
        items(&pod["spec"]["containers"]).flat_map(|container| items(&container["ports"]));
    ports.any(|given| given["name"] == *port || given["containerPort"] == *port)
}

#[test]
fn each_selector_finds_pods() {
    for rendered in rendered::all() {
        let mut count = 0;
        for document in &rendered.documents {
            let Some(selected) = selected(document) else { continue };
            assert!(!pods_with(&rendered, selected).is_empty(), "{}: {document}", rendered.name);
            count += 1;
        }
        assert!(count > 0, "{}", rendered.name);
    }
}

#[test]
fn each_port_is_one_that_the_program_listens_on() {
    for rendered in rendered::overlays() {
        for container in rendered.containers() {
            let environment = container.environment();
            let addresses = ["CASELOAD_GRPC_ADDR", "CASELOAD_HTTP_ADDR", "CASELOAD_ADMIN_ADDR"];
            let listened: BTreeSet<u64> = addresses
                .into_iter()
                .filter_map(|name| environment.get(name))
                .map(|address| address.strip_prefix("0.0.0.0:").unwrap().parse().unwrap())
                .collect();
            let ports: BTreeSet<u64> = container.ports().into_values().collect();
            assert_eq!(ports, listened, "{}", container.name());
            for probe in ["readinessProbe", "livenessProbe"] {
                let probe = &container.value[probe];
                let port = probe["grpc"].get("port").or(probe["httpGet"].get("port")).unwrap();
                assert!(has_port(container.pod, port), "{}: {probe}", container.name());
            }
        }
    }
}

#[test]
fn each_service_and_policy_names_ports_of_its_pods() {
    for rendered in rendered::overlays() {
        let mut named = Vec::new();
        for document in &rendered.documents {
            let spec = &document["spec"];
            let ports: Vec<&Value> = match text(&document["kind"]) {
                "Service" => items(&spec["ports"]).map(|port| &port["targetPort"]).collect(),
                "Server" => vec![&spec["port"]],
                "NetworkPolicy" => items(&spec["ingress"])
                    .flat_map(|rule| items(&rule["ports"]))
                    .map(|port| &port["port"])
                    // That of Linkerd's proxy.
                    .filter(|port| **port != 4143)
                    .collect(),
                _ => continue,
            };
            let pods = pods_with(&rendered, selected(document).unwrap());
            for port in ports {
                assert!(
                    pods.iter().all(|pod| has_port(pod, port)),
                    "{}: {document}",
                    rendered.name
                );
                named.push(port);
            }
        }
        assert!(named.len() > 6, "{}: {named:?}", rendered.name);
    }
}

/// Proxies go by it: without it, they look into the first bytes, or pass them on as they are.
#[test]
fn each_port_of_a_service_says_what_is_spoken_there() {
    for rendered in rendered::overlays() {
        for service in rendered.of_kind("Service") {
            for port in items(&service["spec"]["ports"]) {
                let expected = match (text(&port["name"]), rendered.name) {
                    ("grpc", "istio") => "grpc",
                    ("grpc", _) => "kubernetes.io/h2c",
                    ("http" | "admin", _) => "http",
                    unknown => panic!("{unknown:?}"),
                };
                assert_eq!(port["appProtocol"], expected, "{}: {service}", rendered.name);
            }
        }
    }
}

#[test]
fn the_jobs_of_metrics_have_the_names_that_the_alerts_have() {
    let rules = fs::read_to_string(rendered::directory().join("../prometheus/rules.yaml")).unwrap();
    let selectors = rules.split(r#"job=~""#).skip(1);
    let named: BTreeSet<&str> =
        selectors.flat_map(|rest| rest.split('"').next().unwrap().split('|')).collect();
    for rendered in rendered::overlays() {
        let endpoint = &rendered.named("ServiceMonitor", "caseload")["spec"]["endpoints"][0];
        let mut jobs = BTreeMap::new();
        for rule in items(&endpoint["relabelings"]) {
            let label = "__meta_kubernetes_pod_label_app_kubernetes_io_component";
            assert_eq!(rule["sourceLabels"], json!([label]), "{}", rendered.name);
            assert_eq!(rule["targetLabel"], "job", "{}", rendered.name);
            jobs.insert(text(&rule["regex"]), text(&rule["replacement"]));
        }
        let components: BTreeSet<&str> = rendered
            .pods()
            .iter()
            .map(|pod| text(&pod["metadata"]["labels"]["app.kubernetes.io/component"]))
            .collect();
        assert_eq!(jobs.keys().copied().collect::<BTreeSet<_>>(), components, "{}", rendered.name);
        assert_eq!(jobs["server"], "caseload", "{}", rendered.name);
        assert_eq!(jobs.into_values().collect::<BTreeSet<_>>(), named, "{}", rendered.name);
    }
}

#[test]
fn the_gateway_calls_the_service_of_the_servers() {
    for rendered in rendered::overlays() {
        let containers = rendered.containers();
        let gateway = containers.iter().find(|container| container.image() == "caseload-gateway");
        let service = rendered.named("Service", "caseload-server");
        let port = number(&service["spec"]["ports"][0]["port"]);
        let upstream = &gateway.unwrap().environment()["CASELOAD_UPSTREAM"];
        for url in upstream.split(',') {
            assert_eq!(url, format!("http://caseload-server:{port}"), "{}", rendered.name);
        }
        // Proxies balance calls. Without them, several connections do.
        assert_eq!(upstream.contains(','), rendered.name == "plain", "{}", rendered.name);
    }
}

/// A proxy of Linkerd connects to the proxy of a pod, at a port of that, and not to the program's.
#[test]
fn who_reaches_a_port_of_a_program_reaches_its_proxy_too() {
    const PROXY: u64 = 4143;
    let overlays = rendered::overlays();
    let linkerd = overlays.iter().find(|rendered| rendered.name == "linkerd").unwrap();
    let from = |rule: &Value| -> Vec<Value> { items(&rule["from"]).cloned().collect() };
    for policy in linkerd.of_kind("NetworkPolicy") {
        let (proxy, program): (Vec<&Value>, Vec<&Value>) =
            items(&policy["spec"]["ingress"]).partition(|rule| rule["ports"][0]["port"] == PROXY);
        let admitted: Vec<Value> = proxy.iter().flat_map(|rule| from(rule)).collect();
        // A rule that names nobody admits everybody, and so does one for all pods of the namespace.
        let is_open = proxy.iter().any(|rule| from(rule).is_empty());
        let all_pods = json!({"podSelector": {}});
        let is_admitted = |peer: &Value| {
            admitted.contains(peer)
                || peer.get("namespaceSelector").is_none() && admitted.contains(&all_pods)
        };
        assert!(!program.is_empty(), "{policy}");
        for rule in program {
            let peers = from(rule);
            let is_reached = !peers.is_empty() && peers.iter().all(is_admitted);
            assert!(is_open || is_reached, "{rule} of {policy}");
        }
    }
}

/// Argo CD applies everything else after its hooks, so the pod of a hook would wait forever for what is no hook.
#[test]
fn what_the_pod_of_a_hook_needs_is_a_hook_of_an_earlier_wave_and_stays() {
    let all = rendered::all();
    let migrate = all.iter().find(|rendered| rendered.name == "migrate").unwrap();
    let annotation = |document: &Value, name: &str| {
        let value = &document["metadata"]["annotations"][format!("argocd.argoproj.io/{name}")];
        value.as_str().map(str::to_owned)
    };
    let wave = |document: &Value| -> i32 {
        annotation(document, "sync-wave").map_or(0, |wave| wave.parse().unwrap())
    };
    let job = migrate.named("Job", "caseload-migrate");
    assert_eq!(annotation(job, "hook").as_deref(), Some("PreSync"));
    let pod = &job["spec"]["template"];
    let account = migrate.named("ServiceAccount", text(&pod["spec"]["serviceAccountName"]));
    let policies = migrate
        .of_kind("NetworkPolicy")
        .into_iter()
        .filter(|policy| pods_with(migrate, selected(policy).unwrap()).contains(&pod));
    let needed: Vec<&Value> = policies.chain([account]).collect();
    assert!(needed.len() > 1, "no policy for the job");
    for document in needed {
        assert_eq!(annotation(document, "hook").as_deref(), Some("PreSync"), "{document}");
        assert!(wave(document) < wave(job), "{document}");
        let deleted = annotation(document, "hook-delete-policy");
        assert_eq!(deleted.as_deref(), Some("BeforeHookCreation"), "{document}");
    }
    for container in migrate.containers() {
        assert!(
            container.value.get("envFrom").is_none(),
            "{}: a ConfigMap is no hook",
            container.name()
        );
    }
}

/// docs/OPERATIONS.md, "Proxies and meshes", says which retries are safe.
#[test]
fn istio_repeats_only_what_has_reached_no_server() {
    let overlays = rendered::overlays();
    let istio = overlays.iter().find(|rendered| rendered.name == "istio").unwrap();
    for host in ["caseload-server", "caseload-gateway"] {
        let service = istio.named("VirtualService", host);
        assert_eq!(service["spec"]["hosts"][0], host);
        for route in items(&service["spec"]["http"]) {
            let retries = &route["retries"];
            assert_eq!(retries["retryOn"], "connect-failure,refused-stream", "{retries}");
        }
    }
}
