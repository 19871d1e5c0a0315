"""Traces: a caller that uses OpenTelemetry's SDK, and a receiver that uses its messages and its stub of the service."""

import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Iterator

import grpc
import httpx
from dev_system import START_TIMEOUT, STOP_TIMEOUT, environment
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as services
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from .run import Run, equal, holds
from .system import System

# How long spans may take to be exported, on a busy machine.
EXPORT_TIMEOUT = 60

SERVER, GATEWAY = "caseload-server", "caseload-gateway"
ROUTE = "POST /api/v2/cases/{case_id}/tasks/batch"
METHOD = "caseload.tasks.v1.TaskService/BatchCreateTasks"


@dataclass
class Collector(services.TraceServiceServicer):
    """What was exported so far: each span, with the name of its service."""

    spans: list[tuple[str, Span]] = field(default_factory=list)
    requests: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def Export(self, request, context):
        with self.lock:
            self.requests += 1
            for resource_spans in request.resource_spans:
                attributes = {it.key: it.value.string_value for it in resource_spans.resource.attributes}
                holds(bool(attributes["service.version"] and attributes["service.instance.id"]), "a resource")
                for scope_spans in resource_spans.scope_spans:
                    self.spans += [(attributes["service.name"], span) for span in scope_spans.spans]
        return messages.ExportTraceServiceResponse()

    def of(self, trace_id: bytes) -> list[tuple[str, Span]]:
        """Returns the spans of a trace."""
        with self.lock:
            return [(service, span) for service, span in self.spans if span.trace_id == trace_id]


@contextmanager
def over_grpc(collector: Collector) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(4))
    services.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@contextmanager
def over_http(collector: Collector) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            is_valid = self.path == "/v1/traces" and self.headers["content-type"] == "application/x-protobuf"
            answer = b""
            if is_valid:
                request = messages.ExportTraceServiceRequest.FromString(body)
                answer = collector.Export(request, None).SerializeToString()
            self.send_response(200 if is_valid else 400)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Says nothing of each request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def programs(system: System, variables: dict[str, str]) -> Iterator[str]:
    """Starts a server and a gateway, each as a program of its own, on the data of a system. Returns the gateway's URL."""
    grpc_addr, http_addr = (f"127.0.0.1:{port}" for port in free_ports(2))
    quiet = {"CASELOAD_LOG_LEVEL": "error"}
    server = ["serve", "--grpc-addr", grpc_addr]
    gateway = [system.program.with_name("caseload-gateway"), "--http-addr", http_addr, "--upstream", f"http://{grpc_addr}"]
    started = [system.start(server, CASELOAD_DATABASE_URL=system.database_url, **quiet, **variables)]
    try:
        started.append(subprocess.Popen(gateway, stdin=subprocess.DEVNULL, env=environment() | quiet | variables))
        await_ready(f"http://{http_addr}/readyz")
        yield f"http://{http_addr}"
    finally:
        for process in reversed(started):
            process.terminate()
            equal(process.wait(STOP_TIMEOUT), 0, f"the exit code of {process.args[0]}")


def free_ports(count: int) -> list[int]:
    """Returns ports on which nothing listens."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [it.getsockname()[1] for it in sockets]


def await_ready(url: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        holds(time.monotonic() < deadline, f"{url} is ready")
        time.sleep(0.05)


def check(run: Run) -> str:
    count = 0
    for protocol, serve in (("grpc", over_grpc), ("http/protobuf", over_http)):
        collector = Collector()
        with serve(collector) as url:
            variables = {
                "OTEL_EXPORTER_OTLP_ENDPOINT": url,
                "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                "OTEL_BSP_SCHEDULE_DELAY": "100",
            }
            with programs(run.system, variables) as rest_url:
                count += drive(run.system, rest_url, protocol, collector)
        holds(collector.requests > 0, "requests to the collector")
    return f"{count} spans of a caller's traces, over gRPC and over HTTP"


def drive(system: System, rest_url: str, name: str, collector: Collector) -> int:
    """Creates tasks in a span of the caller's. Returns how many spans its trace has."""
    with TracerProvider().get_tracer("interop").start_as_current_span("caller") as caller:
        headers = {"Authorization": f"Bearer {system.key}", "Idempotency-Key": f"traced-{name}"}
        TraceContextTextMapPropagator().inject(headers)
        with httpx.Client(trust_env=False) as client:
            response = client.post(
                f"{rest_url}/api/v2/cases/{system.case_id}/tasks/batch",
                json={"tasks": [{"description": "traced"}]}, headers=headers,
            )  # fmt: skip
        equal(response.status_code, 201, "a batch in a trace")
        context = caller.get_span_context()
    trace_id, span_id = context.trace_id.to_bytes(16, "big"), context.span_id.to_bytes(8, "big")

    expected = [
        (GATEWAY, ROUTE, Span.SPAN_KIND_SERVER),
        (GATEWAY, METHOD, Span.SPAN_KIND_CLIENT),
        (SERVER, METHOD, Span.SPAN_KIND_SERVER),
        (SERVER, "create_tasks", Span.SPAN_KIND_CLIENT),
    ]
    deadline = time.monotonic() + EXPORT_TIMEOUT
    while True:
        spans = {(service, span.name, span.kind): span for service, span in collector.of(trace_id)}
        if all(key in spans for key in expected):
            break
        holds(time.monotonic() < deadline, f"all spans of the trace: {sorted(spans)}")
        time.sleep(0.05)
    parent = span_id
    for key in expected:
        span = spans[key]
        equal(span.parent_span_id, parent, f"the parent of {key}")
        holds(span.start_time_unix_nano <= span.end_time_unix_nano, f"the times of {key}")
        equal(span.status.code, Status.STATUS_CODE_UNSET, f"the status of {key}")
        parent = span.span_id
    statement, call = spans[expected[-1]], spans[expected[-2]]
    equal([link.span_id for link in statement.links], [call.span_id], "the links of the statement")
    return len(spans)
