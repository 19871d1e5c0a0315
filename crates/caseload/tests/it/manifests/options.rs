//! The manifests configure the programs as these take it.

use std::{fs, path::Path};

use super::rendered::{self, Container};
use crate::support::{CASELOAD, Program, gateway_path};

/// Returns a page of docs/.
fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)).unwrap()
}

/// An option, as docs/CONFIGURATION.md describes it: a test compares that page with the programs.
struct Documented {
    variable: String,
    /// As the page writes it, without quotes.
    default: String,
    commands: Vec<String>,
}

fn documented() -> Vec<Documented> {
    // The columns are: option, environment, default, of, meaning.
    let configuration = page("CONFIGURATION.md");
    let rows = configuration.lines().map(|line| line.split('|').collect::<Vec<_>>());
    let unquoted = |text: &str| text.trim().trim_matches('`').to_owned();
    rows.filter(|columns| columns.len() > 5)
        .map(|columns| Documented {
            variable: unquoted(columns[2]),
            default: unquoted(columns[3]),
            commands: columns[4].split(',').map(unquoted).collect(),
        })
        .collect()
}

/// Returns the value of an option: that of the manifests, or else the program's default.
pub(super) fn value(container: &Container<'_>, variable: &str) -> String {
    if let Some(value) = container.environment().get(variable) {
        return value.clone();
    }
    let command = command(container).unwrap();
    let is_it = |option: &Documented| {
        option.variable == variable && option.commands.iter().any(|name| name == command)
    };
    let option = documented().into_iter().find(is_it);
    option.unwrap_or_else(|| panic!("{variable} is no option of {command}")).default
}

