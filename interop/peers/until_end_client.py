"""A client that writes a message without FIN and reads until the server ends the stream.

In the wild: a sample client whose read loop ends only at the end of the stream, so that it needs
one message per stream (`qecho server --end after-message`). If FIN comes later than the echo, some
of them have asked for the next message by then: `--together` fails unless both came at once.
"""

import argparse

from verified_connection import (
    PeerFailed,
    VerifiedConnection,
    arguments,
    main,
    step,
    verified_connection,
)


async def run(args: argparse.Namespace) -> None:
    async with verified_connection(args) as connection:
        step(f"connected, ALPN {connection.alpn}")
        for message in args.message or ["this is a message"]:
            await until_end(connection, message, args.together)
    step("done")


async def until_end(connection: VerifiedConnection, message: str, together: bool) -> None:
    sent, stream = message.encode(), connection.open_stream()
    connection.send(stream, sent)
    arrived = connection.arrived[stream]
    try:
        await connection.until(lambda: arrived.ended, "end of the stream")
    except PeerFailed as failure:
        raise PeerFailed(f"{failure}; {len(arrived.data)} of {len(sent)} bytes came back") from None
    if arrived.reset_code is not None:
        raise PeerFailed(f"the stream was reset with code {arrived.reset_code}")
    if len(arrived.data) < len(sent):
        raise PeerFailed(f"the stream ended after {len(arrived.data)} of {len(sent)} bytes")
    if bytes(arrived.data) != sent:
        raise PeerFailed(f"{bytes(arrived.data)!r} came back for {sent!r}")
    if together and arrived.fin_came_alone:
        raise PeerFailed("FIN came later than the echo")
    step(f'echo: "{arrived.data.decode()}"')


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("-m", "--message", action="append", metavar="TEXT", help="once per stream")
    parser.add_argument("--together", action="store_true", help="echo and FIN in one frame")
    main(run, parser)
