//! Envoy between clients and servers, with the retries that docs/OPERATIONS.md calls safe.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use serde_json::{Value, json};

use crate::{endpoints::ENVOY, guardian::Guardian};

const API: &str = "type.googleapis.com/envoy.extensions";

/// A running Envoy. It is killed on drop.
pub(crate) struct Envoy {
    child: Child,
    guardian: Arc<Guardian>,
}

impl Envoy {
    /// Starts a program, which is Envoy: calls to `listener` go to one of the servers.
    pub(crate) fn start(
        program: &Path,
        listener: SocketAddr,
        servers: &[SocketAddr],
        directory: &Path,
        guardian: &Arc<Guardian>,
    ) -> Self {
        let file = directory.join("envoy.json");
        fs::write(&file, configuration(listener, servers).to_string()).unwrap();
        let child = Command::new(program)
            .arg("--config-path")
            .arg(file)
            .args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "error"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(directory.join("envoy.log")).unwrap())
            .spawn()
            .unwrap();
        guardian.started(child.id());
        Self { child, guardian: Arc::clone(guardian) }
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // Both fail if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.guardian.ended(self.child.id());
    }
}

fn configuration(listener: SocketAddr, servers: &[SocketAddr]) -> Value {
    let endpoints: Vec<_> =
        servers.iter().map(|server| json!({"endpoint": {"address": address(*server)}})).collect();
    let cluster = json!({
        "name": "servers",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": "servers", "endpoints": [{"lb_endpoints": endpoints}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": format!("{API}.upstreams.http.v3.HttpProtocolOptions"),
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        },
    });
    let listener = json!({
        "name": "servers",
        "address": address(listener),
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": connection_manager(),
        }]}],
    });
    json!({"static_resources": {"listeners": [listener], "clusters": [cluster]}})
}

fn connection_manager() -> Value {
    let retries = json!({"retry_on": "connect-failure,refused-stream", "num_retries": 2});
    let route = json!({"cluster": "servers", "timeout": "0s", "retry_policy": retries});
    json!({
        "@type": format!("{API}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "servers",
        "codec_type": "HTTP2",
        "server_name": ENVOY,
        "route_config": {"virtual_hosts": [{
            "name": "servers",
            "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": route}],
        }]},
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": format!("{API}.filters.http.router.v3.Router")},
        }],
    })
}

fn address(of: SocketAddr) -> Value {
    json!({"socket_address": {"address": of.ip().to_string(), "port_value": of.port()}})
}
