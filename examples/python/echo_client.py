#!/usr/bin/env python3
"""An echo client for pure QUIC (no HTTP/3) on aioquic, after docs/protocol.md.

    pip install 'aioquic==1.7.*'
    qecho server                                           # prints the path of its CA
    python echo_client.py localhost --ca CA.pem            # asks for messages; Ctrl-D ends
    python echo_client.py localhost --ca CA.pem -m "this is a message" --over uni

It sends each message, waits for as many bytes, compares them, and at the end sends FIN and waits
for the server's. Exit code: 0 all came back; 1 something did not; 2 it could not run.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.tls import load_pem_x509_certificates

FIN = "peer closed the stream"
DATAGRAM_MAX = 1100  # bytes that fit into aioquic's packets of 1,200 whatever the headers
KEEP_ALIVE_SECONDS = 15.0  # a person may think for an hour at the prompt
PROMPT_THREAD = ThreadPoolExecutor(1)


class EchoFailed(Exception):
    """Says in one line why a message did not come back."""


class EchoClient(QuicConnectionProtocol):
    """Collects what comes back on one stream, or in DATAGRAM frames (`stream` is None)."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.stream: int | None = None
        self.connected = False
        self.arrived, self.end, self.news = bytearray(), "", asyncio.Event()

    def quic_event_received(self, event: events.QuicEvent) -> None:
        ours = self.stream is not None and getattr(event, "stream_id", None) == self.stream
        if isinstance(event, events.StreamDataReceived) and ours:
            self.arrived += event.data
            self.end = FIN if event.end_stream else self.end
        elif isinstance(event, events.StreamReset) and ours:
            self.end = f"peer reset the stream with code {event.error_code}"
        elif isinstance(event, events.DatagramFrameReceived) and self.stream is None:
            self.arrived += event.data
        elif isinstance(event, events.HandshakeCompleted):
            self.connected = True
        elif isinstance(event, events.ConnectionTerminated):
            why = f"code {event.error_code:#x}, {event.reason_phrase or 'no reason given'}"
            self.end = self.end or f"connection closed ({why})"
        self.news.set()

    async def until(self, ready: Callable[[], bool]) -> None:
        while not (ready() or self.end):
            self.news.clear()
            await self.news.wait()

    async def back(self, count: int) -> bytes:
        """Returns the next `count` bytes that came back."""
        await self.until(lambda: len(self.arrived) >= count)
        if (missing := count - len(self.arrived)) > 0:
            raise EchoFailed(f"{self.end} without echoing {missing} of {count} bytes")
        data = bytes(self.arrived[:count])
        del self.arrived[:count]
        return data

    async def prompt(self) -> str | None:
        """Asks in a thread, so that the connection goes on answering; None is end of input."""
        line = self._loop.run_in_executor(PROMPT_THREAD, ask)
        end = asyncio.ensure_future(self.until(lambda: False))
        while not (line.done() or end.done()):
            self._quic.send_ping(0)
            self.transmit()
            await asyncio.wait(
                (line, end), timeout=KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
        end.cancel()
        if self.end:
            raise EchoFailed(self.end)
        return line.result()


def ask() -> str | None:
    try:
        while not (text := input("Message: ")):
            pass
        return text
    except EOFError:
        return None


async def echo(client: EchoClient, args: argparse.Namespace) -> None:
    if not client.connected:
        raise EchoFailed(f"cannot connect: {client.end}")
    quic, stream, texts = client._quic, None, iter(args.message)
    if args.over != "datagram":
        stream = quic.get_next_available_stream_id(is_unidirectional=args.over == "uni")
        client.stream = stream + 1 if args.over == "uni" else stream  # protocol.md: 4n+2, 4n+3
    while (text := next(texts, None) if args.message else await client.prompt()) is not None:
        data, began = text.encode(), time.perf_counter()
        if stream is not None:
            quic.send_stream_data(stream, data)
        elif len(data) <= DATAGRAM_MAX:
            quic.send_datagram_frame(data)
        else:
            raise EchoFailed(f"{len(data)} bytes do not fit into one DATAGRAM frame")
        client.transmit()
        if await asyncio.wait_for(client.back(len(data)), args.timeout) != data:
            raise EchoFailed(f"the {len(data)} bytes that came back differ from those sent")
        took_ms = (time.perf_counter() - began) * 1000
        shown = json.dumps(text, ensure_ascii=False)
        print(f"echo: {shown} {len(data)} bytes in {took_ms:.2f} ms", flush=True)
    if stream is not None:
        quic.send_stream_data(stream, b"", end_stream=True)
        client.transmit()
        await asyncio.wait_for(client.until(lambda: False), args.timeout)
    if client.arrived or client.end not in ("", FIN):
        raise EchoFailed(client.end if not client.arrived else "more came back than was sent")
    print("done", flush=True)


async def run(args: argparse.Namespace) -> int:
    try:
        authorities = Path(args.ca).read_bytes() if args.ca else None
        load_pem_x509_certificates(authorities or b"")  # aioquic itself would look too late
        config = QuicConfiguration(
            alpn_protocols=None if args.alpn == "none" else [args.alpn],
            idle_timeout=120.0,
            max_datagram_frame_size=65536,
            cadata=authorities,
        )
        async with connect(
            args.host,
            args.port,
            configuration=config,
            create_protocol=EchoClient,
            wait_connected=False,  # else a silent server would hold us for the idle timeout
        ) as protocol:
            client = cast(EchoClient, protocol)
            client.transmit()
            await asyncio.wait_for(client.until(lambda: client.connected), args.timeout)
            await echo(client, args)
        return 0
    except EchoFailed as failure:
        code, line = 1, str(failure)
    except asyncio.TimeoutError:
        code, line = 1, f"no answer within {args.timeout:g} s"
    except (OSError, ValueError) as error:
        code, line = 2, f"cannot start: {error}"
    print(f"echo_client: {line}", file=sys.stderr, flush=True)
    return code


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("host", help="name or address that the server's certificate must hold")
    parser.add_argument("--port", type=int, default=4433)
    parser.add_argument("--ca", help="PEM file to trust in place of the usual authorities")
    parser.add_argument("--alpn", choices=("echo", "none"), default="echo")
    parser.add_argument("-m", "--message", action="append", default=[], metavar="TEXT")
    parser.add_argument("--over", choices=("stream", "uni", "datagram"), default="stream")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds to wait for an answer")
    logging.getLogger("quic").setLevel(logging.ERROR)  # one line of ours says it
    try:
        return asyncio.run(run(parser.parse_args()))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # the prompt's thread may still wait in input(), which nothing can interrupt
