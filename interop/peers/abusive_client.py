"""A client that breaks off at random byte counts, and then asks whether the server still echoes.

In the wild: browsers, scanners and crashing applications. Sample echo servers panic when a stream
is reset under them or the connection goes while they write. On each connection some streams are
reset (RESET_STREAM), stopped (STOP_SENDING) or half-closed (FIN), and some connections are closed
in the middle. What docs/protocol.md promises in answer is checked. A seed repeats every decision,
though not the timing of packets.
"""

import argparse
import asyncio
import random
from dataclasses import dataclass

from verified_connection import (
    ConnectionEnded,
    PeerFailed,
    VerifiedConnection,
    arguments,
    main,
    step,
    verified_connection,
)

BYTES_LOG2_MAX = 16  # 64 KiB: beyond the first flight, within the first flow-control window
BIDIRECTIONAL_MAX = 6
UNIDIRECTIONAL_MAX = 3  # a server may allow no more at first, and aioquic would not wait to reset
PAUSES = (0.0, 0.001, 0.01)


@dataclass(frozen=True)
class Abuse:
    """What happens to one stream."""

    action: str  # reset, stop, half-close
    unidirectional: bool
    payload: bytes
    code: int
    pause: float

    def __str__(self) -> str:
        way = "uni" if self.unidirectional else "stream"
        return f"{way} {self.action} at {len(self.payload)}"


def plan(rng: random.Random, unidirectional: bool) -> Abuse:
    action = rng.choice(("reset", "stop", "half-close"))
    count = int(2 ** rng.uniform(0, BYTES_LOG2_MAX)) - 1
    if unidirectional and action == "stop":
        count += 1  # the server has no stream to stop before there is something to echo
    payload, code, pause = rng.randbytes(count), rng.randrange(1000), rng.choice(PAUSES)
    return Abuse(action, unidirectional, payload, code, pause)


async def commit(connection: VerifiedConnection, stream: int, abuse: Abuse) -> None:
    """Does it, and checks the server's answer."""
    answer = stream + 1 if abuse.unidirectional else stream
    arrived = connection.arrived[answer]
    connection.send(stream, abuse.payload, end_stream=abuse.action == "half-close")
    await asyncio.sleep(abuse.pause)
    if abuse.action == "reset":
        connection._quic.reset_stream(stream, abuse.code)
        connection.transmit()
        await connection.until(lambda: arrived.reset_code is not None, f"answer to {abuse}")
    elif abuse.action == "stop":
        if abuse.unidirectional:
            await connection.until(lambda: bool(arrived.data), f"echo to stop in {abuse}")
        connection._quic.stop_stream(answer, abuse.code)
        connection.transmit()
        stopped = connection.arrived[stream]
        await connection.until(
            lambda: arrived.reset_code is not None and stopped.stop_code is not None,
            f"RESET_STREAM and STOP_SENDING in answer to {abuse}",
        )
        if stopped.stop_code != abuse.code:
            raise PeerFailed(f"{abuse}: code {abuse.code} came back as {stopped.stop_code}")
    else:
        await connection.until(lambda: arrived.fin, f"FIN in answer to {abuse}")
        if bytes(arrived.data) != abuse.payload:
            raise PeerFailed(f"{abuse}: the {len(arrived.data)} bytes that came back differ")
    if abuse.action != "half-close" and arrived.reset_code != abuse.code:
        raise PeerFailed(f"{abuse}: code {abuse.code} came back as {arrived.reset_code}")
    if not abuse.payload.startswith(arrived.data):
        raise PeerFailed(f"{abuse}: other bytes came back than were sent")


async def abuse_connection(args: argparse.Namespace, rng: random.Random, number: int) -> None:
    abuses = [plan(rng, False) for _ in range(rng.randint(1, BIDIRECTIONAL_MAX))]
    abuses += [plan(rng, True) for _ in range(rng.randint(0, UNIDIRECTIONAL_MAX))]
    close_code = rng.randrange(1000) if rng.random() < 1 / 3 else None
    close_after = rng.choice(PAUSES)
    async with verified_connection(args) as connection:
        running = [
            asyncio.ensure_future(commit(connection, connection.open_stream(a.unidirectional), a))
            for a in abuses
        ]
        if close_code is not None:
            await asyncio.sleep(close_after)
            connection.close(close_code, "abusive client")
            for task in running:
                task.cancel()
        for result in await asyncio.gather(*running, return_exceptions=True):
            # One that was about to go on hears of the close before it is cancelled.
            ours = isinstance(result, ConnectionEnded) and result.code == close_code
            if isinstance(result, Exception) and not ours:
                raise result
    outcome = "answered" if close_code is None else f"closed with code {close_code}"
    step(f"connection {number}: {', '.join(map(str, abuses))}: {outcome}")


async def check_alive(args: argparse.Namespace) -> None:
    message = b"is anybody there?"
    async with verified_connection(args) as connection:
        for unidirectional in (False, True):
            stream = connection.open_stream(unidirectional)
            connection.send(stream, message, end_stream=True)
            arrived = connection.arrived[stream + unidirectional]
            await connection.until(lambda: arrived.fin, "echo on a fresh connection")
            if bytes(arrived.data) != message:
                raise PeerFailed(f"{bytes(arrived.data)!r} came back on a fresh connection")
    step("the server still echoes")


async def run(args: argparse.Namespace) -> None:
    rng = random.Random(args.seed)
    step(f"seed {args.seed}")
    for number in range(1, args.connections + 1):
        await abuse_connection(args, rng, number)
    await check_alive(args)
    step("done")


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--connections", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    main(run, parser)
