#!/usr/bin/env python3
"""An echo server on aioquic, with the command line that all peers have.

aioquic does not search the path for its MTU: it sends packets of the size that it is told, which
loopback carries.
"""

import argparse
import asyncio

from aioquic.asyncio import QuicConnectionProtocol
from aioquic.asyncio.server import QuicServer
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration

IDLE_TIMEOUT_S = 120.0
STREAM_WINDOW = 1 << 20
CONNECTION_WINDOW = 4 << 20
# Larger than what a packet holds; the generator's messages are short.
DATAGRAM_FRAME_MAX = 65_536


class EchoProtocol(QuicConnectionProtocol):
    """One connection, echoed."""

    def quic_event_received(self, event: events.QuicEvent) -> None:
        if isinstance(event, events.StreamDataReceived):
            self._quic.send_stream_data(event.stream_id, event.data, event.end_stream)
        elif isinstance(event, events.DatagramFrameReceived):
            self._quic.send_datagram_frame(event.data)


async def serve(args: argparse.Namespace) -> None:
    host, port = args.listen.rsplit(":", 1)
    config = QuicConfiguration(
        is_client=False,
        alpn_protocols=["echo"],
        idle_timeout=IDLE_TIMEOUT_S,
        max_data=CONNECTION_WINDOW,
        max_stream_data=STREAM_WINDOW,
        max_datagram_size=args.send_payload_max,
        max_datagram_frame_size=DATAGRAM_FRAME_MAX if args.datagrams else None,
    )
    config.load_cert_chain(args.cert, args.key)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: QuicServer(configuration=config, create_protocol=EchoProtocol),
        local_addr=(host, int(port)),
    )
    address, port = transport.get_extra_info("sockname")
    print(f"listening {address}:{port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--cert", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--receive-payload-max", type=int)
    parser.add_argument("--send-payload-max", type=int, default=1_452)
    parser.add_argument("--datagrams", action="store_true")
    asyncio.run(serve(parser.parse_args()))
