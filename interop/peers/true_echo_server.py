"""A server that echoes correctly: the example in examples/python, with a certificate of its own.

In the wild: any echo server that is not ours. With `--alpn echo` it refuses clients that offer
none; without --alpn it selects none, so that a client that offered a name must come again.
"""

import serving
from serving import EchoProtocol

if __name__ == "__main__":
    serving.main(EchoProtocol, __doc__)
