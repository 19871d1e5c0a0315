//! The rendered manifests, and what they have in common.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::Value;

/// The overlays, what runs before each of them, and the pod for commands.
const OVERLAYS: [&str; 3] = ["istio", "linkerd", "plain"];
const MIGRATE: &str = "migrate";
const ADMIN: &str = "admin";

/// What is applied together: an overlay, the migration, or the pod for commands.
pub(super) struct Rendered {
    pub(super) name: &'static str,
    pub(super) documents: Vec<Value>,
}

/// A container, and the pod that it is in.
pub(super) struct Container<'a> {
    rendered: &'a Rendered,
    pub(super) pod: &'a Value,
    pub(super) value: &'a Value,
}

/// Returns the directory of the manifests.
pub(super) fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kubernetes")
}

/// Returns the overlays.
pub(super) fn overlays() -> Vec<Rendered> {
    OVERLAYS.into_iter().map(Rendered::read).collect()
}

/// Returns the overlays, the migration, and the pod for commands.
pub(super) fn all() -> Vec<Rendered> {
    OVERLAYS.into_iter().chain([MIGRATE, ADMIN]).map(Rendered::read).collect()
}

impl Rendered {
    fn read(name: &'static str) -> Self {
        let path = directory().join("rendered").join(name).with_extension("yaml");
        let text = fs::read_to_string(&path).unwrap();
        Self { name, documents: serde_saphyr::from_multiple(&text).unwrap() }
    }

    /// Returns the documents of a kind, of which there must be some.
    pub(super) fn of_kind(&self, kind: &str) -> Vec<&Value> {
        let found: Vec<_> = self.documents.iter().filter(|value| value["kind"] == kind).collect();
        assert!(!found.is_empty(), "{}: no {kind}", self.name);
        found
    }

    /// Returns the document with this kind and name.
    pub(super) fn named(&self, kind: &str, name: &str) -> &Value {
        let mut found = self.of_kind(kind).into_iter();
        let found = found.find(|value| value["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("{}: no {kind} {name}", self.name))
    }

    /// Returns all pods: their templates, or themselves.
    pub(super) fn pods(&self) -> Vec<&Value> {
        let kind = match self.name {
            MIGRATE => "Job",
            ADMIN => return self.of_kind("Pod"),
            _ => "Deployment",
        };
        self.of_kind(kind).into_iter().map(|value| &value["spec"]["template"]).collect()
    }

    /// Returns all containers of all pods.
    pub(super) fn containers(&self) -> Vec<Container<'_>> {
        let mut containers = Vec::new();
        for pod in self.pods() {
            for list in ["initContainers", "containers"] {
                let values = items(&pod["spec"][list]);
                containers.extend(values.map(|value| Container { rendered: self, pod, value }));
            }
        }
        containers
    }
}

impl Container<'_> {
    pub(super) fn name(&self) -> String {
        format!("{}: {}", self.rendered.name, text(&self.value["name"]))
    }

    /// Returns the name of its image, without the tag.
    pub(super) fn image(&self) -> &str {
        text(&self.value["image"]).split(':').next().unwrap()
    }

    /// Returns the values of its environment, without those of secrets.
    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        let mut environment = BTreeMap::new();
        for source in items(&self.value["envFrom"]) {
            let map = self.rendered.named("ConfigMap", text(&source["configMapRef"]["name"]));
            let data = map["data"].as_object().unwrap();
            environment
                .extend(data.iter().map(|(name, value)| (name.clone(), text(value).to_owned())));
        }
        for variable in items(&self.value["env"]) {
            let value = variable["value"].as_str();
            environment
                .extend(value.map(|value| (text(&variable["name"]).to_owned(), value.to_owned())));
        }
        environment
    }

    /// Returns its environment variables that are keys of secrets: name, secret, key.
    pub(super) fn secrets(&self) -> Vec<(&str, &str, &str)> {
        let variables = items(&self.value["env"]).filter_map(|variable| {
            let reference = variable["valueFrom"].get("secretKeyRef")?;
            Some((text(&variable["name"]), text(&reference["name"]), text(&reference["key"])))
        });
        variables.collect()
    }

    /// Returns the numbers of its ports, by their names.
    pub(super) fn ports(&self) -> BTreeMap<&str, u64> {
        let ports = items(&self.value["ports"]);
        ports.map(|port| (text(&port["name"]), number(&port["containerPort"]))).collect()
    }
}

/// Returns the items of a list, none if there is no list.
pub(super) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

#[track_caller]
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

#[track_caller]
pub(super) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("not a number: {value}"))
}
