"""Runs a client peer: its arguments, a connection that verifies the server, its exit codes.

Every client peer prints one line per step and ends with 0, or says on one line of stderr what went
wrong and ends with 1; 2 is wrong usage. No wait is without a time limit.
"""

import argparse
import asyncio
import logging
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.tls import SessionTicket, load_pem_x509_certificates

ANSWER_SECONDS = 10.0
IDLE_TIMEOUT_SECONDS = 60.0
LINGER_SECONDS = 1.0


class PeerFailed(Exception):
    """Says in one line what the server did not do."""


class ConnectionEnded(PeerFailed):
    """The connection was closed, by either side, before what was waited for."""

    def __init__(self, what: str, code: int, reason: str) -> None:
        words = reason or "no reason given"
        super().__init__(f"connection closed before {what}: code {code:#x}, {words}")
        self.code = code


@dataclass
class Arrived:
    """What came from the server on one stream."""

    data: bytearray = field(default_factory=bytearray)
    fin: bool = False
    fin_came_alone: bool = False
    reset_code: int | None = None
    stop_code: int | None = None

    @property
    def ended(self) -> bool:
        return self.fin or self.reset_code is not None


class VerifiedConnection(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.arrived: defaultdict[int, Arrived] = defaultdict(Arrived)
        self.handshake: events.HandshakeCompleted | None = None
        self.tickets: list[SessionTicket] = []
        self.terminated: events.ConnectionTerminated | None = None
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    def quic_event_received(self, event: events.QuicEvent) -> None:
        if isinstance(event, events.StreamDataReceived):
            stream = self.arrived[event.stream_id]
            stream.data += event.data
            stream.fin = event.end_stream
            stream.fin_came_alone = event.end_stream and not event.data
        elif isinstance(event, events.StreamReset):
            self.arrived[event.stream_id].reset_code = event.error_code
        elif isinstance(event, events.StopSendingReceived):
            self.arrived[event.stream_id].stop_code = event.error_code
        elif isinstance(event, events.HandshakeCompleted):
            self.handshake = event
        elif isinstance(event, events.ConnectionTerminated):
            self.terminated = event
        for ready, wake in self._waiting:
            if not wake.done() and (ready() or self.terminated):
                wake.set_result(None)

    @property
    def alpn(self) -> str:
        return (self.handshake and self.handshake.alpn_protocol) or "none"

    def send(self, stream: int, data: bytes, end_stream: bool = False) -> None:
        """Hands the data to the kernel now, as far as congestion control lets it go."""
        self._quic.send_stream_data(stream, data, end_stream)
        self.transmit()

    def open_stream(self, unidirectional: bool = False) -> int:
        stream = self._quic.get_next_available_stream_id(is_unidirectional=unidirectional)
        self._quic.send_stream_data(stream, b"")  # takes the ID, sends nothing yet
        return stream

    async def until(
        self, ready: Callable[[], bool], what: str, seconds: float = ANSWER_SECONDS
    ) -> None:
        """Waits until `ready`, or fails naming `what` was missed."""
        if not ready() and not self.terminated:
            entry = (ready, self._loop.create_future())
            self._waiting.append(entry)
            try:
                await asyncio.wait_for(entry[1], seconds)
            except asyncio.TimeoutError:
                raise PeerFailed(f"no {what} within {seconds:g} s") from None
            finally:
                self._waiting.remove(entry)
        if not ready():
            end = self.terminated
            assert end is not None, "nothing else ends the wait"
            raise ConnectionEnded(what, end.error_code, end.reason_phrase)

    async def check_echo(
        self, stream: int, message: bytes, seconds: float = ANSWER_SECONDS
    ) -> None:
        """Takes the echo of a message off the stream, or fails if it is not the same."""
        arrived, count = self.arrived[stream], len(message)
        await self.until(
            lambda: len(arrived.data) >= count or arrived.ended, f"echo of {count} bytes", seconds
        )
        if len(arrived.data) < count:
            how = "FIN" if arrived.fin else f"RESET_STREAM code {arrived.reset_code}"
            raise PeerFailed(f"stream ended ({how}) after {len(arrived.data)} of {count} bytes")
        echo = bytes(arrived.data[:count])
        del arrived.data[:count]
        if echo != message:
            raise PeerFailed(f"stream {stream}: the bytes that came back differ from those sent")


@asynccontextmanager
async def verified_connection(
    args: argparse.Namespace,
    idle_timeout: float = IDLE_TIMEOUT_SECONDS,
    answer_seconds: float = ANSWER_SECONDS,
    ticket: SessionTicket | None = None,
    before: Callable[[VerifiedConnection], None] | None = None,
) -> AsyncIterator[VerifiedConnection]:
    """Connects, and closes with code 0 at the end unless the connection is closed by then.

    `before` is called before the first packet is sent.
    """
    authorities = args.ca.read_bytes()
    load_pem_x509_certificates(authorities)  # aioquic would read them in the middle of a packet
    configuration = QuicConfiguration(
        alpn_protocols=None if args.alpn == "none" else [args.alpn],
        cadata=authorities,
        idle_timeout=idle_timeout,
        secrets_log_file=args.keylog,
        session_ticket=ticket,
    )
    if args.cert:
        configuration.load_cert_chain(args.cert, args.key)
    tickets: list[SessionTicket] = []
    async with connect(
        args.host,
        args.port,
        configuration=configuration,
        create_protocol=VerifiedConnection,
        session_ticket_handler=tickets.append,
        wait_connected=False,  # it would wait for a silent server until the idle timeout
    ) as protocol:
        connection = cast(VerifiedConnection, protocol)
        connection.tickets = tickets
        if before:
            before(connection)
        connection.transmit()
        await connection.until(
            lambda: connection.handshake is not None, "end of the handshake", answer_seconds
        )
        try:
            yield connection
        finally:
            connection.close()
            try:
                await asyncio.wait_for(connection.wait_closed(), LINGER_SECONDS)
            except asyncio.TimeoutError:
                # aioquic lingers for three PTOs. After a blocked event loop those are minutes,
                # for the time until the acknowledgement was read has become its RTT.
                connection._closed.set()


def arguments(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("host", nargs="?", default="localhost")
    parser.add_argument("--port", type=int, default=4433)
    parser.add_argument("--ca", type=Path, required=True, help="PEM file of the CA to trust")
    parser.add_argument("--alpn", default="none", metavar="NAME", help="or none, the default")
    parser.add_argument("--cert", type=Path, help="PEM file of the client's own certificate")
    parser.add_argument("--key", type=Path, help="PEM file of its key")
    parser.add_argument(
        "--keylog", type=argparse.FileType("a"), metavar="FILE", help="append the TLS secrets"
    )
    parser.add_argument("--limit", type=float, default=90.0, metavar="SECONDS")
    return parser


def step(line: str) -> None:
    print(line, flush=True)


def main(
    run: Callable[[argparse.Namespace], Awaitable[None]], parser: argparse.ArgumentParser
) -> None:
    """Runs the client within its time limit and exits."""
    logging.getLogger("quic").setLevel(logging.ERROR)  # one line of ours says it
    args = parser.parse_args()
    try:
        asyncio.run(within_limit(run, args))
    except (PeerFailed, OSError, ValueError) as failure:
        sys.exit(f"{parser.prog}: {failure}")


async def within_limit(
    run: Callable[[argparse.Namespace], Awaitable[None]], args: argparse.Namespace
) -> None:
    try:
        await asyncio.wait_for(run(args), args.limit)
    except asyncio.TimeoutError:
        raise PeerFailed(f"time limit of {args.limit:g} s is over") from None
