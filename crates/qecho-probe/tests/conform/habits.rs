//! Servers that do something wrong by habit, and well-behaved ones that do more than others.

use std::{cell::Cell, sync::Arc};

use qecho_packet::{
    Dir, Side, StreamId, TransportParameters,
    close::INTERNAL_ERROR,
    wire::{Ack, ConnectionId, EcnCounts, Frame},
};
use qecho_peer::{
    endpoint::{Endpoint, ServerConfig},
    faults::Fault,
    network::{Ecn, PathId},
    packet::{Packet, one_rtt},
    received::{ReceivedPacket, Unopened, UnopenedPacket},
    simulated::SimulatedServer,
    tls::{Level, Tickets},
};

use crate::subject::{good_server, server_config};

type Act = fn(&mut Endpoint);

/// A connection ID with its sequence number and reset token.
type Issued = (u64, Option<ConnectionId>, [u8; 16]);

/// A server that does something when a frame has come.
pub(crate) fn when(is_it: fn(&Frame<'_>) -> bool, act: Act) -> SimulatedServer {
    good_server().with_habit(move |endpoint, from| {
        let mut new = endpoint.received().iter().skip(from);
        if new.any(|packet| packet.is_processed && packet.frames().iter().any(is_it)) {
            act(endpoint);
        }
    })
}

/// A server that sends a packet when a frame has come.
pub(crate) fn answering(
    is_it: fn(&Frame<'_>) -> bool,
    answer: impl Fn() -> Packet + 'static,
) -> SimulatedServer {
    good_server().with_habit(move |endpoint, from| {
        let mut new = endpoint.received().iter().skip(from);
        if new.any(|packet| packet.is_processed && packet.frames().iter().any(is_it)) {
            endpoint.send(answer());
        }
    })
}

/// A server that sends a packet when PING has come.
pub(crate) fn sending(answer: fn() -> Packet) -> SimulatedServer {
    answering(is_ping, answer)
}

/// A server that does something when a connection has begun.
pub(crate) fn at_first(act: Act) -> SimulatedServer {
    good_server().with_habit(move |endpoint, from| {
        if from == 0 && !endpoint.received().is_empty() {
            act(endpoint);
        }
    })
}

/// A server that sends an acknowledgement of its own when PING has come in 1-RTT.
pub(crate) fn acknowledging(frame: fn(u64) -> Frame<'static>) -> SimulatedServer {
    good_server().with_habit(move |endpoint, from| {
        let new = endpoint.received().iter().skip(from);
        let new = new.filter(|packet| {
            packet.level == Level::OneRtt && packet.frames().contains(&Frame::Ping)
        });
        if let Some(largest) = new.map(|packet| packet.number).max() {
            endpoint.send(one_rtt([frame(largest)]).once());
        }
    })
}

/// A server that sends PING with the acknowledgement of what elicits none.
pub(crate) fn answering_all_by_ping() -> SimulatedServer {
    good_server().with_habit(move |endpoint, from| {
        let new = endpoint.received().iter().skip(from);
        let new = new.filter(|packet| packet.level == Level::OneRtt && !packet.is_ack_eliciting());
        if let Some(largest) = new.map(|packet| packet.number).max() {
            endpoint.send(one_rtt([ack(0, largest..=largest, None), Frame::Ping]).once());
        }
    })
}

/// A server that acknowledges PING twice, and once more when the client's acknowledgements tell
/// that one of these packets is lost.
pub(crate) fn repeating_lost_acknowledgements() -> SimulatedServer {
    let looked_at = Cell::new(0);
    acknowledging(|largest| ack(0, largest..=largest, None)).with_habit(move |endpoint, _| {
        let is_told = |number: &u64| endpoint.is_acknowledged(Level::OneRtt, *number);
        let sent = 0..endpoint.next_number(Level::OneRtt);
        let highest = sent.rev().find(is_told).unwrap_or(0);
        let is_one_lost = !(looked_at.get()..highest).all(|number| is_told(&number));
        looked_at.set(highest);
        let received = endpoint.received().last().map(|packet| packet.number);
        if let Some(largest) = received.filter(|_| is_one_lost) {
            endpoint.send(one_rtt([ack(0, largest..=largest, None)]).once());
        }
    })
}

pub(crate) fn ack(
    delay: u64,
    range: std::ops::RangeInclusive<u64>,
    ect0: Option<u64>,
) -> Frame<'static> {
    let ecn = ect0.map(|ect0| EcnCounts {
        ect0,
        ect1: 0,
        ce: 0,
    });
    Frame::Ack(Ack {
        delay,
        ranges: vec![range],
        ecn,
    })
}

pub(crate) fn is_ping(frame: &Frame<'_>) -> bool {
    *frame == Frame::Ping
}

pub(crate) fn is_stream(frame: &Frame<'_>) -> bool {
    matches!(frame, Frame::Stream { .. })
}

pub(crate) fn stream(id: u64, offset: u64, data: &'static [u8]) -> Frame<'static> {
    let (id, fin) = (StreamId::from_value(id), false);
    Frame::Stream {
        id,
        offset,
        fin,
        data,
    }
}

pub(crate) fn editing(change: fn(&mut ServerConfig)) -> SimulatedServer {
    let mut config = server_config();
    change(&mut config);
    SimulatedServer::new(config)
}

/// A server that sends a transport parameter with a value.
pub(crate) fn with_parameter(id: u64, value: &[u8]) -> SimulatedServer {
    let value = value.to_vec();
    let mut config = server_config();
    config.edit_parameters = Some(Arc::new(move |all| {
        all.retain(|(other, _)| *other != id);
        all.push((id, value.clone()));
    }));
    SimulatedServer::new(config)
}

pub(crate) fn with_versions(versions: &[u32]) -> SimulatedServer {
    let value: Vec<u8> = versions
        .iter()
        .flat_map(|version| version.to_be_bytes())
        .collect();
    with_parameter(TransportParameters::VERSION_INFORMATION, &value)
}

/// A server that issues a connection ID which does not fit to the others.
pub(crate) fn issuing(choose: fn(&Endpoint) -> Issued) -> SimulatedServer {
    good_server().with_habit(move |endpoint, from| {
        let mut new = endpoint.received().iter().skip(from);
        if new.any(|packet| packet.frames().contains(&Frame::Ping)) {
            let (sequence, id, reset_token) = choose(endpoint);
            let (id, retire_prior_to) = (id.unwrap(), 0);
            endpoint.send(one_rtt([Frame::NewConnectionId {
                sequence,
                retire_prior_to,
                id,
                reset_token,
            }]));
        }
    })
}

/// Lets a server give a token of its own to each connection.
pub(crate) fn giving_tokens(server: SimulatedServer) -> SimulatedServer {
    server.with_habit(|endpoint, _| {
        if endpoint.is_confirmed() && endpoint.next_number(Level::OneRtt) < 4 {
            let token = endpoint.connection_ids().local[0].id;
            endpoint.send_frame(Frame::NewToken { token: &token });
        }
    })
}

pub(crate) fn retrying(change: fn(&mut ServerConfig)) -> SimulatedServer {
    let mut config = server_config();
    config.retry_token = Some(b"token".to_vec());
    change(&mut config);
    SimulatedServer::new(config)
}

/// A server that sends with ECT(0), whatever is told of it.
pub(crate) fn marking() -> SimulatedServer {
    editing(|config| config.behaviour.ecn = Ecn::Ect0)
}

/// Stops to send with ECT(0) once there are no counts of it.
pub(crate) fn heed_counts(endpoint: &mut Endpoint, from: usize) {
    let new = endpoint.received().iter().skip(from);
    let is_bad = |frame: &Frame<'_>| match frame {
        Frame::Ack(ack) => ack.ecn.is_none_or(|counts| counts.ect0 == 0),
        _ => false,
    };
    if new
        .flat_map(|packet| packet.frames().iter().map(is_bad).collect::<Vec<_>>())
        .any(|is_bad| is_bad)
    {
        endpoint.behaviour.ecn = Ecn::NotEct;
    }
}

pub(crate) fn forbidding_to_move() -> ServerConfig {
    let mut config = server_config();
    config
        .parameters
        .push((TransportParameters::DISABLE_ACTIVE_MIGRATION, Vec::new()));
    config
}

/// Returns the path of new packets, if it is not the first.
pub(crate) fn new_path(endpoint: &Endpoint, from: usize) -> Option<PathId> {
    let first = endpoint.received().first()?.path;
    let mut new = endpoint
        .received()
        .iter()
        .skip(from)
        .map(|packet| packet.path);
    new.find(|path| *path != first)
}

pub(crate) fn on_new_path(act: fn(&mut Endpoint, PathId)) -> SimulatedServer {
    good_server().with_habit(move |endpoint, from| {
        if let Some(path) = new_path(endpoint, from) {
            act(endpoint, path);
        }
    })
}

/// A server that sends DATAGRAM frames back, whatever the client takes.
pub(crate) fn echoing_datagrams() -> SimulatedServer {
    let is_datagram = |frame: &Frame<'_>| matches!(frame, Frame::Datagram { .. });
    answering(is_datagram, || {
        one_rtt([Frame::Datagram { data: &[0xa5; 100] }])
    })
}

/// A server that ends a connection for the token of a stateless reset, used or not.
pub(crate) fn closing_for_any_token() -> SimulatedServer {
    good_server().with_habit(|endpoint, _| {
        let mut datagrams = endpoint.record().datagrams.iter();
        if datagrams.any(|datagram| (1..=2).any(|token| datagram.bytes.ends_with(&[token; 16]))) {
            endpoint.close(false, INTERNAL_ERROR, "");
        }
    })
}

/// A server that ends, without a word, by stateless resets that lead to no connection, and by no
/// others.
pub(crate) fn heeding_resets_to_nobody() -> SimulatedServer {
    let deaf = good_server().with_faults([Fault::IgnoresReset]);
    deaf.with_habit(|endpoint, _| {
        let local = &endpoint.connection_ids().local;
        let is_to_nobody = |reset: &UnopenedPacket| {
            let mut ids = local.iter().map(|issued| issued.id);
            !ids.any(|id| reset.bytes[1..].starts_with(&id))
        };
        let record = endpoint.record();
        let is_reset = record
            .unopened_as(Unopened::StatelessReset)
            .any(is_to_nobody);
        if is_reset {
            let behaviour = &mut endpoint.behaviour;
            (behaviour.acknowledges, behaviour.resends) = (false, false);
        }
    })
}

pub(crate) fn taking_early_data(change: impl FnOnce(&mut ServerConfig)) -> SimulatedServer {
    let mut config = server_config();
    config.tls.tickets = Some(Tickets::new([7; 32]).with_early_data([]));
    change(&mut config);
    SimulatedServer::new(config)
}

/// A server that answers each unidirectional stream on one of its own, and heeds limits that are
/// taken back if it is told to.
pub(crate) fn answering_on_its_own_streams(heeds_lower_limits: bool) -> SimulatedServer {
    good_server().with_habit(move |endpoint, from| {
        let is_lower = |frame: &Frame<'_>| matches!(frame, Frame::MaxStreams { maximum: 0, .. });
        let mut all = endpoint.received().iter();
        if heeds_lower_limits && all.any(|packet| packet.frames().iter().any(is_lower)) {
            return;
        }
        let mut asked = Vec::new();
        for packet in endpoint.received().iter().skip(from) {
            for frame in packet.frames() {
                if let Frame::Stream { id, .. } = frame
                    && id.direction() == Dir::Unidirectional
                {
                    asked.push(StreamId::new(Side::Server, id.direction(), id.index()));
                }
            }
        }
        for id in asked {
            endpoint.send(one_rtt([stream(id.value(), 0, b"a")]));
        }
    })
}

/// A server that leaves out a packet number before it answers a PING, as RFC 9000 §21.4 lets it.
pub(crate) fn leaving_numbers_out(server: SimulatedServer) -> SimulatedServer {
    server.with_habit(|endpoint, from| {
        let mut new = endpoint.received().iter().skip(from);
        if new.any(|packet| packet.frames().contains(&Frame::Ping)) {
            // Another packet may wait that has the next one.
            let number = endpoint.next_number(Level::OneRtt) + 2;
            endpoint.send(one_rtt([Frame::Ping]).numbered(number));
        }
    })
}

/// A server that acknowledges what comes out of order, and forgets it.
pub(crate) fn dropping_what_is_out_of_order() -> SimulatedServer {
    let is_out_of_order = |packet: &ReceivedPacket| {
        let frames = packet.frames();
        let mut frames = frames.iter();
        frames.any(|frame| matches!(frame, Frame::Stream { offset: 1.., .. }))
    };
    let server = good_server().with_rules(move |rules| rules.discarding(is_out_of_order));
    server.with_habit(move |endpoint, from| {
        let new = endpoint.received().iter().skip(from);
        let new = new.filter(|packet| is_out_of_order(packet));
        let numbers: Vec<_> = new.map(|packet| packet.number).collect();
        for number in numbers {
            endpoint.send(one_rtt([ack(0, number..=number, None)]).once());
        }
    })
}
