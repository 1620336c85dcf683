"""Runs a server peer: its arguments, its certificate, its first line, its end.

Every server peer prints `{"event":"listening","port":N,"ca":PATH}` when it is ready (`ca` is null
where --cert was given), ends with 0 on SIGINT or SIGTERM, and with 1 when its time limit is over.
"""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from pathlib import Path

from aioquic.asyncio import QuicConnectionProtocol
from aioquic.asyncio.server import QuicServer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.tls import SessionTicket

from certificates import write_loopback_certificate

# The example server is a peer too, and the peers that echo wrongly build on it.
sys.path.append(str(Path(__file__).resolve().parents[2] / "examples" / "python"))

import echo_server

EchoProtocol = echo_server.EchoProtocol


def main(protocol: type[QuicConnectionProtocol], description: str | None) -> None:
    """Serves every connection with `protocol` and exits."""
    sys.exit(asyncio.run(serve(protocol, arguments(description))))


def arguments(description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--alpn", metavar="NAME", help="without it: select none, accept anybody")
    parser.add_argument("--cert", type=Path, help="PEM chain, leaf first")
    parser.add_argument("--key", type=Path, help="PEM private key")
    parser.add_argument(
        "--write-cert", type=Path, metavar="FILE", help="make a certificate; its CA goes here"
    )
    parser.add_argument("--early-data", action="store_true", help="take 0-RTT, once a session")
    parser.add_argument("--limit", type=float, default=90.0, metavar="SECONDS")
    args = parser.parse_args()
    if bool(args.cert) != bool(args.key) or bool(args.cert) == bool(args.write_cert):
        parser.error("give either --cert and --key, or --write-cert")
    return args


async def serve(protocol: type[QuicConnectionProtocol], args: argparse.Namespace) -> int:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    config = configuration(args)
    tickets: dict[bytes, SessionTicket] = {}

    def keep(ticket: SessionTicket) -> None:
        tickets[ticket.ticket] = ticket

    def take(label: bytes) -> SessionTicket | None:
        return tickets.pop(label, None)

    transport, server = await loop.create_datagram_endpoint(
        lambda: QuicServer(
            configuration=config,
            create_protocol=protocol,
            session_ticket_fetcher=take if args.early_data else None,
            session_ticket_handler=keep if args.early_data else None,
        ),
        local_addr=(args.host, args.port),
    )
    listening = {
        "event": "listening",
        "port": transport.get_extra_info("sockname")[1],
        "ca": str(args.write_cert.resolve()) if args.write_cert else None,
    }
    print(json.dumps(listening, separators=(",", ":")), flush=True)
    try:
        await asyncio.wait_for(stop.wait(), args.limit)
    except asyncio.TimeoutError:
        print(f"time limit of {args.limit:g} s is over", file=sys.stderr)
        return 1
    finally:
        server.close()
    return 0


def configuration(args: argparse.Namespace) -> QuicConfiguration:
    if args.cert:
        return echo_server.configuration(args.cert, args.key, args.alpn)
    with tempfile.TemporaryDirectory() as folder:
        cert, key = Path(folder, "cert.pem"), Path(folder, "key.pem")
        write_loopback_certificate(args.write_cert, cert, key)
        return echo_server.configuration(cert, key, args.alpn)
