"""A client that connects twice, and the second time sends its message with the first packets.

In the wild: clients that keep session tickets to save a round trip (0-RTT, RFC 9001 section 4.6).
Says whether the server allowed it, took it or rejected it; aioquic sends rejected data again.
"""

import argparse

from verified_connection import VerifiedConnection, arguments, main, step, verified_connection

MESSAGE = b"the earlier the better"


async def run(args: argparse.Namespace) -> None:
    async with verified_connection(args) as connection:
        stream = connection.open_stream()
        connection.send(stream, MESSAGE, end_stream=True)
        await connection.check_echo(stream, MESSAGE)
        await connection.until(lambda: bool(connection.tickets), "session ticket")
    ticket = connection.tickets[-1]
    if ticket.max_early_data_size is None:
        step("0-RTT not allowed")
        step("done")
        return
    streams: list[int] = []

    def send_early(connection: VerifiedConnection) -> None:
        streams.append(connection.open_stream())
        connection._quic.send_stream_data(streams[0], MESSAGE, end_stream=True)

    async with verified_connection(args, ticket=ticket, before=send_early) as connection:
        assert connection.handshake is not None, "it was waited for"
        accepted = connection.handshake.early_data_accepted
        step(f"0-RTT {'accepted' if accepted else 'rejected'}")
        await connection.check_echo(streams[0], MESSAGE)
    step("done")


if __name__ == "__main__":
    main(run, arguments(__doc__))
