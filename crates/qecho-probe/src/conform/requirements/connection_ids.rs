//! Connection IDs: issuing and retiring them (RFC 9000 §5.1, §19.15, §19.16).

use crate::conform::requirement::{
    Requirement,
    Side::{Client, Server},
    may, must, rfc,
};

pub(super) static ROWS: &[Requirement] = &[
    must("F19", Server, rfc(9000, "19.15"))
        .text("A connection ID that is issued has 1 to 20 bytes.")
        .stimulus("NEW_CONNECTION_ID with an ID of no bytes")
        .expected("FRAME_ENCODING_ERROR"),
    must("F20", Server, rfc(9000, "19.15"))
        .text("A connection ID that is issued has 1 to 20 bytes.")
        .stimulus("NEW_CONNECTION_ID with an ID of 21 bytes")
        .expected("FRAME_ENCODING_ERROR"),
    must("F21", Server, rfc(9000, "19.15"))
        .text("A NEW_CONNECTION_ID frame does not retire the ID that it issues.")
        .stimulus("NEW_CONNECTION_ID whose Retire Prior To is above its Sequence Number")
        .expected("FRAME_ENCODING_ERROR"),
    must("F22", Server, rfc(9000, "5.1.1"))
        .text("Connection IDs beyond active_connection_id_limit close the connection.")
        .stimulus("NEW_CONNECTION_ID frames beyond active_connection_id_limit")
        .expected("CONNECTION_ID_LIMIT_ERROR"),
    must("F23", Server, rfc(9000, "19.15"))
        .text("The same NEW_CONNECTION_ID frame may come more than once.")
        .stimulus("The same NEW_CONNECTION_ID frame twice")
        .expected("the connection lives on"),
    may("F24", Server, rfc(9000, "19.15"))
        .text("One sequence number for two connection IDs may close the connection.")
        .stimulus("NEW_CONNECTION_ID with a sequence number that another ID has")
        .expected("PROTOCOL_VIOLATION, or the connection lives on"),
    must("F25", Server, rfc(9000, "19.16"))
        .text("RETIRE_CONNECTION_ID for an ID that was never issued closes the connection.")
        .stimulus("RETIRE_CONNECTION_ID for a sequence number never issued")
        .expected("PROTOCOL_VIOLATION"),
    may("F26", Server, rfc(9000, "19.16"))
        .text("RETIRE_CONNECTION_ID for its own packet's ID may close the connection.")
        .stimulus("RETIRE_CONNECTION_ID for the ID that its packet uses")
        .expected("PROTOCOL_VIOLATION, or the connection lives on, or no answer"),
    must("C18", Client, rfc(9000, "19.16"))
        .text("RETIRE_CONNECTION_ID for an ID that was never issued closes the connection.")
        .stimulus("RETIRE_CONNECTION_ID for a sequence number never issued")
        .expected("PROTOCOL_VIOLATION"),
    must("C23", Client, rfc(9000, "19.15"))
        .text("A connection ID that is issued has 1 to 20 bytes.")
        .stimulus("NEW_CONNECTION_ID with an ID of no bytes")
        .expected("FRAME_ENCODING_ERROR"),
    must("C24", Client, rfc(9000, "5.1.1"))
        .text("Connection IDs beyond active_connection_id_limit close the connection.")
        .stimulus("NEW_CONNECTION_ID frames beyond active_connection_id_limit")
        .expected("CONNECTION_ID_LIMIT_ERROR"),
];
