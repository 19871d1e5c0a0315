//! What the environment says about traces.

use std::{fmt, path::PathBuf, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use tls::{ClientFiles, IdentityFiles};
use traces::{Limits, Sampling};

use super::{
    endpoint::{Endpoint, Protocol},
    list, resource, sampler,
    variables::{SettingsError, Variables, Warning},
};

const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const ENDPOINT: (&str, &str) =
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT");
const PROTOCOL: (&str, &str) =
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL");
const HEADERS: (&str, &str) = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS");
const TIMEOUT: (&str, &str) = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT");
const COMPRESSION: (&str, &str) =
    ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION");
const AUTHORITIES: (&str, &str) =
    ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE");
const CERTIFICATE: (&str, &str) =
    ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE");
const KEY: (&str, &str) = ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY");
const PROPAGATORS: &str = "OTEL_PROPAGATORS";

/// The most spans that may wait: with up to a kilobyte each, a gigabyte.
const MOST_SPANS: usize = 1_000_000;

/// What the environment says.
pub(super) enum Environment {
    /// Traces are off. Variables that would have switched them on are not used.
    Off(Vec<Warning>),
    /// They are on.
    On(Box<Settings>),
}

/// How traces are sampled, and where they are exported to.
pub(super) struct Settings {
    pub(super) endpoint: Endpoint,
    pub(super) protocol: Protocol,
    pub(super) headers: HeaderMap,
    /// What a connection is secured with.
    pub(super) files: ClientFiles,
    /// How long one request may take.
    pub(super) request_timeout: Duration,
    /// How long the export of a batch may take, with all its requests.
    pub(super) batch_timeout: Duration,
    pub(super) sampling: Sampling,
    pub(super) limits: Limits,
    pub(super) resource: Vec<(String, String)>,
    /// Variables whose values are not used.
    pub(super) warnings: Vec<Warning>,
}

/// Without headers, and what may have secrets beside them.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint)
            .field("protocol", &self.protocol)
            .field("sampling", &self.sampling)
            .field("limits", &self.limits)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// What is wrong with a variable that says where spans go.
    pub(super) fn read(
        read: impl Fn(&str) -> Option<String>,
        service: &str,
        version: &str,
    ) -> Result<Environment, SettingsError> {
        let mut variables = Variables::new(read);
        if !is_on(&mut variables) {
            return Ok(Environment::Off(variables.warnings));
        }
        let protocol = protocol(&variables)?;
        let settings = Self {
            endpoint: endpoint(&variables, protocol)?,
            protocol,
            headers: headers(&variables)?,
            files: files(&variables)?,
            request_timeout: request_timeout(&mut variables),
            batch_timeout: variables.millis("OTEL_BSP_EXPORT_TIMEOUT", 30_000),
            sampling: sampler::read(&mut variables),
            limits: Limits {
                queue: variables.number("OTEL_BSP_MAX_QUEUE_SIZE", &(1..=MOST_SPANS), 2048),
                batch: variables.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", &(1..=MOST_SPANS), 512),
                delay: variables.millis("OTEL_BSP_SCHEDULE_DELAY", 5000),
            },
            resource: resource::read(&mut variables, service, version),
            warnings: Vec::new(),
        };
        warn_of_unsupported(&mut variables);
        Ok(Environment::On(Box::new(Self { warnings: variables.warnings, ..settings })))
    }
}

/// Whether traces are to be exported: an exporter or an endpoint is given, and nothing forbids it.
fn is_on<F: Fn(&str) -> Option<String>>(variables: &mut Variables<F>) -> bool {
    if variables.flag("OTEL_SDK_DISABLED") {
        return false;
    }
    let has_endpoint = variables.either(ENDPOINT.0, ENDPOINT.1).is_some();
    let Some(exporters) = variables.get(EXPORTER) else { return has_endpoint };
    let names = || exporters.split(',').map(str::trim);
    if names().any(|name| name == "none") {
        return false;
    }
    if names().any(|name| name == "otlp") {
        return true;
    }
    let used = if has_endpoint { "otlp" } else { "none" };
    variables.warn(EXPORTER, "names no exporter that there is: otlp or none", used);
    has_endpoint
}

fn protocol<F: Fn(&str) -> Option<String>>(
    variables: &Variables<F>,
) -> Result<Protocol, SettingsError> {
    match variables.either(PROTOCOL.0, PROTOCOL.1) {
        None => Ok(Protocol::HttpProtobuf),
        Some((variable, name)) => match name.as_str() {
            "grpc" => Ok(Protocol::Grpc),
            "http/protobuf" => Ok(Protocol::HttpProtobuf),
            _ => Err(SettingsError { variable, problem: "is neither grpc nor http/protobuf" }),
        },
    }
}

