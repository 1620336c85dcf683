"""Plain UDP datagrams that show what a network does, beside QUIC.

`far ADDRESS PORT` answers each datagram; `near ADDRESS PORT OPTIONS` sends some and writes one line
of JSON: which were answered, with which marks, from where, and what the system said. A question is
its number (4 bytes) and the size of the answer (2), and zeros; with `--initial` behind the header
of an Initial packet. An answer is the number, the ECN
bits that the question came with (1), the port that it came from (2), the last 16 bits of the
address that answers (2), and zeros.
"""

import argparse
import ipaddress
import json
import os
import select
import socket
import struct
import time

IP_MTU_DISCOVER = 10
IP_PMTUDISC_PROBE = 3
IPV6_MTU_DISCOVER = 23
IP_RECVTOS = 13
IP_RECVERR = 11
IPV6_RECVERR = 25
MSG_ERRQUEUE = 0x2000
ECT_0 = 2
INITIAL_SIZE = 14
DATAGRAM_MAX = 65_535
BUSY_SECONDS = 120


def open_socket(address: str) -> socket.socket:
    """Opens a socket that tells ECN bits and lets nothing be fragmented."""
    if ":" in address:
        own = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        own.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_PROBE)
        own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    else:
        own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        own.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
        own.setsockopt(socket.IPPROTO_IP, IP_RECVTOS, 1)
    return own


def set_ecn(own: socket.socket, ecn: int) -> None:
    """Marks what is sent from now on."""
    if own.family == socket.AF_INET6:
        own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, ecn)
    else:
        own.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, ecn)


def tell_errors(own: socket.socket) -> None:
    """Makes the system tell each ICMP message, also those after which others may pass."""
    if own.family == socket.AF_INET6:
        own.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    else:
        own.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)


def drop_error(own: socket.socket) -> None:
    """Takes the message of an error that was told, which would keep the socket ready."""
    try:
        own.recvmsg(1, 512, MSG_ERRQUEUE | socket.MSG_DONTWAIT)
    except OSError:
        pass


def receive(own: socket.socket) -> tuple[bytes, int, tuple]:
    """Returns a datagram, its ECN bits and its sender."""
    data, told, _, sender = own.recvmsg(DATAGRAM_MAX, 256)
    marks = [value[0] & 3 for _, kind, value in told if kind in (1, IP_RECVTOS, 67)]
    return data, marks[0] if marks else 0, sender


def far(arguments: argparse.Namespace) -> None:
    """Answers until it is ended."""
    own = open_socket(arguments.address)
    own.bind((arguments.address, arguments.port))
    set_ecn(own, ECT_0)
    name = int(ipaddress.ip_address(arguments.address)) & 0xFFFF
    print("ready", flush=True)
    while True:
        try:
            data, ecn, sender = receive(own)
            if data[0] & 0xF0 == 0xC0:
                data = data[INITIAL_SIZE:]
            number, size = struct.unpack(">IH", data[:6])
            answer = struct.pack(">IBHH", number, ecn, sender[1], name)
            own.sendto(answer.ljust(size, b"\0"), sender)
        except OSError:
            # What the system tells of an earlier answer, or that this one is too long.
            continue


def junk(arguments: argparse.Namespace) -> None:
    """Answers whatever comes with something that is no QUIC, or with `--answer 0` with nothing."""
    own = open_socket(arguments.address)
    own.bind((arguments.address, arguments.port))
    print("ready", flush=True)
    while True:
        try:
            _, _, sender = receive(own)
            own.sendto(b"\0\1what do you want?\r\n"[: arguments.answer], sender)
        except OSError:
            continue


def names(arguments: argparse.Namespace) -> None:
    """Answers what is asked of DNS: four.test has an IPv4 address, and no other name is known."""
    own = open_socket(arguments.address)
    own.bind((arguments.address, arguments.port))
    print("ready", flush=True)
    while True:
        data, _, sender = receive(own)
        end = data.index(b"\0", 12) + 1
        question, kind = data[12 : end + 4], data[end : end + 2]
        is_known = data[12:end].lower() == b"\4four\4test\0"
        has_answer = is_known and kind == b"\0\1"
        code = 0x8180 if is_known else 0x8183
        answer = data[:2] + struct.pack(">HHHHH", code, 1, has_answer, 0, 0) + question
        if has_answer:
            address = ipaddress.ip_address(arguments.address).packed
            answer += b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + address
        own.sendto(answer, sender)


def busy(_: argparse.Namespace) -> None:
    """Keeps a core busy for two minutes at most."""
    print("ready", flush=True)
    until = time.monotonic() + BUSY_SECONDS
    while time.monotonic() < until:
        pass


def greet(arguments: argparse.Namespace) -> None:
    """Greets whoever connects by TCP."""
    with socket.create_server((arguments.address, arguments.port)) as own:
        print("ready", flush=True)
        while True:
            with own.accept()[0] as peer:
                peer.sendall(b"hello")


def connect(arguments: argparse.Namespace) -> None:
    """Connects by TCP, and tells what happened."""
    try:
        address = (arguments.address, arguments.port)
        with socket.create_connection(address, arguments.wait) as own:
            print(json.dumps({"answered": own.recv(5).decode(), "said": []}))
    except OSError as error:
        print(json.dumps({"answered": "", "said": [error.strerror or str(error)]}))


def near(arguments: argparse.Namespace) -> None:
    """Sends, waits, and tells."""
    own = open_socket(arguments.address)
    set_ecn(own, arguments.ecn)
    if arguments.local:
        own.bind((arguments.local, 0))
    if arguments.connected:
        tell_errors(own)
        own.connect((arguments.address, arguments.port))
    told = {"answered": [], "up": [], "down": [], "ports": [], "servers": [], "from": [], "said": []}

    header = b"\xc0\0\0\0\1\x08" + os.urandom(8) if arguments.initial else b""

    def listen(until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            if not select.select([own], [], [], left)[0]:
                return
            try:
                data, ecn, sender = receive(own)
            except OSError as error:
                told["said"].append(error.strerror)
                drop_error(own)
                continue
            told["from"].append(sender[0])
            if len(data) < 9 or data[0] != 0 or len(data) < arguments.answer:
                told["said"].append("something else came")
                continue
            number, mark, port, server = struct.unpack(">IBHH", data[:9])
            told["answered"].append(number)
            told["up"].append(mark)
            told["down"].append(ecn)
            told["ports"].append(port)
            told["servers"].append(server)
            if len(told["answered"]) == arguments.count:
                return

    for number in range(arguments.count):
        question = header + struct.pack(">IH", number, arguments.answer)
        question = question.ljust(arguments.size, b"\0")
        try:
            if arguments.connected:
                own.send(question)
            else:
                own.sendto(question, (arguments.address, arguments.port))
        except OSError as error:
            told["said"].append(error.strerror)
        if arguments.gap and number + 1 < arguments.count:
            listen(time.monotonic() + arguments.gap)
    listen(time.monotonic() + arguments.wait)
    print(json.dumps(told))


ROLES = {role.__name__: role for role in (far, junk, names, busy, greet, connect, near)}


def main() -> None:
    """Does what is asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=list(ROLES))
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--answer", type=int, default=100)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--gap", type=float, default=0)
    parser.add_argument("--wait", type=float, default=2)
    parser.add_argument("--ecn", type=int, default=ECT_0)
    parser.add_argument("--local", default="")
    parser.add_argument("--connected", action="store_true")
    parser.add_argument("--initial", action="store_true")
    arguments = parser.parse_args()
    ROLES[arguments.role](arguments)


main()
