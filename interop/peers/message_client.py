"""A client that writes one UTF-8 message without a newline, waits for its echo, and closes.

In the wild: the sample clients that people start with. They offer no ALPN, frame nothing, never
send FIN, and close the connection as soon as they have seen enough. `--alpn echo` is the same
client, taught to offer a name.
"""

import argparse

from verified_connection import arguments, main, step, verified_connection


async def run(args: argparse.Namespace) -> None:
    message = args.message.encode()
    async with verified_connection(args) as connection:
        step(f"connected, ALPN {connection.alpn}")
        stream = connection.open_stream()
        connection.send(stream, message)
        step(f"sent {len(message)} bytes")
        await connection.check_echo(stream, message)
        step(f'echo: "{args.message}"')
    step(f"done, sessions to resume: {len(connection.tickets)}")


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("-m", "--message", default="Grüße, 日本語", metavar="TEXT")
    main(run, parser)
