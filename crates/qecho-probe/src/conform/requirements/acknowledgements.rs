//! Acknowledgements: what they may say, and when they come (RFC 9000 §13, §19.3).

use crate::conform::requirement::{
    Requirement,
    Side::{Client, Server},
    must, rfc, should,
};

pub(super) static ROWS: &[Requirement] = &[
    should("F29", Server, rfc(9000, "13.1"))
        .text("An acknowledgement of a packet that was never sent closes the connection.")
        .stimulus("ACK of a packet that was never sent")
        .expected("PROTOCOL_VIOLATION"),
    must("F30", Server, rfc(9000, "19.3.1"))
        .text("An ACK range that goes below packet 0 closes the connection.")
        .stimulus("ACK whose first range goes below zero")
        .expected("FRAME_ENCODING_ERROR"),
    must("F31", Server, rfc(9000, "19.3.1"))
        .text("An ACK range that goes below packet 0 closes the connection.")
        .stimulus("ACK whose second range goes below zero")
        .expected("FRAME_ENCODING_ERROR"),
    must("K03", Server, rfc(9000, "13.2.1"))
        .text("What elicits no acknowledgement gets no answer that elicits none either.")
        .stimulus("Five packets with nothing but ACK")
        .expected("no packet that is not ack-eliciting"),
    must("K04", Server, rfc(9000, "13.2.1"))
        .text("What elicits an acknowledgement gets it within the announced max_ack_delay.")
        .stimulus("PING, ten times")
        .expected("acknowledged within max_ack_delay, beside the time of path and host"),
    should("C26", Client, rfc(9000, "13.1"))
        .also(&[rfc(9000, "19.3")])
        .text("An acknowledgement of a packet that was never sent closes the connection.")
        .stimulus("ACK of a packet that was never sent")
        .expected("PROTOCOL_VIOLATION"),
];
