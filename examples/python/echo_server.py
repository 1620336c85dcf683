#!/usr/bin/env python3
"""An echo server for pure QUIC (no HTTP/3) on aioquic, after docs/protocol.md.

    pip install 'aioquic==1.7.*'
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 13 \\
        -keyout key.pem -out cert.pem -subj /CN=localhost \\
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1 \\
        -addext basicConstraints=critical,CA:FALSE
    python echo_server.py --cert cert.pem --key key.pem
    qecho client localhost --ca cert.pem

With a list of ALPN names aioquic refuses a client that offers none (no_application_protocol), and
without a list it selects none, which a client that offered `echo` must refuse in its turn. So one
server here serves one kind: `echo` by default, those that offer none (or ignore the missing answer)
with `--no-alpn`. qecho's own server serves both.

aioquic gives a server no back-pressure: it buffers what a peer sends and does not read back.
"""

import argparse
import asyncio
import json
import signal
from os import PathLike

from aioquic.asyncio import QuicConnectionProtocol
from aioquic.asyncio.server import QuicServer
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration

# A DATAGRAM frame that aioquic's packets of 1,200 bytes hold beside the longest headers. We
# announce this limit, for aioquic would never send back a larger one, nor anything behind it.
DATAGRAM_FRAME_MAX = 1150
CLIENT_UNI, SERVER_UNI = 2, 3  # the two lowest bits of a stream ID, RFC 9000 §2.1


class EchoProtocol(QuicConnectionProtocol):
    """One connection, echoed. aioquic transmits after each received UDP datagram by itself."""

    def quic_event_received(self, event: events.QuicEvent) -> None:
        if isinstance(event, events.StreamDataReceived):
            self.echo(self.answering(event.stream_id), event.data, event.end_stream)
        elif isinstance(event, events.StreamReset):
            self._quic.reset_stream(self.answering(event.stream_id), event.error_code)
        elif isinstance(event, events.StopSendingReceived):
            # aioquic has answered with RESET_STREAM; the peer may spare itself the rest as well.
            try:
                self._quic.stop_stream(self.answered_by(event.stream_id), event.error_code)
            except ValueError:
                pass  # that side was finished already
        elif isinstance(event, events.DatagramFrameReceived):
            self._quic.send_datagram_frame(event.data)

    def echo(self, stream_id: int, data: bytes, end_stream: bool) -> None:
        try:
            self._quic.send_stream_data(stream_id, data, end_stream)
        except (RuntimeError, ValueError):
            pass  # STOP_SENDING closed this direction, perhaps in the very same packet

    def answering(self, stream_id: int) -> int:
        """Returns the stream that carries the echo of `stream_id`."""
        if stream_id % 4 != CLIENT_UNI:
            return stream_id
        # Streams open in order, though packets may not come in order: open the lower ones too.
        while (next_id := self._quic.get_next_available_stream_id(True)) <= stream_id + 1:
            self._quic.send_stream_data(next_id, b"")
        return stream_id + 1

    def answered_by(self, stream_id: int) -> int:
        """Returns the stream whose echo `stream_id` carries."""
        return stream_id - 1 if stream_id % 4 == SERVER_UNI else stream_id


def configuration(cert: str | PathLike, key: str | PathLike, alpn: str | None) -> QuicConfiguration:
    config = QuicConfiguration(
        is_client=False,
        alpn_protocols=[alpn] if alpn else None,
        idle_timeout=120.0,
        max_datagram_frame_size=DATAGRAM_FRAME_MAX,
    )
    config.load_cert_chain(cert, key)
    return config


async def serve(args: argparse.Namespace) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    config = configuration(args.cert, args.key, None if args.no_alpn else "echo")
    transport, server = await loop.create_datagram_endpoint(
        lambda: QuicServer(configuration=config, create_protocol=EchoProtocol),
        local_addr=(args.host, args.port),
    )
    port = transport.get_extra_info("sockname")[1]
    print(json.dumps({"event": "listening", "port": port}, separators=(",", ":")), flush=True)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default="localhost", help="address to listen on")
    parser.add_argument("--port", type=int, default=4433, help="0 takes a free port")
    parser.add_argument("--cert", required=True, help="PEM chain; see the openssl line above")
    parser.add_argument("--key", required=True, help="PEM private key")
    parser.add_argument("--no-alpn", action="store_true", help="serve clients that offer no ALPN")
    asyncio.run(serve(parser.parse_args()))