fn endpoint<F: Fn(&str) -> Option<String>>(
    variables: &Variables<F>,
    protocol: Protocol,
) -> Result<Endpoint, SettingsError> {
    let (variable, url) = variables
        .either(ENDPOINT.0, ENDPOINT.1)
        .unwrap_or_else(|| (ENDPOINT.1, protocol.default_endpoint().to_owned()));
    Endpoint::parse(&url, protocol, variable == ENDPOINT.1)
        .map_err(|problem| SettingsError { variable, problem })
}

fn headers<F: Fn(&str) -> Option<String>>(
    variables: &Variables<F>,
) -> Result<HeaderMap, SettingsError> {
    let Some((variable, text)) = variables.either(HEADERS.0, HEADERS.1) else {
        return Ok(HeaderMap::new());
    };
    let parse = |(name, value): (String, String)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        // Nor is anything else allowed in a call over gRPC.
        let value = value.is_ascii().then_some(value)?;
        let mut value = HeaderValue::try_from(value).ok()?;
        // Not shown by `Debug`, and not kept by HTTP/2's compression.
        value.set_sensitive(true);
        Some((name, value))
    };
    list::parse(&text)
        .and_then(|list| list.into_iter().map(parse).collect())
        .ok_or(SettingsError { variable, problem: "is no list of headers, name=value" })
}

fn files<F: Fn(&str) -> Option<String>>(
    variables: &Variables<F>,
) -> Result<ClientFiles, SettingsError> {
    let file = |(of_traces, of_all): (&'static str, &'static str)| {
        variables.either(of_traces, of_all).map(|(_, path)| PathBuf::from(path))
    };
    let identity = match (file(CERTIFICATE), file(KEY)) {
        (Some(certificate), Some(key)) => Some(IdentityFiles { certificate, key }),
        (None, None) => None,
        (Some(_), None) => {
            return Err(SettingsError {
                variable: KEY.1,
                problem: "is needed for the certificate",
            });
        }
        (None, Some(_)) => {
            return Err(SettingsError {
                variable: CERTIFICATE.1,
                problem: "is needed for the key",
            });
        }
    };
    Ok(ClientFiles { authorities: file(AUTHORITIES), identity })
}

fn request_timeout<F: Fn(&str) -> Option<String>>(variables: &mut Variables<F>) -> Duration {
    let variable = if variables.get(TIMEOUT.0).is_some() { TIMEOUT.0 } else { TIMEOUT.1 };
    variables.millis(variable, 10_000)
}

/// Warns of variables that ask for what there is not.
fn warn_of_unsupported<F: Fn(&str) -> Option<String>>(variables: &mut Variables<F>) {
    if let Some((variable, name)) = variables.either(COMPRESSION.0, COMPRESSION.1)
        && name != "none"
    {
        variables.warn(variable, "asks for a compression that there is not", "none");
    }
    if let Some(names) = variables.get(PROPAGATORS)
        && !names.split(',').any(|name| name.trim() == "tracecontext")
    {
        variables.warn(PROPAGATORS, "does not name the only one that there is", "tracecontext");
    }
}

#[cfg(test)]
mod tests {
    use traces::Root;

    use super::*;

    const ON: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    fn read(set: &[(&str, &str)]) -> Result<Option<Settings>, SettingsError> {
        let value = |name: &str| Some(set.iter().find(|(it, _)| *it == name)?.1.to_owned());
        Ok(match Settings::read(value, "caseload-server", "1.2.3")? {
            Environment::On(settings) => Some(*settings),
            Environment::Off(_) => None,
        })
    }

    /// Returns the settings of traces that are switched on, with more variables.
    fn on(more: &[(&str, &str)]) -> Settings {
        read(&[&[ON], more].concat()).unwrap().unwrap()
    }

    #[track_caller]
    fn assert_warned(settings: &Settings, variable: &str, used: &str) {
        let warnings: Vec<_> =
            settings.warnings.iter().map(|it| (it.variable, it.used.as_str())).collect();
        assert_eq!(warnings, [(variable, used)]);
    }

