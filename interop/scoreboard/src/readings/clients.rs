//! Fails of clients.

use super::{Reading, read};

/// All that was read, by stack.
#[rustfmt::skip]
pub(super) const READINGS: &[Reading] = &[
    read("quinn client", "C35", "`← Initial ClientHello · → Initial ServerHello with a token · ← Initial ACK`. The stack: `Connection::handle_packet` compares the token of Initial packets as a server alone."),
    read("quinn client", "C121", "`← Initial ClientHello to 2b9e… · → Retry from 2b9e… with a token · ← Initial ClientHello with that token, to 2b9e…`. The stack: `Connection::process_decrypted_packet` looks at the Retry's tag and token, and not at its source. That it closes later is for the lack of retry_source_connection_id, as it takes the Retry for followed."),
    read("s2n-quic client", "C32", "`← Initial ClientHello · → Version Negotiation without version 1, 35 B · → (1 s later) Initial ServerHello · ← Handshake Finished`. The stack: `handle_version_negotiation_packet` reports the packet and does nothing, which its sources call a thing to do."),
    read("s2n-quic client", "C37", "`← Initial ClientHello · → Initial ServerHello, reserved bits set · ← Initial ACK`. The stack: `EncryptedInitial::decrypt` does not look at the bits, as those of Handshake and 1-RTT packets do."),
    read("s2n-quic client", "C45", "`→ 1-RTT STOP_SENDING 3 · → PING · ← ACK of both`; it grants 100 such streams. The stack: `StreamImpl::on_stop_sending` hands the frame to the sending part, which a stream of the server has not, and does not look at `has_send`, as `on_max_stream_data` does."),
    read("s2n-quic client", "C75", "`→ 1-RTT DATAGRAM, although no max_datagram_frame_size was announced · → PING · ← ACK of both`. The stack: `handle_datagram_frame` hands the frame to its disabled receiver without looking at what it has announced."),
    read("s2n-quic client", "C93", "`→ Initial ServerHello · → Handshake EncryptedExtensions with max_ack_delay 16,384 · ← Handshake Finished · ← 1-RTT ACK`. The stack: `MaxAckDelay::validate` takes 2^14 itself, too."),
    read("s2n-quic client", "C104", "`→ 1-RTT 3 PING under the next keys · ← ACK 2–5 under them · → 1-RTT 6 PING under the old keys · ← ACK 2–7`. The stack: for as long as an update is new, `KeySet::decrypt_packet` has the old keys where the next ones will be, and takes such a packet for one more update."),
    read("s2n-quic client", "C138", "`→ 1-RTT PATH_CHALLENGE 1,200 B · ← 1-RTT ACK, PATH_RESPONSE, STREAM 161 B`. The stack, on purpose: it expands the answer only where the path is not validated yet. §8.2.2 excepts nothing but the limit of three times the bytes, to which a client's first path is not subject."),
    read("s2n-quic client", "C148", "`→ Handshake PING · → 1-RTT PING · ← 1-RTT ACK · (four times) · ← Handshake ACK 0, CRYPTO (Finished, as a probe)`. The stack: it has the keys still, as its probes show, and acknowledges such packets until its own TLS is done (C84), not until the handshake is confirmed."),
    read("quiche client", "C39", "`→ 1-RTT PING, reserved bits 11 · ← ACK`. The stack, as F03: `decrypt_hdr` does not look at the bits."),
    read("quiche client", "C36", "`→ Handshake PING, reserved bits 11 · ← Handshake ACK`. The stack, as F03."),
    read("quiche client", "C37", "`→ Initial ServerHello, reserved bits set · ← Initial ACK`. The stack, as F03."),
    read("quiche client", "C83", "`→ Handshake PING, one that is not authentic, PING in one datagram · ← Handshake ACK of the first alone`, four times. The stack, as K10: `Connection::recv` leaves the datagram at the first packet that cannot be opened."),
    read("quiche client", "C103", "`→ 1-RTT PING with 0 in place of the fixed bit · ← ACK`; it does not announce grease_quic_bit. The stack, as V07: `Header::from_bytes` does not look at the bit."),
    read("quiche client", "C35", "`← Initial ClientHello · → Initial ServerHello with a token · ← Initial ACK`. The stack: `recv_single` does not look at the token of a server's packet."),
    read("quiche client", "C113", "`→ NEW_CONNECTION_ID 1, Retire Prior To 1 · ← RETIRE_CONNECTION_ID 0, packets to ID 1 · → 60 bytes that end in the token of ID 1 · → PING · ← ACK`. The stack: `is_stateless_reset` knows the token of the transport parameters alone, and says so."),
    read("quiche client", "C98", "`→ EncryptedExtensions, disable_active_migration of one byte · ← Handshake Finished`. The stack: `TransportParams::decode` does not look at the value."),
    read("quiche client", "C99", "`→ EncryptedExtensions, initial_max_data with a byte behind its integer · ← Handshake Finished`. The stack: `TransportParams::decode` does not look at the rest of a value."),
    read("quiche client", "C05", "`→ EncryptedExtensions with retry_source_connection_id, after no Retry · ← Handshake Finished`. The stack: `parse_peer_transport_params` compares the parameter after a Retry alone."),
    read("quiche client", "C08", "`→ EncryptedExtensions with a preferred_address whose connection ID has no bytes · ← Handshake Finished`. The stack: `TransportParams::decode` skips the parameter unread; it moves to no preferred address, either."),
    read("quiche client", "C34", "`← Initial ClientHello · → Retry without a token, its tag is good · ← Initial ClientHello to the Retry's connection ID`. The stack: `recv_single` looks at the tag alone."),
    read("quiche client", "C117", "`← Initial ClientHello · → Retry · ← Initial ClientHello with the token, another random, and another key_share`. The stack: `recv_single` begins TLS anew (`SSL_clear`). §17.2.5.3 allows a server to refuse it; most do not look."),
    read("quiche client", "C121", "`← Initial ClientHello · → Retry from the ID that the client has chosen · ← Initial ClientHello with the Retry's token`. The stack: `recv_single` looks at the tag alone. That the handshake ends there is due to the new ClientHello (C117)."),
    read("quiche client", "C138", "`→ 1-RTT PATH_CHALLENGE 1,200 B · ← ACK, PATH_RESPONSE 40 B`. The stack: `send_single` expands datagrams on paths that are not validated yet, and no others."),
    read("quiche client", "C49", "`→ 1-RTT STREAM_DATA_BLOCKED 2 · → PING · ← ACK of both`. The stack: `process_frame` counts the frame and does not look at its stream."),
    read("quiche client", "C110", "`→ Initial ServerHello · → Initial PING with another source connection ID · ← Initial ACK of both`. The stack: `recv_single` takes the ID of the first packet and does not compare those of later ones."),
    read("aioquic client", "C14", "`→ 1-RTT NEW_TOKEN of 0 bytes · → PING · ← ACK of both`. The stack: `_handle_new_token_frame` does not look at the length."),
    read("aioquic client", "C35", "`← Initial ClientHello · → Initial ServerHello with a token · ← Initial ACK`. The stack: `receive_datagram` does not look at the token of a server's packet."),
    read("aioquic client", "C85", "`→ NEW_CONNECTION_ID 3, Retire Prior To 3 · ← RETIRE_CONNECTION_ID 0 · → NEW_CONNECTION_ID 1 · ← ACK, and never RETIRE_CONNECTION_ID 1`. The stack: `_handle_new_connection_id_frame` drops such an ID without a word."),
    read("aioquic client", "C113", "`→ NEW_CONNECTION_ID 1, Retire Prior To 1 · ← RETIRE_CONNECTION_ID 0 · → 60 bytes that end in the token of ID 1 · → PING · ← ACK`. The stack: it keeps tokens, those of the transport parameters too, and compares them with nothing."),
    read("aioquic client", "C114", "`→ Initial ServerHello whose source has no bytes · → 1-RTT NEW_CONNECTION_ID 1 · → PING · ← ACK of both`. The stack: `_handle_new_connection_id_frame` does not look whether the ID in use has bytes."),
    read("aioquic client", "C117", "`← Initial 0 CRYPTO [0..478) ClientHello · → Retry · ← Initial 1 CRYPTO [0..478), another ClientHello`. The stack: `_receive_retry_packet` begins TLS anew, with another random and other keys."),
    read("ngtcp2 client", "C13", "`← Initial ClientHello with ALPN h3 · → EncryptedExtensions without ALPN · ← Handshake Finished · ← 1-RTT STREAM 0`. The example client with GnuTLS: it demands GNUTLS_ALPN_MANDATORY, but GnuTLS asks for that only where the extension came, and the client looks at what was agreed on only to print it."),
    read("ngtcp2 client", "C49", "`← 1-RTT STREAM 2 · → STREAM_DATA_BLOCKED 2 · → PING · ← ACK of both`. The library, as it was in 2023: since 0.19 `conn_recv_stream_data_blocked` refuses the frame."),
    read("ngtcp2 client", "C83", "`→ Handshake 1 PING, one that is not authentic, 3 PING in one datagram · ← Handshake ACK 0–1`; so again with 5 and 7. The library: `conn_recv_handshake_cpkt` leaves the datagram at the first packet that is discarded. That of 2026 does, too."),
];
