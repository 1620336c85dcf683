"""A QUIC server on aioquic that does not answer clients which offer no protocol that it takes.

It is a fault: a server is to say no_application_protocol (RFC 9001 §8.1).
"""

import argparse
import asyncio

from aioquic.asyncio import serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

send = QuicConnection.datagrams_to_send


def send_unless_refused(self: QuicConnection, now: float) -> list:
    """Leaves out what would be sent because the ClientHello was refused."""
    datagrams = send(self, now)
    is_refused = self._close_event is not None and not self._handshake_complete
    return [] if is_refused else datagrams


async def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("cert")
    parser.add_argument("key")
    parser.add_argument("alpn")
    arguments = parser.parse_args()
    QuicConnection.datagrams_to_send = send_unless_refused
    config = QuicConfiguration(is_client=False, alpn_protocols=[arguments.alpn])
    config.load_cert_chain(arguments.cert, arguments.key)
    await serve(arguments.address, arguments.port, configuration=config)
    await asyncio.Event().wait()


asyncio.run(main())
