"""A proxy before the gateway that follows a plan."""

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .plan import REJECT_SECONDS, Fate, Plan

OVERLOADED = {
    "type": "about:blank", "title": "Service unavailable", "status": 503, "code": "UNAVAILABLE",
    "detail": "try again", "errors": [{"message": "try again", "details": "OVERLOADED"}],
}  # fmt: skip


class RestProxy:
    """Forwards to the gateway, within a context."""

    def __init__(self, upstream: str, plan: Plan) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.respond(*forward(upstream, self, b""))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                deadline = self.headers["Request-Timeout"]
                fate = plan.next(self.headers["Idempotency-Key"], float(deadline) if deadline else None)
                if fate == Fate.REJECT:
                    headers = {"Retry-After": str(REJECT_SECONDS), "Content-Type": "application/problem+json"}
                    return self.respond(503, headers, json.dumps(OVERLOADED).encode())
                response = forward(upstream, self, body) if fate != Fate.DROP else None
                if fate == Fate.PASS:
                    return self.respond(*response)
                if fate == Fate.BREAK:
                    return self.respond(500, {}, b"")
                if fate == Fate.BREAK_IN_HTML:
                    return self.respond(500, {"Content-Type": "text/html"}, b"<h1>Internal Server Error</h1>")
                self.close_connection = True

            def respond(self, status: int, headers: dict, body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self) -> str:
        self.thread.start()
        return "http://127.0.0.1:%d" % self.server.server_port

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def forward(upstream: str, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict, bytes]:
    names = ("Authorization", "Content-Type", "Idempotency-Key", "Request-Timeout")
    headers = {name: request.headers[name] for name in names if request.headers[name]}
    connection = http.client.HTTPConnection(upstream, timeout=20)
    connection.request(request.command, request.path, body or None, headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    kept = {name: value for name, value in response.getheaders() if name.lower() in ("content-type", "retry-after")}
    return response.status, kept, content
