//! Frames: their encoding, the packets that may carry them, and those of the connection (RFC 9000
//! §12.4, §12.5, §19).

use crate::conform::requirement::{
    Requirement,
    Side::{Client, Server},
    may, must, rfc, should,
};

pub(super) static ROWS: &[Requirement] = &[
    must("F01", Server, rfc(9000, "12.4"))
        .text("A frame of a type that is not known closes the connection.")
        .stimulus("Frame of the unknown type 0x4abc")
        .expected("FRAME_ENCODING_ERROR"),
    must("F02", Server, rfc(9000, "12.4"))
        .text("A packet that carries no frame closes the connection.")
        .stimulus("1-RTT packet without any frame")
        .expected("PROTOCOL_VIOLATION"),
    may("F42", Server, rfc(9000, "12.4"))
        .text("A frame type has the shortest encoding; a longer one may close the connection.")
        .stimulus("PING whose type is written in two bytes")
        .expected("PROTOCOL_VIOLATION, or the connection lives on"),
    should("F43", Server, rfc(9000, "11"))
        .also(&[rfc(9000, "12.4"), rfc(9000, "20.1")])
        .text("An error such as a frame that ends too early is told to the peer.")
        .stimulus("MAX_DATA frame that is cut off by the end of the packet")
        .expected("FRAME_ENCODING_ERROR"),
    should("F44", Server, rfc(9000, "11"))
        .also(&[rfc(9000, "19.8"), rfc(9000, "20.1")])
        .text("An error such as a length that the packet does not have is told to the peer.")
        .stimulus("STREAM frame whose length goes beyond the packet")
        .expected("FRAME_ENCODING_ERROR"),
    must("F27", Server, rfc(9000, "19.7"))
        .text("NEW_TOKEN is for servers to send; from a client it closes the connection.")
        .stimulus("NEW_TOKEN from a client")
        .expected("PROTOCOL_VIOLATION"),
    must("F28", Server, rfc(9000, "19.20"))
        .text("HANDSHAKE_DONE is for servers to send; from a client it closes the connection.")
        .stimulus("HANDSHAKE_DONE from a client")
        .expected("PROTOCOL_VIOLATION"),
    must("F49", Server, rfc(9000, "10.2.2"))
        .also(&[rfc(9000, "19.19")])
        .text("CONNECTION_CLOSE is answered by at most one packet, with CONNECTION_CLOSE.")
        .stimulus("CONNECTION_CLOSE of the application (0x1d)")
        .expected("CONNECTION_CLOSE with NO_ERROR or any other code once, or no answer"),
    must("L01", Server, rfc(9000, "12.4"))
        .also(&[rfc(9000, "17.2.4")])
        .text("A frame in a packet of a type that must not carry it closes the connection.")
        .stimulus("PATH_CHALLENGE in a Handshake packet")
        .expected("PROTOCOL_VIOLATION"),
    must("L02", Server, rfc(9000, "12.4"))
        .also(&[rfc(9000, "17.2.4")])
        .text("A frame in a packet of a type that must not carry it closes the connection.")
        .stimulus("STREAM in a Handshake packet")
        .expected("PROTOCOL_VIOLATION"),
    must("L03", Server, rfc(9000, "12.4"))
        .also(&[rfc(9000, "17.2.4")])
        .text("A frame in a packet of a type that must not carry it closes the connection.")
        .stimulus("MAX_DATA in a Handshake packet")
        .expected("PROTOCOL_VIOLATION"),
    must("L04", Server, rfc(9000, "17.2.4"))
        .also(&[rfc(9000, "12.5")])
        .text("The CONNECTION_CLOSE of an application has no place in Handshake packets.")
        .stimulus("CONNECTION_CLOSE of the application (0x1d) in a Handshake packet")
        .expected("PROTOCOL_VIOLATION, or no answer"),
    must("L06", Server, rfc(9000, "12.4"))
        .text("A packet that carries no frame closes the connection.")
        .stimulus("Handshake packet without any frame")
        .expected("PROTOCOL_VIOLATION"),
    may("L07", Server, rfc(9000, "17.2.2"))
        .text("An Initial packet with a forbidden frame is discarded or closes the connection.")
        .stimulus("STREAM in an Initial packet")
        .expected("PROTOCOL_VIOLATION, or the connection lives on, or no answer"),
    must("L09", Server, rfc(9000, "12.4"))
        .also(&[rfc(9000, "17.2.4")])
        .text("A frame of a type that is not known closes the connection, in whichever packet.")
        .stimulus("Frame of an unknown type in a Handshake packet")
        .expected("FRAME_ENCODING_ERROR, or PROTOCOL_VIOLATION"),
    must("C14", Client, rfc(9000, "19.7"))
        .text("A NEW_TOKEN frame without a token closes the connection.")
        .stimulus("NEW_TOKEN with an empty token")
        .expected("FRAME_ENCODING_ERROR"),
    must("C19", Client, rfc(9000, "12.4"))
        .text("A frame of a type that is not known closes the connection.")
        .stimulus("Frame of an unknown type")
        .expected("FRAME_ENCODING_ERROR"),
    should("C27", Client, rfc(9000, "13.3"))
        .also(&[rfc(9000, "19.20")])
        .text("HANDSHAKE_DONE is repeated until it is acknowledged: it may come more than once.")
        .stimulus("HANDSHAKE_DONE a second time")
        .expected("the connection lives on"),
    must("C28", Client, rfc(9000, "12.4"))
        .also(&[rfc(9000, "12.5"), rfc(9000, "17.2.4")])
        .text("A frame in a packet of a type that must not carry it closes the connection.")
        .stimulus("HANDSHAKE_DONE in a Handshake packet")
        .expected("PROTOCOL_VIOLATION"),
    must("C29", Client, rfc(9000, "12.4"))
        .also(&[rfc(9000, "17.2.4")])
        .text("A frame in a packet of a type that must not carry it closes the connection.")
        .stimulus("STREAM in a Handshake packet")
        .expected("PROTOCOL_VIOLATION"),
];
