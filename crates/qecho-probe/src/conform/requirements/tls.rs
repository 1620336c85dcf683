//! TLS inside QUIC, and its keys (RFC 9001).

use crate::conform::requirement::{
    Requirement,
    Side::{Client, Server},
    must, rfc, should,
};

pub(super) static ROWS: &[Requirement] = &[
    must("F39", Server, rfc(9001, "6"))
        .text("TLS has no KeyUpdate in QUIC: one that comes closes the connection.")
        .stimulus("KeyUpdate in a 1-RTT CRYPTO frame")
        .expected("0x10a (unexpected_message)"),
    must("F40", Server, rfc(9001, "4.1.3"))
        .also(&[rfc(8446, "4.1.2")])
        .text("A ClientHello after the handshake closes the connection.")
        .stimulus("ClientHello in a 1-RTT CRYPTO frame")
        .expected("0x10a (unexpected_message), or PROTOCOL_VIOLATION"),
    must("T01", Server, rfc(9001, "8.1"))
        .text("Where no application protocol can be agreed on, the connection is closed.")
        .stimulus("ALPN that nobody speaks")
        .expected("0x178 (no_application_protocol)"),
    must("T02", Server, rfc(9001, "8.2"))
        .text("A handshake without transport parameters fails.")
        .stimulus("ClientHello without quic_transport_parameters")
        .expected("0x16d (missing_extension)"),
    must("T03", Server, rfc(9001, "8.2"))
        .text("Transport parameters are in extension 0x39; a handshake without them fails.")
        .stimulus("Transport parameters under the drafts' codepoint 0xffa5 in place of 0x39")
        .expected("0x16d (missing_extension)"),
    must("T04", Server, rfc(9001, "4.2"))
        .text("TLS older than 1.3 is not spoken.")
        .stimulus("ClientHello that offers TLS 1.2 alone")
        .expected("0x146 (protocol_version), or 0x128 (handshake_failure)"),
    should("T05", Server, rfc(9001, "8.4"))
        .text("TLS has no compatibility mode in QUIC: a session ID closes the connection.")
        .stimulus("ClientHello whose legacy_session_id is not empty")
        .expected("PROTOCOL_VIOLATION"),
    must("T06", Server, rfc(9001, "6"))
        .text("TLS has no KeyUpdate in QUIC: one that comes closes the connection.")
        .stimulus("KeyUpdate after Finished in Handshake CRYPTO frames")
        .expected("0x10a (unexpected_message), or PROTOCOL_VIOLATION"),
    must("T07", Server, rfc(9001, "8.3"))
        .also(&[rfc(8446, "4")])
        .text("TLS has no EndOfEarlyData in QUIC: one that comes closes the connection.")
        .stimulus("EndOfEarlyData in Handshake CRYPTO frames")
        .expected("0x10a (unexpected_message), or PROTOCOL_VIOLATION"),
    must("V13", Server, rfc(9000, "5.2.2"))
        .also(&[rfc(9001, "5.5")])
        .text("A packet that does not authenticate is dropped.")
        .stimulus("Initial packet that does not authenticate")
        .expected("no answer"),
    must("K01", Server, rfc(9001, "6.2"))
        .also(&[rfc(9001, "6.1")])
        .text("A key update of the peer is followed, and acknowledged under the new keys.")
        .stimulus("Key update by the client")
        .expected("acknowledged under the new keys"),
    must("K02", Server, rfc(9001, "6.2"))
        .also(&[rfc(9001, "6.1")])
        .text("Each key update of the peer is followed, and acknowledged under the new keys.")
        .stimulus("Five key updates, each after an acknowledgement")
        .expected("each acknowledged under the new keys"),
    must("C12", Client, rfc(9001, "8.2"))
        .text("A handshake without transport parameters fails.")
        .stimulus("EncryptedExtensions without quic_transport_parameters")
        .expected("0x16d (missing_extension)"),
    must("C13", Client, rfc(9001, "8.1"))
        .text("A client that has offered ALPN closes the connection if none is agreed on.")
        .stimulus("Server that selects no ALPN although the client offered some")
        .expected("0x178 (no_application_protocol)"),
    must("C20", Client, rfc(9001, "6"))
        .text("TLS has no KeyUpdate in QUIC: one that comes closes the connection.")
        .stimulus("KeyUpdate in a CRYPTO frame")
        .expected("0x10a (unexpected_message)"),
    must("C21", Client, rfc(9001, "4.4"))
        .text("A CertificateRequest after the handshake closes the connection.")
        .stimulus("CertificateRequest after the handshake")
        .expected("PROTOCOL_VIOLATION"),
    must("C22", Client, rfc(9001, "4.6.1"))
        .text("A ticket allows 0-RTT by max_early_data_size of 0xffffffff and nothing else.")
        .stimulus("NewSessionTicket with max_early_data_size of 16384")
        .expected("PROTOCOL_VIOLATION"),
];
