//! Fails of clients.

use super::{Reading, read};

/// All that was read, by stack.
#[rustfmt::skip]
pub(super) const READINGS: &[Reading] = &[
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
