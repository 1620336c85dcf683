"""A server that echoes half of what first arrives and closes the connection: code 7, "going away".

In the wild: a server that is restarted, or drained behind a load balancer, in the middle of an
answer. The client must name the code and the reason, and must not call the half an echo.
"""

from aioquic.quic import events

import serving
from serving import EchoProtocol

GOING_AWAY = 7


class EarlyClose(EchoProtocol):
    def quic_event_received(self, event: events.QuicEvent) -> None:
        if isinstance(event, (events.StreamDataReceived, events.DatagramFrameReceived)):
            half = event.data[: len(event.data) // 2]
            if isinstance(event, events.StreamDataReceived):
                self.echo(self.answering(event.stream_id), half, False)
                # A close discards what is queued: let the half leave first.
                self.transmit()
            self.close(error_code=GOING_AWAY, reason_phrase="going away")


if __name__ == "__main__":
    serving.main(EarlyClose, __doc__)
