"""A proxy of connections that loses responses: the server has done what was asked, and nobody learns it."""

import asyncio
import socket
import struct
import threading
from typing import Callable

# A request of the load is longer than this, and frames that only keep a connection going are shorter.
REQUEST = 100


class Cutter:
    """Forwards connections to a port, on a thread of its own. It is stopped at the end of the context."""

    def __init__(self, port: int, upstream: int) -> None:
        self.port, self.upstream = port, upstream
        self.loop = asyncio.new_event_loop()
        self.armed = False
        self.lost = 0
        """How many times a response was lost, with everything else on its connection."""
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.is_listening = threading.Event()

    def __enter__(self) -> "Cutter":
        self.thread.start()
        self.is_listening.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def lose_next_response(self) -> None:
        """Lets the next request pass, and cuts its connection instead of forwarding the response."""
        self.armed = True

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", self.port))
        self.is_listening.set()
        self.loop.run_forever()
        connections = asyncio.all_tasks(self.loop)
        for connection in connections:
            connection.cancel()
        self.loop.run_until_complete(asyncio.gather(*connections, return_exceptions=True))
        self.loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            abort(writer)
            return
        connection = Connection(self)
        forward = connection.forward(reader, upstream_writer, self._is_request)
        backward = connection.forward(upstream_reader, writer, self._is_lost)
        directions = [self.loop.create_task(forward), self.loop.create_task(backward)]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # The cutter stops. A stream of asyncio would log that its task was cancelled.
            pass
        abort(writer)
        abort(upstream_writer)

    def _is_request(self, connection: "Connection", data: bytes) -> bool:
        connection.has_request |= self.armed and len(data) > REQUEST
        return False

    def _is_lost(self, connection: "Connection", data: bytes) -> bool:
        is_lost = self.armed and connection.has_request and len(data) > REQUEST
        if is_lost:
            self.armed = False
            self.lost += 1
        return is_lost


class Connection:
    """A connection, and whether a request has passed since the cutter was armed."""

    def __init__(self, cutter: Cutter) -> None:
        self.cutter = cutter
        self.has_request = False

    async def forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        is_lost: Callable[["Connection", bytes], bool],
    ) -> None:
        """Forwards one direction, until it ends or a part of it is to be lost."""
        try:
            while data := await reader.read(65536):
                if is_lost(self, data):
                    return
                writer.write(data)
                await writer.drain()
        except OSError:
            pass


def abort(writer: asyncio.StreamWriter) -> None:
    """Resets a connection."""
    raw = writer.get_extra_info("socket")
    try:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    writer.transport.abort()
