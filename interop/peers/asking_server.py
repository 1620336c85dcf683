"""A server that echoes correctly, asks its clients for a certificate, and says what they show.

In the wild: servers with client authentication. Whom to let in is not what this one decides: it
checks that the client has the certificate's key, and prints the names in the certificate.
"""

import json

from aioquic import tls
from aioquic.quic import events
from cryptography import x509

import serving
from serving import EchoProtocol


class AskingContext(tls.Context):
    """aioquic can ask for a certificate, but offers no setting for it."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._request_client_certificate = True


class AskingProtocol(EchoProtocol):
    def quic_event_received(self, event: events.QuicEvent) -> None:
        if isinstance(event, events.HandshakeCompleted):
            shown = {"event": "client", "names": names(self._quic.tls._peer_certificate)}
            print(json.dumps(shown), flush=True)
        super().quic_event_received(event)


def names(certificate: x509.Certificate | None) -> list[str] | None:
    if certificate is None:
        return None
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return extension.value.get_values_for_type(x509.DNSName)


if __name__ == "__main__":
    tls.Context = AskingContext
    serving.main(AskingProtocol, __doc__)
