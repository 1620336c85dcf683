"""A server that answers any message with FIN alone and echoes nothing.

In the wild: a known sample server without ALPN that prints what it receives and closes the stream.
An honest client says that the stream ended without the echo.
"""

from aioquic.asyncio import QuicConnectionProtocol
from aioquic.quic import events

import serving


class FinOnly(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.answered: set[int] = set()

    def quic_event_received(self, event: events.QuicEvent) -> None:
        if not isinstance(event, events.StreamDataReceived) or event.stream_id % 4 != 0:
            return
        if event.stream_id not in self.answered:
            self.answered.add(event.stream_id)
            self._quic.send_stream_data(event.stream_id, b"", end_stream=True)


if __name__ == "__main__":
    serving.main(FinOnly, __doc__)
