"""A client that sends a message and then blocks its whole event loop, acknowledging nothing.

In the wild: a sample client that calls input() inside its event loop. For as long as the person
thinks it reads no packet and fires no timer, while the server retransmits into its socket buffer.
The echo must be there when it wakes, and the connection must carry a second message.
"""

import argparse
import time

from verified_connection import IDLE_TIMEOUT_SECONDS, arguments, main, step, verified_connection


async def run(args: argparse.Namespace) -> None:
    message = args.message.encode()
    # Our own idle timeout must not be what ends the connection.
    async with verified_connection(args, max(IDLE_TIMEOUT_SECONDS, 2 * args.block)) as connection:
        step(f"connected, ALPN {connection.alpn}")
        stream = connection.open_stream()
        connection.send(stream, message)
        step(f"sent, blocking the event loop for {args.block:g} s")
        time.sleep(args.block)
        await connection.check_echo(stream, message)
        step("echo after the block")
        connection.send(stream, message)
        await connection.check_echo(stream, message)
        step("echo of a second message")
    step("done")


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--block", type=float, default=45.0, metavar="SECONDS")
    parser.add_argument("-m", "--message", default="this is a message", metavar="TEXT")
    main(run, parser)
