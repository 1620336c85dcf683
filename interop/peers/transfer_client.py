"""A client that opens many connections or streams at once, or sends much, and compares the echoes.

In the wild: the clients of the public QUIC interop suite, which fetch files of random bytes. Each of
`--connections` opens `--streams` streams, writes `--size` bytes and FIN on each, and reads to FIN.
"""

import argparse
import asyncio
import os

from verified_connection import (
    PeerFailed,
    VerifiedConnection,
    arguments,
    main,
    step,
    verified_connection,
)


async def run(args: argparse.Namespace) -> None:
    await asyncio.gather(*(one_connection(args) for _ in range(args.connections)))
    step("done")


async def one_connection(args: argparse.Namespace) -> None:
    async with verified_connection(args, answer_seconds=args.limit) as connection:
        await asyncio.gather(*(one_stream(connection, args) for _ in range(args.streams)))
        step(f"{args.streams} streams of {args.size} bytes came back")


async def one_stream(connection: VerifiedConnection, args: argparse.Namespace) -> None:
    message = os.urandom(args.size)
    stream = connection.open_stream()
    connection.send(stream, message, end_stream=True)
    await connection.check_echo(stream, message, args.limit)
    arrived = connection.arrived[stream]
    await connection.until(lambda: arrived.ended, f"end of stream {stream}", args.limit)
    if arrived.data or not arrived.fin:
        raise PeerFailed(f"stream {stream} did not end with FIN after its echo")


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--connections", type=int, default=1, metavar="N")
    parser.add_argument("--streams", type=int, default=1, metavar="N", help="on each connection")
    parser.add_argument("--size", type=int, default=1024, metavar="BYTES", help="on each stream")
    main(run, parser)
