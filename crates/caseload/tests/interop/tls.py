"""A proxy that ends TLS before the gateway, as a load balancer does."""

import http.client
import os
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import trustme

# Headers of one connection (RFC 9110, 7.6.1), and those that the proxy itself decides on.
NOT_FORWARDED = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}


class TlsProxy(socketserver.ThreadingTCPServer):
    """Answers for one host, over TLS, with a certificate of its own authority.

    Clients reach it as a forward proxy (CONNECT), which is how they take it for any host at any port
    without a change to them or to the machine's names.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, host: str, gateway: str, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.gateway = gateway
        self.target = f"{host}:443"
        self.ca_file = directory / "ca.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(host).configure_cert(self.tls)

    @contextmanager
    def serving(self) -> Iterator["TlsProxy"]:
        """Serves until the end of the context."""
        thread = threading.Thread(target=self.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()

    def environment(self, trusted: bool = True) -> dict[str, str]:
        """Returns the environment in which clients reach the proxy, and trust its authority."""
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        address = f"http://127.0.0.1:{self.server_address[1]}"
        trust = {"SSL_CERT_FILE": str(self.ca_file)} if trusted else {}
        return kept | {"HTTPS_PROXY": address} | trust


class Handler(BaseHTTPRequestHandler):
    """A connection: CONNECT, then TLS, then requests that are forwarded."""

    protocol_version = "HTTP/1.1"
    server: TlsProxy

    def do_CONNECT(self) -> None:
        if self.path != self.server.target:
            self.send_error(502)
            return
        self.send_response_only(200)
        self.end_headers()
        try:
            self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        except (ssl.SSLError, OSError):
            # The client does not trust the certificate.
            self.close_connection = True
            return
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", 0)

    def forward(self) -> None:
        if not isinstance(self.connection, ssl.SSLSocket):
            self.send_error(400)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_FORWARDED}
        headers["X-Forwarded-For"] = self.client_address[0]
        headers["X-Forwarded-Proto"] = "https"
        headers["X-Forwarded-Host"] = self.headers["Host"]
        gateway = http.client.HTTPConnection(self.server.gateway)
        try:
            gateway.request(self.command, self.path, body or None, headers)
            response = gateway.getresponse()
            content = response.read()
        finally:
            gateway.close()
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in NOT_FORWARDED:
                self.send_header(name, value)
        if response.status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = forward

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def log_message(self, *_: object) -> None:
        """Logs nothing."""
