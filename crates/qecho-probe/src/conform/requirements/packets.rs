//! Packets: their headers, and several in one datagram (RFC 9000 §12.2, §17).

use crate::conform::requirement::{
    Requirement,
    Side::{Client, Server},
    must, rfc,
};

pub(super) static ROWS: &[Requirement] = &[
    must("F03", Server, rfc(9000, "17.3.1"))
        .text("The reserved bits of a short header are 0; others close the connection.")
        .stimulus("1-RTT packet with reserved bits set")
        .expected("PROTOCOL_VIOLATION"),
    must("L05", Server, rfc(9000, "17.2"))
        .text("The reserved bits of a long header are 0; others close the connection.")
        .stimulus("Handshake packet with reserved bits set")
        .expected("PROTOCOL_VIOLATION"),
    must("L08", Server, rfc(9000, "17.2"))
        .also(&[rfc(9000, "5.2")])
        .text("An Initial packet whose reserved bits are not 0 is at least not processed.")
        .stimulus("Initial packet with reserved bits set")
        .expected("PROTOCOL_VIOLATION, or no answer, as what it carries is not processed"),
    must("V05", Server, rfc(9000, "17.2"))
        .text("Version 1 has no connection IDs of more than 20 bytes: such a packet is dropped.")
        .stimulus("Long header of version 1 with a connection ID of 21 bytes")
        .expected("no answer"),
    must("V07", Server, rfc(9000, "17.2"))
        .text("A packet whose fixed bit is 0 is no packet of version 1, and is discarded.")
        .stimulus("Initial packet whose fixed bit is 0, without grease_quic_bit")
        .expected("no answer"),
    must("V12", Server, rfc(9000, "5.2.2"))
        .also(&[rfc(9000, "12.2")])
        .text("A datagram that is no packet is dropped and harms nothing.")
        .stimulus("Datagrams of noise, 0 to 1200 bytes long")
        .expected("the server serves as before"),
    must("K05", Server, rfc(9000, "12.2"))
        .text("Each packet of a datagram is processed by itself, whatever comes of the others.")
        .stimulus("Good Initial packet, and behind it a packet with another connection ID")
        .expected("the good packet is answered"),
    must("C35", Client, rfc(9000, "17.2.2"))
        .text("A server's Initial packet with a token is discarded or closes the connection.")
        .stimulus("Initial packet of the server with a token")
        .expected("PROTOCOL_VIOLATION, or the client gives up, or no connection comes about"),
    must("C36", Client, rfc(9000, "17.2"))
        .text("The reserved bits of a long header are 0; others close the connection.")
        .stimulus("Handshake packet of the server with reserved bits set")
        .expected("PROTOCOL_VIOLATION"),
    must("C37", Client, rfc(9000, "17.2"))
        .also(&[rfc(9000, "5.2")])
        .text("An Initial packet whose reserved bits are not 0 is at least not processed.")
        .stimulus("Initial packet of the server with reserved bits set")
        .expected("PROTOCOL_VIOLATION, or no connection comes about"),
];