    #[test]
    fn an_exporter_or_an_endpoint_switches_traces_on_and_some_values_off() {
        for (set, is_on) in [
            (&[][..], false),
            (&[("OTEL_SERVICE_NAME", "x")], false),
            (&[("OTEL_TRACES_EXPORTER", "otlp")], true),
            (&[("OTEL_TRACES_EXPORTER", "console")], false),
            (&[("OTEL_TRACES_EXPORTER", "console, otlp")], true),
            (&[ON], true),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")], false),
            (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://c/x")], true),
            (&[ON, ("OTEL_TRACES_EXPORTER", "")], true),
            (&[ON, ("OTEL_TRACES_EXPORTER", "none")], false),
            (&[ON, ("OTEL_SDK_DISABLED", "TRUE")], false),
            (&[ON, ("OTEL_SDK_DISABLED", "false")], true),
        ] {
            assert_eq!(read(set).unwrap().is_some(), is_on, "{set:?}");
        }
        let misspelt = |name: &str| (name == EXPORTER).then(|| "oltp".to_owned());
        let Ok(Environment::Off(warnings)) = Settings::read(misspelt, "x", "1") else {
            panic!("on");
        };
        assert_eq!((warnings.len(), warnings[0].variable), (1, EXPORTER));
        // What is not used is not judged.
        assert!(read(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "x")]).unwrap().is_none());
        let both = [("OTEL_TRACES_EXPORTER", "zipkin")];
        assert_warned(&on(&both), "OTEL_TRACES_EXPORTER", "otlp");
    }

    #[test]
    fn the_defaults_are_those_of_the_specification() {
        let settings = read(&[("OTEL_TRACES_EXPORTER", "otlp")]).unwrap().unwrap();
        assert_eq!(settings.endpoint.authority(), "localhost:4318");
        assert_eq!(settings.endpoint.path, "/v1/traces");
        assert_eq!(settings.protocol, Protocol::HttpProtobuf);
        assert_eq!(settings.request_timeout, Duration::from_secs(10));
        assert_eq!(settings.batch_timeout, Duration::from_secs(30));
        let delay = Duration::from_secs(5);
        assert_eq!(settings.limits, Limits { queue: 2048, batch: 512, delay });
        let sampling = Sampling { is_parent_based: true, root: Root::Always };
        assert_eq!((settings.sampling, settings.warnings), (sampling, Vec::new()));
        assert!(settings.headers.is_empty());
        let grpc = [("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
        assert_eq!(read(&grpc).unwrap().unwrap().endpoint.authority(), "localhost:4317");
    }

    #[test]
    fn what_is_said_of_traces_alone_counts_more() {
        let settings = on(&[
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces/x"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=2"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/all"),
            ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/traces"),
        ]);
        assert_eq!(
            (settings.endpoint.authority(), settings.endpoint.path.as_str()),
            ("traces:443".into(), "/x")
        );
        assert_eq!(settings.protocol, Protocol::HttpProtobuf);
        assert_eq!((settings.headers.len(), &settings.headers["b"]), (1, &"2".parse().unwrap()));
        assert_eq!(settings.request_timeout, Duration::from_millis(2));
        assert_eq!(settings.files.authorities.as_deref(), Some("/traces".as_ref()));
    }

    #[test]
    fn what_does_not_say_where_spans_go_is_replaced_with_a_warning() {
        for (variable, value, used) in [
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "2048"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "many", "512"),
            ("OTEL_BSP_SCHEDULE_DELAY", "-5", "5000"),
            ("OTEL_BSP_EXPORT_TIMEOUT", "0", "30000"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "10000"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", "none"),
            ("OTEL_PROPAGATORS", "b3", "tracecontext"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a", "none"),
            ("OTEL_SDK_DISABLED", "maybe", "false"),
        ] {
            assert_warned(&on(&[(variable, value)]), variable, used);
        }
        assert_eq!(on(&[("OTEL_PROPAGATORS", "tracecontext,baggage")]).warnings, []);
    }

    #[test]
    fn what_says_where_spans_go_must_be_valid_and_is_not_shown() {
        for (variable, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "secret:4317"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://me:secret@c"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization: secret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b=secret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=secret%0a"),
            // What is not Unicode is read like this.
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=secret\u{fffd}"),
        ] {
            let error = read(&[ON, (variable, value)]).unwrap_err();
            assert_eq!(error.variable, variable);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let key = read(&[ON, ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/c")]).unwrap_err();
        assert_eq!(key.variable, "OTEL_EXPORTER_OTLP_CLIENT_KEY");
        let shown = on(&[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20secret")]);
        assert_eq!(shown.headers["authorization"], "Bearer secret");
        assert!(!format!("{shown:?}{:?}", shown.headers).contains("secret"));
    }
}
