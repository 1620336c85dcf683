//! Findings of who has read a fail against the RFC and in its packets.

/// Judgement on one fail.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Name and side of the stack: `quiche server`.
    pub(crate) stack: &'static str,
    pub(crate) id: &'static str,
    /// Packets that show it, in a line, and whose matter it is.
    pub(crate) text: &'static str,
}

/// Reading of a stack's fail.
const fn read(stack: &'static str, id: &'static str, text: &'static str) -> Reading {
    Reading { stack, id, text }
}

/// All that was read, by stack.
#[rustfmt::skip]
pub(crate) const READINGS: &[Reading] = &[
    read("quinn server", "V08", "`→ Initial CRYPTO 1,200 B · ← Initial, Handshake 1,200 B · ← 1-RTT 110 B · ← (1 s later) Initial 1,200 B twice`. The stack: it looks whether it may send a byte more, and then sends a datagram."),
    read("quinn server", "V14", "As V08: a token that is not its own validates nothing, and the packets are those of V08. The stack."),
    read("quinn server", "M02", "`→ 1-RTT PING 40 B from a new port · ← 1-RTT PATH_CHALLENGE 1,200 B there`. The stack: the limit leaves room for 120 bytes, and §8.2.1 excepts it from the padding."),
    read("quinn server", "T03", "`→ Initial ClientHello with extension 0xffa5 and without 0x39 · ← the handshake is confirmed`. It is rustls, which still reads the drafts' codepoint; nobody is harmed."),
    read("s2n-quic server", "L08", "`→ Initial, first byte with reserved bits, ClientHello · ← Initial ACK 0, ServerHello`. The stack: in Handshake and 1-RTT packets it refuses them, in the first Initial packet it does not look."),
    read("s2n-quic server", "M02", "`→ 1-RTT PING 40 B from a new port · ← 1-RTT ACK, PATH_CHALLENGE 1,200 B there`. The stack; a new port is a new address (§1.2)."),
    read("s2n-quic server", "P09", "`→ Initial ClientHello with max_ack_delay 16,384 · ← the handshake is confirmed`. The stack: `MaxAckDelay` takes 2^14 itself, too."),
    read("s2n-quic server", "T03", "As quinn: rustls reads the drafts' codepoint 0xffa5; nobody is harmed."),
    read("s2n-quic server", "T10", "`→ 1-RTT PING under the next keys · ← ACK under them · → 1-RTT PING with a higher number under the old keys · ← ACK of it`. The stack, as long as it has the old keys (three PTOs); later the packet is discarded, as it may be."),
    read("s2n-quic server", "F11", "`→ 1-RTT STOP_SENDING 2 · → 1-RTT PING · ← ACK of both`. The stack: a stream that only the peer sends on takes the frame for its missing half and ignores it."),
    read("s2n-quic server", "F51", "`→ 1-RTT DATAGRAM, although no max_datagram_frame_size was announced · ← ACK`. The stack: it hands the frame to its disabled receiver without looking at what it has announced."),
    read("quiche server", "F03", "`→ 1-RTT PING, reserved bits 11 · ← ACK`. The stack: it masks the bits off and does not look at them."),
    read("quiche server", "L05", "As F03: `→ Handshake PING, reserved bits 11 · ← Handshake ACK`. The stack."),
    read("quiche server", "L08", "As F03: `→ Initial ClientHello, reserved bits set · ← Initial ACK 0, ServerHello`. The stack."),
    read("quiche server", "V07", "`→ Initial ClientHello with 0 in place of the fixed bit · ← Initial ACK 0, ServerHello`; it does not announce grease_quic_bit. The stack: `Header::from_slice` does not look at the bit, and its own example server does not either."),
    read("quiche server", "K10", "`→ Handshake PING, Handshake PING that is not authentic, Handshake PING in one datagram · ← Handshake ACK of the first alone`. The stack: at the first packet that cannot be opened it leaves the datagram, also where the keys are gone."),
    read("quiche server", "V06", "`→ Initial ClientHello in 1,000 B · ← Initial ACK 0, ServerHello`. The stack and those who use it: neither `accept` nor `recv` looks at the size of the datagram, nor does the example server, and the bench's server does not."),
    read("quiche server", "V19", "`→ NEW_CONNECTION_ID 1, Retire Prior To 1 · ← RETIRE_CONNECTION_ID 0 · → 60 bytes that end in the token of ID 1 · → PING · ← ACK`. The stack: `is_stateless_reset` knows the token of the transport parameters alone, which clients do not send."),
    read("quiche server", "P16", "`→ Initial ClientHello, disable_active_migration of one byte · ← the handshake is confirmed`. The stack: the value is not looked at."),
    read("quiche server", "P17", "`→ Initial ClientHello, an integer parameter with a byte behind its integer · ← the handshake is confirmed`. The stack: the rest is not looked at."),
    read("quiche server", "F15", "`→ 1-RTT STREAM_DATA_BLOCKED 3 · → PING · ← ACK of both`. The stack: it ignores the frame."),
    read("quiche server", "V15", "`→ Initial PING with another source connection ID · ← Initial ACK of it`. The stack."),
    read("tquic server", "F03", "`→ 1-RTT PING, reserved bits 11 · ← ACK`. The stack: it does not look at the bits."),
    read("tquic server", "L05", "As F03, in a Handshake packet: `→ Handshake PING, reserved bits 11 · ← Handshake ACK`. The stack."),
    read("tquic server", "L08", "As F03, in the first Initial packet: `→ Initial ClientHello, reserved bits set · ← Initial ACK 0, ServerHello`. The stack."),
    read("tquic server", "V07", "`→ Initial ClientHello with 0 in place of the fixed bit · ← Initial ACK 0, ServerHello`; it does not announce grease_quic_bit. The stack."),
    read("tquic server", "K10", "`→ Handshake PING, one that is not authentic, PING in one datagram · ← Handshake ACK of the first alone`. The stack: it leaves the datagram at the first packet that cannot be opened."),
    read("tquic server", "V06", "`→ Initial ClientHello in 1,000 B · ← Initial ACK 0, ServerHello`. The stack: its endpoint, which begins the connection, does not look at the size."),
    read("tquic server", "V19", "`→ NEW_CONNECTION_ID 1, Retire Prior To 1 · ← RETIRE_CONNECTION_ID 0 · → 60 bytes that end in the token of ID 1 · → PING · ← ACK`. The stack."),
    read("tquic server", "P16", "`→ Initial ClientHello, disable_active_migration of one byte · ← the handshake is confirmed`. The stack."),
    read("tquic server", "P17", "`→ Initial ClientHello, an integer parameter with a byte behind its integer · ← the handshake is confirmed`. The stack."),
    read("tquic server", "F32", "`→ Handshake CRYPTO at 2^62-1, one byte · ← Handshake ACK`. The stack: the sum of offset and length is not checked."),
    read("tquic server", "F27", "`→ 1-RTT NEW_TOKEN · ← ACK`. The stack: it takes the frame in the server's role, too."),
    read("tquic server", "F19", "`→ 1-RTT NEW_CONNECTION_ID of 0 bytes · ← ACK`. The stack: the length is not checked."),
    read("tquic server", "F20", "`→ 1-RTT NEW_CONNECTION_ID of 21 bytes · ← ACK`. The stack: the length is not checked."),
    read("tquic server", "F22", "`→ 1-RTT NEW_CONNECTION_ID 1, NEW_CONNECTION_ID 2, beside the ID of the handshake, where two may be active · ← ACK`. The stack."),
    read("tquic server", "F25", "`→ 1-RTT RETIRE_CONNECTION_ID 1,003 · ← ACK`. The stack."),
    read("tquic server", "V15", "`→ Initial PING with another source connection ID · ← Initial ACK of it`. The stack."),
    read("msquic server", "V19", "`→ NEW_CONNECTION_ID 1, Retire Prior To 1 · ← RETIRE_CONNECTION_ID 0 · → 60 bytes that end in the token of ID 1 · → PING · ← ACK`. The stack: only clients look for resets (`QuicConnRecvDecryptAndAuthenticate`)."),
    read("msquic server", "M02", "`→ 1-RTT PING 40 B from a new port · ← 38 B, 54 B and, a second later, 54 B there`: 26 bytes more than the 120 that it may send. The stack."),
    read("msquic server", "M03", "`→ 1-RTT PATH_CHALLENGE 1,200 B from a new port · ← 1-RTT ACK, PATH_RESPONSE 43 B to the old port`. The stack: the responses of all paths go into the packet that is being built, which is for the first path."),
    read("msquic server", "P17", "`→ Initial ClientHello, an integer parameter with a byte behind its integer · ← the handshake is confirmed`. The stack: the rest is not looked at."),
    read("msquic server", "T06", "`→ Handshake CRYPTO [0..41): Finished and a KeyUpdate of 5 bytes · ← HANDSHAKE_DONE`. §4.1.3 forbids data behind what TLS has read of a level, too. The stack."),
    read("msquic server", "T07", "`→ Handshake CRYPTO [0..4): EndOfEarlyData in place of Finished · ← Handshake ACK · → (3 s later) Handshake PING · ← Handshake ACK`. RFC 8446 §4 demands unexpected_message. The stack, or its quictls."),
    read("msquic server", "T14", "`→ Initial CRYPTO [230..235), behind the ClientHello, after the server's Finished · ← Initial ACK`. The stack: it keeps the bytes and waits."),
    read("msquic server", "F02", "`→ 1-RTT packet without a frame · → PING · ← ACK of both`. The stack."),
    read("msquic server", "F27", "`→ 1-RTT NEW_TOKEN · → PING · ← ACK of both`. The stack: it ignores the frame."),
    read("msquic server", "L06", "`→ Handshake packet without a frame · → PING · ← Handshake ACK of both`. The stack, as F02."),
    read("msquic server", "F18", "`→ 1-RTT STREAMS_BLOCKED 2^60+1 · → PING · ← ACK of both`. The stack: it ignores the value."),
    read("msquic server", "F22", "`→ 1-RTT NEW_CONNECTION_ID 1, 2, 3, 4, beside the ID of the handshake, where four may be active · → PING · ← ACK of both`. The stack."),
    read("msquic server", "F25", "`→ 1-RTT RETIRE_CONNECTION_ID 1,003 · → PING · ← ACK of both`. The stack: it ignores numbers that it does not know."),
    read("aioquic server", "V19", "`→ NEW_CONNECTION_ID 1, Retire Prior To 1 · ← RETIRE_CONNECTION_ID 0 · → 60 bytes that end in the token of ID 1 · → PING · ← ACK`. The stack: it keeps tokens and compares them with nothing."),
    read("aioquic server", "K13", "`→ NEW_CONNECTION_ID 3, Retire Prior To 3 · ← RETIRE_CONNECTION_ID 0 · → NEW_CONNECTION_ID 1 · ← ACK, and never RETIRE_CONNECTION_ID 1`. The stack."),
    read("aioquic server", "V15", "`→ Initial PING with another source connection ID · ← Initial ACK of it`. The stack."),
    read("ngtcp2 server", "K10", "`→ Handshake PING, one that is not authentic, PING in one datagram · ← Handshake ACK of the first alone`. The library, as it was in 2023."),
    read("ngtcp2 server", "T06", "`→ Handshake CRYPTO [0..41): Finished and a KeyUpdate of 5 bytes · ← HANDSHAKE_DONE`. §4.1.3 forbids data behind what TLS has read of a level, too. The library with GnuTLS, as they were in 2023."),
    read("ngtcp2 server", "F15", "`→ 1-RTT STREAM_DATA_BLOCKED 3 · → PING · ← ACK of both`. The library, as it was in 2023."),
    read("caddy server", "V08", "`→ Initial CRYPTO 1,200 B · ← Initial, Handshake, 1-RTT 1,252 B · ← 1-RTT 32 B · ← (0.2 s later) Initial 1,252 B twice`: 3,788 bytes. quic-go, as it was in 2022: it looks whether it may send a byte more, and then sends a datagram."),
    read("caddy server", "V14", "As V08: the token is none of its own. quic-go, as it was in 2022."),
    read("caddy server", "P10", "`→ Initial ClientHello, active_connection_id_limit 1 · ← the handshake is confirmed`. quic-go, as it was in 2022."),
    read("caddy server", "T06", "`→ Handshake CRYPTO [0..41): Finished and a KeyUpdate of 5 bytes · ← HANDSHAKE_DONE`. §4.1.3 forbids data behind what TLS has read of a level, too. quic-go, as it was in 2022."),
    read("caddy server", "F15", "`→ 1-RTT STREAM_DATA_BLOCKED 3 · → PING · ← ACK of both`. quic-go, as it was in 2022."),
    read("caddy server", "F19", "`→ 1-RTT NEW_CONNECTION_ID of 0 bytes · ← ACK, RETIRE_CONNECTION_ID 0`. quic-go, as it was in 2022."),
    read("quinn client", "C35", "`← Initial ClientHello · → Initial ServerHello with a token · ← Initial ACK`. The stack: the token of a server's packet is not looked at."),
    read("s2n-quic client", "C32", "`← Initial ClientHello · → Version Negotiation without version 1, 35 B · → (0.4 s later) Initial ServerHello · ← Handshake Finished`. The stack: clients ignore Version Negotiation."),
    read("s2n-quic client", "C37", "`← Initial ClientHello · → Initial ServerHello, reserved bits set · ← Initial ACK`. The stack: in Initial packets it does not look."),
    read("quiche client", "C35", "`← Initial ClientHello · → Initial ServerHello with a token · ← Initial ACK`. The stack: the token of a server's packet is not looked at."),
    read("quiche client", "C36", "`→ Handshake PING, reserved bits 11 · ← Handshake ACK`. The stack, as F03."),
    read("quiche client", "C37", "`→ Initial ServerHello, reserved bits set · ← Initial ACK`. The stack, as F03."),
    read("quiche client", "C05", "`→ EncryptedExtensions with retry_source_connection_id, after no Retry · ← Handshake Finished`. The stack: it compares the parameter only after a Retry."),
    read("quiche client", "C08", "`→ EncryptedExtensions with a preferred_address whose connection ID has no bytes · ← Handshake Finished`. The stack: it skips the parameter unread."),
    read("quiche client", "C34", "`← Initial ClientHello · → Retry without a token, its tag is good · ← Initial ClientHello to the Retry's connection ID`. The stack: it follows the Retry."),
    read("aioquic client", "C35", "`← Initial ClientHello · → Initial ServerHello with a token · ← Initial ACK`. The stack: the token of a server's packet is not looked at."),
    read("aioquic client", "C14", "`→ 1-RTT NEW_TOKEN of 0 bytes · → PING · ← ACK of both`. The stack."),
    read("ngtcp2 client", "C13", "`← Initial ClientHello with ALPN h3 · → EncryptedExtensions without ALPN · ← Handshake Finished`. The example client with GnuTLS, which is not told that ALPN is mandatory."),
];

/// Returns what was read of a fail.
pub(crate) fn of(stack: &str, id: &str) -> Option<&'static str> {
    let mut readings = READINGS.iter();
    let reading = readings.find(|reading| reading.stack == stack && reading.id == id);
    reading.map(|reading| reading.text)
}
