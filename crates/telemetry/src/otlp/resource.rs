//! What spans are of: a service, its version, this process.

use std::hash::{BuildHasher as _, RandomState};

use super::{list, variables::Variables};

const SERVICE_NAME: &str = "service.name";

/// Returns the attributes of the resource, each name once. Those of the environment count more than those that the
/// program knows.
pub(super) fn read<F: Fn(&str) -> Option<String>>(
    variables: &mut Variables<F>,
    service: &str,
    version: &str,
) -> Vec<(String, String)> {
    const LIST: &str = "OTEL_RESOURCE_ATTRIBUTES";
    let mut resource: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: String| match resource.iter_mut().find(|(it, _)| it == name) {
        Some((_, old)) => *old = value,
        None => resource.push((name.to_owned(), value)),
    };
    set(SERVICE_NAME, service.to_owned());
    set("service.version", version.to_owned());
    set("service.instance.id", random_uuid());
    set("telemetry.sdk.name", "caseload".to_owned());
    set("telemetry.sdk.language", "rust".to_owned());
    set("telemetry.sdk.version", version.to_owned());
    if let Some(text) = variables.get(LIST) {
        match list::parse(&text) {
            Some(list) => list.into_iter().for_each(|(name, value)| set(&name, value)),
            None => variables.warn(LIST, "is no list of name=value", "none"),
        }
    }
    if let Some(name) = variables.get("OTEL_SERVICE_NAME") {
        set(SERVICE_NAME, name);
    }
    resource
}

/// Returns a UUID of version 4 (RFC 9562).
fn random_uuid() -> String {
    // The keys of a hasher are random numbers of the system's.
    let [high, low] = [0, 1].map(|part: u8| RandomState::new().hash_one(part));
    let (version, variant) = (0x4000 | (high & 0x0fff), 0x8000 | (low >> 48 & 0x3fff));
    format!(
        "{:08x}-{:04x}-{version:04x}-{variant:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(set: &[(&str, &str)]) -> Vec<(String, String)> {
        let value = |name: &str| Some(set.iter().find(|(it, _)| *it == name)?.1.to_owned());
        read(&mut Variables::new(value), "caseload-server", "1.2.3")
    }

    #[track_caller]
    fn assert_has(resource: &[(String, String)], name: &str, value: &str) {
        let values: Vec<_> = resource.iter().filter(|(it, _)| it == name).map(|it| &it.1).collect();
        assert_eq!(values, [value], "{name}");
    }

    #[test]
    fn the_environment_adds_attributes_and_replaces_what_the_program_knows() {
        let own = resource(&[]);
        assert_has(&own, "service.name", "caseload-server");
        assert_has(&own, "service.version", "1.2.3");
        let list =
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,service.instance.id=pod-1,k8s.x=%2C");
        let listed = resource(&[list]);
        assert_has(&listed, "service.name", "a");
        assert_has(&listed, "service.instance.id", "pod-1");
        assert_has(&listed, "k8s.x", ",");
        assert_has(&resource(&[list, ("OTEL_SERVICE_NAME", "b")]), "service.name", "b");
    }

    #[test]
    fn each_process_has_an_id_of_its_own() {
        let ids = [random_uuid(), random_uuid()];
        assert_ne!(ids[0], ids[1]);
        for id in ids {
            let lengths: Vec<_> = id.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
            assert!(id[14..].starts_with('4') && "89ab".contains(&id[19..20]), "{id}");
        }
    }
}
