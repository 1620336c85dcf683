"""A server that reads everything and never answers.

In the wild: a discard service, or an application that hangs behind a live QUIC stack: packets are
acknowledged, windows grow, and no byte comes back. A client needs a time limit of its own.
"""

from aioquic.asyncio import QuicConnectionProtocol
from aioquic.quic import events

import serving


class Sink(QuicConnectionProtocol):
    def quic_event_received(self, event: events.QuicEvent) -> None:
        pass


if __name__ == "__main__":
    serving.main(Sink, __doc__)
