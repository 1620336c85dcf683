//! Version negotiation (RFC 8999, RFC 9000 §5.2, §6, §17.2.1, RFC 9368).

use crate::conform::requirement::{
    Requirement,
    Side::{Client, Server},
    must, rfc, should,
};

pub(super) static ROWS: &[Requirement] = &[
    must("V01", Server, rfc(9000, "17.2.1"))
        .also(&[rfc(9000, "5.2.2"), rfc(9000, "6.1")])
        .text("Version Negotiation has both IDs swapped and comes at most once for a datagram.")
        .stimulus("Unknown version in 1200 bytes")
        .expected(
            "one Version Negotiation packet (that there is one is a SHOULD), the IDs swapped",
        ),
    must("V02", Server, rfc(9000, "5.2.2"))
        .text("A small packet of an unknown version is dropped.")
        .stimulus("Unknown version in 1199 bytes")
        .expected("no answer"),
    must("V03", Server, rfc(9000, "6.1"))
        .text("A Version Negotiation packet is never answered by another one.")
        .stimulus("Version Negotiation packet to the server")
        .expected("no answer"),
    should("V04", Server, rfc(9000, "17.2"))
        .also(&[rfc(9000, "17.2.1"), rfc(8999, "6")])
        .text("Connection IDs that version 1 does not have are read in packets of other versions.")
        .stimulus("Unknown version with connection IDs of 30 and 25 bytes")
        .expected("one Version Negotiation packet, the connection IDs swapped"),
    must("P19", Server, rfc(9368, "4"))
        .text("version_information that cannot be read closes the connection, where it is known.")
        .stimulus("version_information of 7 bytes")
        .expected("TRANSPORT_PARAMETER_ERROR, or the connection lives on"),
    must("P20", Server, rfc(9368, "4"))
        .text("version_information chooses the version in use, where it is known.")
        .stimulus("version_information whose chosen version is another one")
        .expected("VERSION_NEGOTIATION_ERROR, or the connection lives on"),
    must("P21", Server, rfc(9368, "4"))
        .text("There is no version 0 in version_information, where that is known.")
        .stimulus("version_information with version 0")
        .expected("TRANSPORT_PARAMETER_ERROR, or the connection lives on"),
    must("C11", Client, rfc(9368, "4"))
        .text("The server's version_information chooses the version in use.")
        .stimulus("Server whose version_information chooses a version that was not offered")
        .expected(
            "TRANSPORT_PARAMETER_ERROR, or VERSION_NEGOTIATION_ERROR, or the connection lives on",
        ),
    must("C30", Client, rfc(9000, "6.2"))
        .text("A Version Negotiation packet that lists the version in use is discarded.")
        .stimulus("Version Negotiation packet with the version in use")
        .expected("the handshake goes on"),
    should("C31", Client, rfc(9000, "5.2.1"))
        .also(&[rfc(8999, "6"), rfc(9000, "17.2.1")])
        .text("A packet to another connection ID, such as Version Negotiation, is discarded.")
        .stimulus("Version Negotiation packet with foreign connection IDs")
        .expected("the handshake goes on"),
    must("C32", Client, rfc(9000, "6.2"))
        .text("A client that knows one version gives up if Version Negotiation lacks it.")
        .stimulus("Version Negotiation packet without a common version")
        .expected("the client gives up"),
];
