//! Events between packets.

use std::time::Duration;

use bytes::Bytes;
use qecho_packet::{
    CloseReason, Direction, RecoveryMetrics, Side, TransportParameters,
    trace::{EventKind, LossReason},
    wire::PacketType,
};

use super::{
    super::{
        Detail,
        samples::{self, event},
    },
    PLAIN, line, loss, packets, written,
};

#[test]
fn losses_say_why() {
    let cases = [
        (
            LossReason::PacketThreshold { acknowledged: 15 },
            "15 was acknowledged, three or more later (RFC 9002 §6.1.1)",
        ),
        (
            LossReason::TimeThreshold {
                acknowledged: 13,
                age: Duration::from_micros(12_340),
            },
            "13 was acknowledged, and it is 12.3 ms old, over 9/8 of a round trip (RFC 9002 §6.1.2)",
        ),
        (
            LossReason::MtuProbe,
            "it probed for a larger MTU; no sign of congestion (RFC 9000 §14.4)",
        ),
    ];
    for (reason, why) in cases {
        let expected = format!("    0.000 ✕ 1-RTT 12     1,200 B  lost: {why}\n");
        assert_eq!(line(Detail::Handshake, loss(reason)), expected);
    }
}

#[test]
fn what_happens_between_packets_has_a_line_of_its_own() {
    let before = (samples::address(1, 40_000), samples::address(2, 4433));
    let reason = CloseReason::Application {
        code: 7,
        reason: Bytes::from_static(b"bye"),
    };
    let cases = [
        (
            EventKind::SpuriousLoss {
                direction: Direction::Sent,
                packet_type: PacketType::OneRtt,
                number: 12,
            },
            "• 1-RTT 12 lost no more: it arrived late (RFC 9002 §6.1)",
        ),
        (
            EventKind::KeyUpdate {
                direction: Direction::Received,
                generation: 2,
            },
            "• key update 2: the server sends under new keys (RFC 9001 §6)",
        ),
        (
            EventKind::PathChanged { before },
            "• the client moved from 192.0.2.1:40000 to 192.0.2.1:50000 (RFC 9000 §9)",
        ),
        (
            EventKind::Closed(&CloseReason::Local),
            "• closed by the client",
        ),
        (
            EventKind::Closed(&reason),
            "• closed by the peer with application code 7: bye",
        ),
        (
            EventKind::Closed(&CloseReason::TimedOut),
            "✕ closed: the peer fell silent (idle timeout)",
        ),
        (
            EventKind::EventsDropped { count: 1_234 },
            "✕ 1,234 observations left out: too many at once",
        ),
    ];
    for (what, expected) in cases {
        let expected = format!("    0.000 {expected}\n");
        assert_eq!(line(Detail::Handshake, what), expected);
    }
    let forgotten = "    0.000 • connection 1 is forgotten\n";
    assert_eq!(line(Detail::Frames, EventKind::Forgotten), forgotten);
    assert_eq!(line(Detail::Packets, EventKind::Forgotten), "");
}

#[test]
fn transport_parameters_are_a_table_or_a_paragraph() {
    let parameters = TransportParameters::parse(&[0x01, 0x02, 0x47, 0xd0, 0x0c, 0x00]);
    let what = || EventKind::Parameters {
        direction: Direction::Received,
        parameters: &parameters,
    };
    let table = "    0.000 • the server's transport parameters:
            max_idle_timeout                    2,000 ms
            disable_active_migration            yes
";
    assert_eq!(line(Detail::Handshake, what()), table);
    assert_eq!(line(Detail::Frames, what()), table);
    assert_eq!(
        line(Detail::Packets, what()),
        "    0.000 • the server's transport parameters: max_idle_timeout 2,000 ms · disable_active_migration yes\n"
    );
}

#[test]
fn of_the_path_only_its_mtu_and_congestion_are_told_and_only_in_full() {
    let connection = samples::connection(Side::Client);
    let first = RecoveryMetrics {
        smoothed_rtt: Duration::from_micros(1_500),
        mtu: 1_200,
        congestion_window: 12_000,
        ..RecoveryMetrics::default()
    };
    let slower = RecoveryMetrics {
        smoothed_rtt: Duration::from_micros(2_500),
        ..first
    };
    let wider = RecoveryMetrics {
        mtu: 1_452,
        ..slower
    };
    let cut = RecoveryMetrics {
        congestion_window: 6_000,
        congestion_events: 1,
        ..wider
    };
    let events = [&first, &slower, &wider, &cut]
        .map(|recovery| event(0, &connection, EventKind::Recovery(recovery)));
    assert_eq!(packets(&events), "");
    assert_eq!(
        written(Detail::Frames, PLAIN, &events),
        "    0.000 • the path carries datagrams of 1,452 bytes (RFC 9000 §14.3) · smoothed_rtt 2.50 ms
    0.000 • congestion: window cut to 6,000 bytes (RFC 9002 §7.3.2) · smoothed_rtt 2.50 ms
"
    );
}
