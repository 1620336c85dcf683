//! Addresses and datagrams: amplification, paths, sizes, stateless resets (RFC 9000 §8, §9, §10.3,
//! §14).

use crate::conform::requirement::{
    Requirement,
    Side::{Client, Server},
    may, must, rfc,
};

pub(super) static ROWS: &[Requirement] = &[
    may("F41", Server, rfc(9000, "19.18"))
        .text("A PATH_RESPONSE to no PATH_CHALLENGE may close the connection.")
        .stimulus("PATH_RESPONSE that nobody asked for")
        .expected("PROTOCOL_VIOLATION, or the connection lives on"),
    must("F50", Server, rfc(9000, "19.17"))
        .also(&[rfc(9000, "8.2.2")])
        .text("PATH_CHALLENGE is answered by PATH_RESPONSE with the same data.")
        .stimulus("PATH_CHALLENGE")
        .expected("PATH_RESPONSE with the same 8 bytes"),
    must("V06", Server, rfc(9000, "14.1"))
        .text("An Initial packet in less than 1200 bytes is discarded, at least.")
        .stimulus("Initial packet in a datagram below 1200 bytes")
        .expected("no answer, or PROTOCOL_VIOLATION"),
    must("V08", Server, rfc(9000, "8.1"))
        .text("An address that is not validated gets at most three times the bytes it sent.")
        .stimulus("One flight of Initial packets, then silence")
        .expected("at most three times the bytes that were sent"),
    must("V09", Server, rfc(9000, "14.1"))
        .text("Datagrams with ack-eliciting Initial packets have at least 1200 bytes.")
        .stimulus("Handshake")
        .expected("each datagram with an ack-eliciting Initial packet has 1200 bytes or more"),
    must("V10", Server, rfc(9000, "10.3.3"))
        .also(&[rfc(9000, "10.3")])
        .text("A stateless reset is smaller than the packet that it answers.")
        .stimulus("Short header with an unknown connection ID, 100 bytes")
        .expected("no answer, or a stateless reset of less than 100 bytes"),
    must("V11", Server, rfc(9000, "10.3"))
        .text("What is too short to be a packet is discarded.")
        .stimulus("Short header with an unknown connection ID, 20 bytes")
        .expected("no answer"),
    must("M01", Server, rfc(9000, "9.3"))
        .also(&[rfc(9000, "8.2.1"), rfc(9000, "9")])
        .text("A new address is validated, by PATH_CHALLENGE in 1200 bytes as far as allowed.")
        .stimulus("Packet of at least 400 bytes from a new port, then small ones")
        .expected("PATH_CHALLENGE to the new port; once it is answered, answers go there"),
    must("M02", Server, rfc(9000, "9.3.1"))
        .also(&[rfc(9000, "8")])
        .text("An address that is not validated gets at most three times the bytes it sent.")
        .stimulus("Packet of 40 bytes from a new address")
        .expected("at most three times its bytes until PATH_CHALLENGE is answered"),
    must("C01", Client, rfc(9000, "14.1"))
        .also(&[rfc(9000, "7.2")])
        .text("Initial packets come in 1200 bytes or more, to an ID of 8 bytes or more.")
        .stimulus("First datagram of the client")
        .expected("1200 bytes or more, and a destination connection ID of 8 bytes or more"),
];
