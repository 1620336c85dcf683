//! DATAGRAM frames and the greased bit (RFC 9221, RFC 9287).

use crate::conform::requirement::{Need, Requirement, Side::Server, must, rfc, should};

pub(super) static ROWS: &[Requirement] = &[
    should("F47", Server, rfc(9221, "3"))
        .also(&[rfc(9221, "4"), rfc(9000, "11")])
        .text("An error such as a length that the packet does not have is told to the peer.")
        .stimulus("DATAGRAM whose length goes beyond the packet")
        .expected("FRAME_ENCODING_ERROR, or PROTOCOL_VIOLATION where DATAGRAM was not announced"),
    should("F48", Server, rfc(9221, "4"))
        .needs(&[Need::Datagram])
        .text("A DATAGRAM frame may be empty.")
        .stimulus("Empty DATAGRAM")
        .expected("the connection lives on"),
    must("P18", Server, rfc(9287, "3"))
        .text("grease_quic_bit has no value; where it is known, one closes the connection.")
        .stimulus("grease_quic_bit with a value")
        .expected("TRANSPORT_PARAMETER_ERROR, or the connection lives on"),
];