/// Returns the command that a container runs, as docs/CONFIGURATION.md calls it; `None` for psql.
fn command(container: &Container<'_>) -> Option<&'static str> {
    match (container.image(), container.value["args"][0].as_str()) {
        ("caseload-server", Some("serve")) => Some("serve"),
        ("caseload-server", Some("migrate")) => Some("migrate"),
        ("caseload-gateway", None) => Some("gateway"),
        ("caseload-server", None) if container.value.get("command").is_some() => Some("admin"),
        ("caseload-roles", _) => None,
        unknown => panic!("{}: {unknown:?}", container.name()),
    }
}

#[test]
fn each_variable_is_an_option_of_the_program_that_gets_it() {
    let options = documented();
    let mut seen = 0;
    for rendered in rendered::all() {
        for container in rendered.containers() {
            let Some(command) = command(&container) else { continue };
            let secrets = container.secrets();
            let secrets = secrets.iter().map(|(variable, ..)| (*variable).to_owned());
            for variable in container.environment().into_keys().chain(secrets) {
                let is_option = options.iter().any(|option| {
                    option.variable == variable && option.commands.iter().any(|it| it == command)
                });
                assert!(is_option, "{}: {variable} is no option of {command}", container.name());
                seen += 1;
            }
        }
    }
    assert!(seen > 40, "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_programs_run_with_the_values_and_have_what_is_asked_for() {
    let gateway = gateway_path();
    for rendered in rendered::overlays() {
        for container in rendered.containers() {
            let (path, serving) = match command(&container) {
                Some("serve") => (CASELOAD, "serving gRPC"),
                Some("gateway") => (gateway.as_str(), "serving REST"),
                other => panic!("{}: {other:?}", container.name()),
            };
            let program = start(&container, path, "postgresql://nobody@127.0.0.1:1/none");
            let own = program.wait_for_address(serving);
            let admin = program.wait_for_address("serving the admin port");
            for probe in ["livenessProbe", "readinessProbe"] {
                let Some(get) = container.value[probe].get("httpGet") else { continue };
                let addr = if get["port"] == "admin" { admin } else { own };
                let url = format!("http://{addr}{}", rendered::text(&get["path"]));
                // A gateway without servers is not ready.
                let expected = if probe == "livenessProbe" { 200 } else { 503 };
                let status = reqwest::get(&url).await.unwrap().status();
                assert_eq!(status, expected, "{}: {probe}", container.name());
            }
            let deployment = format!("caseload-{}", rendered::text(&container.value["name"]));
            let scaler = rendered.named("HorizontalPodAutoscaler", &deployment);
            let metric = rendered::text(&scaler["spec"]["metrics"][0]["pods"]["metric"]["name"]);
            let metrics = reqwest::get(format!("http://{admin}/metrics")).await.unwrap();
            let metrics = metrics.text().await.unwrap();
            let is_there = metrics.lines().any(|line| line == format!("{metric} 0"));
            assert!(is_there, "{}: no {metric} in\n{metrics}", container.name());
        }
    }
}

/// Starts the program of a container with its arguments and environment, at other addresses and on another
/// database.
pub(super) fn start(container: &Container<'_>, path: &str, database_url: &str) -> Program {
    let mut environment = container.environment();
    for (name, value) in &mut environment {
        if name.ends_with("_ADDR") {
            "127.0.0.1:0".clone_into(value);
        }
    }
    for (name, ..) in container.secrets() {
        environment.insert(name.to_owned(), database_url.to_owned());
    }
    let arguments: Vec<_> = rendered::items(&container.value["args"]).map(rendered::text).collect();
    let variables: Vec<_> =
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Program::start_with_env(path, &arguments, &variables)
}

#[test]
fn a_pod_gets_more_time_to_end_than_its_program_takes() {
    for rendered in rendered::overlays() {
        for container in rendered.containers() {
            let seconds = |variable: &str| -> u64 {
                value(&container, variable).strip_suffix('s').unwrap().parse().unwrap()
            };
            let drain = seconds("CASELOAD_DRAIN_DELAY") + seconds("CASELOAD_DRAIN_TIMEOUT");
            let grace = rendered::number(&container.pod["spec"]["terminationGracePeriodSeconds"]);
            assert!(grace > drain + 5, "{}: {grace} s for {drain} s", container.name());
            assert!(seconds("CASELOAD_DRAIN_DELAY") > 0, "{}", container.name());
        }
    }
}

/// docs/OPERATIONS.md says what the proxies of each mesh take.
#[test]
fn statuses_are_no_longer_than_the_proxies_of_a_mesh_take() {
    const KIB: u64 = 1024;
    for rendered in rendered::overlays() {
        let containers = rendered.containers();
        let server = containers.iter().find(|container| container.image() == "caseload-server");
        let most: u64 = value(server.unwrap(), "CASELOAD_MAX_STATUS_BYTES").parse().unwrap();
        match rendered.name {
            "plain" => assert_eq!(most, 1024 * KIB),
            // All headers of a response, and proxies add some.
            "linkerd" => assert!(most <= 14 * KIB, "{most}"),
            "istio" => {
                let patches = rendered.named("EnvoyFilter", "caseload-status");
                for patch in rendered::items(&patches["spec"]["configPatches"]) {
                    let options = &patch["patch"]["value"]["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
                    let headers = &options["common_http_protocol_options"];
                    let headers = rendered::number(&headers["max_response_headers_kb"]);
                    assert!(most <= headers * KIB, "{most}, {patch}");
                }
            }
            other => panic!("{other}"),
        }
    }
}

/// The sums of "Memory" in docs/OPERATIONS.md, with an eighth of the limit for busy connections.
#[test]
fn a_container_has_the_memory_that_its_program_needs() {
    for rendered in rendered::overlays() {
        for container in rendered.containers() {
            let mib = |variable: &str| -> u64 { value(&container, variable).parse().unwrap() };
            let messages = match command(&container) {
                Some("serve") => 2 * mib("CASELOAD_MESSAGE_MEMORY"),
                _ => 4 * mib("CASELOAD_BODY_MEMORY"),
            };
            let connections = mib("CASELOAD_MAX_CONNECTIONS") * 15 / 1024;
            let limit = rendered::text(&container.value["resources"]["limits"]["memory"]);
            let limit: u64 = limit.strip_suffix("Mi").unwrap().parse().unwrap();
            let needed = 32 + messages + connections + limit / 8;
            assert!(limit >= needed, "{}: {limit} MiB for {needed}", container.name());
        }
    }
}

#[test]
fn secrets_are_only_referred_to_and_are_documented() {
    let operations = page("OPERATIONS.md");
    for rendered in rendered::all() {
        let has_secret = rendered.documents.iter().any(|document| document["kind"] == "Secret");
        assert!(!has_secret, "{}", rendered.name);
        for container in rendered.containers() {
            let name = container.name();
            for (variable, secret, key) in container.secrets() {
                let row = format!("| `{secret}` | `{key}` |");
                assert!(operations.contains(&row), "{name}: {row} is not documented");
                assert!(variable.ends_with("DATABASE_URL"), "{name}: {variable}");
            }
            let is_url = |value: &String| value.contains("postgres");
            assert!(!container.environment().values().any(is_url), "{name} has a URL in the open");
            for volume in rendered::items(&container.pod["spec"]["volumes"]) {
                let secret = rendered::text(&volume["secret"]["secretName"]);
                let row = format!("| `{secret}` | ");
                assert!(operations.contains(&row), "{name}: {row} is not documented");
            }
        }
    }
}

#[test]
fn the_images_are_those_of_this_version() {
    let dockerfile =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Dockerfile")).unwrap();
    for rendered in rendered::all() {
        for container in rendered.containers() {
            let image = rendered::text(&container.value["image"]);
            let (name, tag) = image.split_once(':').unwrap();
            assert_eq!(tag, env!("CARGO_PKG_VERSION"), "{}", container.name());
            let title = format!("org.opencontainers.image.title=\"{name}\"");
            assert!(dockerfile.contains(&title), "{name} is no image of the Dockerfile");
        }
    }
}
