"""A server that echoes with one byte flipped: the first of each stream or DATAGRAM frame.

In the wild: a server that converts line ends or case, a broken buffer, a "helpful" middlebox. The
length is right, so only a client that compares bytes notices.
"""

from aioquic.quic import events

import serving
from serving import EchoProtocol


def flip_first(data: bytes) -> bytes:
    return bytes([data[0] ^ 0x01]) + data[1:] if data else data


class WrongEcho(EchoProtocol):
    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.flipped: set[int] = set()

    def quic_event_received(self, event: events.QuicEvent) -> None:
        if isinstance(event, events.DatagramFrameReceived):
            event.data = flip_first(event.data)
        super().quic_event_received(event)

    def echo(self, stream_id: int, data: bytes, end_stream: bool) -> None:
        if data and stream_id not in self.flipped:
            self.flipped.add(stream_id)
            data = flip_first(data)
        super().echo(stream_id, data, end_stream)


if __name__ == "__main__":
    serving.main(WrongEcho, __doc__)
