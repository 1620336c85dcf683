"""A server that answers the first bytes of a stream with RESET_STREAM, code 9, and nothing else.

In the wild: an application that rejects a request or dies in its handler, while the connection
lives on. Sample clients wait for ever here, since a reset is neither data nor FIN.
"""

from aioquic.quic import events

import serving
from serving import EchoProtocol

REJECTED = 9


class Reset(EchoProtocol):
    def quic_event_received(self, event: events.QuicEvent) -> None:
        if isinstance(event, events.StreamDataReceived):
            self._quic.reset_stream(self.answering(event.stream_id), REJECTED)


if __name__ == "__main__":
    serving.main(Reset, __doc__)
