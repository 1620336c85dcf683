//! Handshakes with clients, in which something of the server is odd.

use std::{ops::RangeInclusive, sync::Arc};

use qecho_packet::{
    Side,
    close::APPLICATION_ERROR,
    wire::{Frame, Header, frames, packets},
};
use qecho_peer::{
    endpoint::{Endpoint, ServerConfig},
    packet::{Content, Packet, handshake, initial, one_rtt},
    received::{Close, ReceivedPacket, SentPacket},
    script::{Opened, Reaction},
    tls::{Level, Message},
};

use super::{
    Connection, Expected, Finding, Judged, Run, Verdict,
    attempts::ATTEMPTS,
    expected::{SILENT, close_words},
};

impl Run<'_> {
    /// Serves a client without an extension in EncryptedExtensions.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn serve_without(&mut self, extension: u16) -> Result<Connection, Finding> {
        let edit = move |message: &mut Message| {
            if let Message::EncryptedExtensions(extensions) = message {
                extensions.retain(|(kind, _)| *kind != extension);
            }
        };
        self.serve(|config| config.tls.edit = Some(Arc::new(edit)))
    }

    /// Answers a client's first packet by one without protection, and judges whether the
    /// handshake goes on as it must.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn goes_on_after(&mut self, answer: impl FnOnce(&Header) -> Vec<u8>) -> Judged {
        let mut connection = self.held_back(|_| {})?;
        let first = connection.first_header()?;
        connection.goes_on_after(&[answer(&first)])
    }

    /// Tells whether a client stays as long as answers are awaited if nothing is odd.
    pub(super) fn stays(&mut self) -> bool {
        let connection = self.serve(|_| {}).and_then(Connection::confirmed);
        connection.is_ok_and(|mut connection| {
            let patience = connection.patience;
            connection.settle(patience);
            connection.lives()
        })
    }

    /// Sends ServerHello in packets that are odd, again and again, which must not be processed.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn server_hello(
        &mut self,
        odd: impl Fn(Packet) -> Packet,
        expected: Expected,
    ) -> Judged {
        let mut connection = self.held_back(|_| {})?;
        let hello = connection.take_flight(Level::Initial);
        let from = connection.endpoint().next_number(Level::Initial);
        let is_processed = |endpoint: &Endpoint| {
            let next = endpoint.next_number(Level::Initial);
            let mut numbers = from..next;
            numbers.any(|number| endpoint.is_acknowledged(Level::Initial, number))
                || endpoint
                    .record()
                    .at_level(Level::Handshake)
                    .next()
                    .is_some()
        };
        let quiet = connection.quiet();
        for _ in 0..ATTEMPTS {
            for content in &hello {
                connection.send(odd(initial([content.clone()])));
            }
            let is_over = |endpoint: &Endpoint| endpoint.ended().is_some();
            if connection.wait_for(
                |endpoint| is_processed(endpoint) || is_over(endpoint),
                quiet,
            ) {
                // CONNECTION_CLOSE may be on its way.
                connection.wait_for(is_over, quiet);
                break;
            }
        }
        if let Some(close) = connection.endpoint().closed() {
            return Ok(expected.judge(&Reaction::Closed(close.clone())));
        }
        Ok(match is_processed(connection.endpoint()) {
            true => Finding::new(Verdict::Fail, "processed, and the handshake goes on"),
            false => Finding::new(Verdict::Pass, "not processed"),
        })
    }

    /// Waits for a client that has ServerHello and nothing behind it, and acknowledges Handshake
    /// packets.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn with_handshake_keys(&mut self) -> Result<Connection, Finding> {
        let mut connection = self.with_server_hello()?;
        let is_answered =
            connection.send_until_answered(Level::Handshake, &[handshake([Frame::Ping])]);
        connection.prepared();
        match is_answered {
            true => Ok(connection),
            false => Err(Finding::new(
                Verdict::NotReached,
                "the client acknowledges no Handshake packet yet",
            )),
        }
    }

    /// Sends a Handshake packet to a client that has completed the handshake, and knows of no
    /// confirmation, in one datagram with a PING that shows whether it came; judges the reaction.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn before_confirmation(&mut self, packet: Packet, expected: Expected) -> Judged {
        let mut connection = self.unconfirmed()?;
        let ping = handshake([Frame::Ping]);
        if !connection.send_until_answered(Level::Handshake, &[ping]) {
            return not_reached("the client acknowledges no Handshake packet");
        }
        connection.prepared();
        let ping = one_rtt([Frame::Ping]);
        let has_come = connection.send_until_answered(Level::OneRtt, &[packet, ping]);
        let reaction = connection.reaction();
        match connection.farewell(&reaction) {
            Some(close) => not_reached(close_words(close)),
            None if !has_come && matches!(reaction, Reaction::LivesOn { .. }) => {
                not_reached("the packet has not come")
            }
            None => Ok(connection.judge(&reaction, expected)),
        }
    }

    /// Waits for a client until it has completed the handshake, and tells it of no confirmation.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn unconfirmed(&mut self) -> Result<Connection, Finding> {
        let connection = self.serve(|config| {
            config.behaviour.sends_handshake_done = false;
            config.behaviour.discards_keys = false;
            // An acknowledgement may count as confirmation (RFC 9001 §4.1.2).
            config.behaviour.acknowledges = false;
        })?;
        connection.confirmed()
    }

    /// Waits for a client and sends ServerHello, and nothing behind it, until it has come.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn with_server_hello(&mut self) -> Result<Connection, Finding> {
        let mut connection = self.held_back(|_| {})?;
        connection.endpoint_mut().behaviour.acknowledges = true;
        for content in connection.take_flight(Level::Initial) {
            connection.send(initial([content]));
        }
        let patience = connection.patience;
        let is_over =
            |endpoint: &Endpoint| has_server_hello(endpoint) || endpoint.ended().is_some();
        connection.wait_for(is_over, patience);
        connection.prepared();
        match has_server_hello(connection.endpoint()) {
            true => Ok(connection),
            false if connection.endpoint().ended().is_some() => {
                Err(connection.not_reached_by_end())
            }
            false => Err(Finding::new(
                Verdict::NotReached,
                "the client does not acknowledge ServerHello",
            )),
        }
    }

    /// Waits for a client's ClientHello, to which nothing is said by itself.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn held_back(
        &mut self,
        change: impl FnOnce(&mut ServerConfig),
    ) -> Result<Connection, Finding> {
        let mut connection = self.serve(|config| {
            change(config);
            config.behaviour.sends_crypto = false;
            config.behaviour.acknowledges = false;
        })?;
        let patience = connection.patience;
        let is_read = |endpoint: &Endpoint| {
            endpoint.has_keys(Level::Handshake) || endpoint.tls_error().is_some()
        };
        connection.wait_for(is_read, patience);
        match connection.endpoint().has_keys(Level::Handshake) {
            true => Ok(connection),
            false => Err(connection.unread_hello()),
        }
    }
}

impl Connection {
    /// Sends datagrams that have to be discarded, and judges whether the handshake, which was held
    /// back, goes on as it must.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn goes_on_after(&mut self, datagrams: &[Vec<u8>]) -> Judged {
        for datagram in datagrams {
            self.send_raw(datagram);
        }
        // A client that falls for it does so at once.
        let pause = self.quiet() / 2;
        self.settle(pause);
        self.let_go();
        Ok(match self.open() {
            Opened::Confirmed => Finding::new(Verdict::Pass, "the handshake goes on"),
            Opened::Refused(close) => Expected::lives_on().judge(&Reaction::Closed(close)),
            _ => Finding::new(Verdict::Fail, "the handshake does not go on"),
        })
    }

    /// Judges what becomes of a handshake with a client. Before its end errors may go unsaid;
    /// what goes on must not come to the end.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn expect_of_client(&mut self, expected: Expected) -> Judged {
        let opened = self.open();
        if self.endpoint().closed().is_none() && self.endpoint().tls_error().is_some() {
            return Err(self.unread_hello());
        }
        let mut finding = match opened {
            Opened::Confirmed => {
                let reaction = self.reaction();
                match self.farewell(&reaction) {
                    Some(close) => judge_departure(close, expected),
                    None => self.judge(&reaction, expected),
                }
            }
            Opened::Refused(close) => expected.judge(&Reaction::Closed(close)),
            _ => expected.judge(&Reaction::Silent),
        };
        if self.endpoint().closed().is_none() {
            let seen = match self.endpoint().is_complete() {
                true if finding.seen == SILENT => SILENT,
                true => "the handshake is completed, and the connection goes on",
                false => "the handshake was not completed, and nothing said",
            };
            seen.clone_into(&mut finding.seen);
        }
        Ok(finding)
    }

    /// Returns the close of a client whose work is done, or given up: a client may leave whenever
    /// it likes, and its application's close is no answer to anything.
    pub(super) fn farewell<'r>(&self, reaction: &'r Reaction) -> Option<&'r Close> {
        match reaction {
            Reaction::Closed(close)
                if (close.application || close.code == APPLICATION_ERROR)
                    && self.endpoint().side() == Side::Server =>
            {
                Some(close)
            }
            _ => None,
        }
    }

    /// Judges a client that has left after a packet was sent, one after so many before it, by
    /// whether it had acknowledged the packet.
    pub(super) fn judge_farewell(
        &self,
        close: &Close,
        before: usize,
        expected: Expected,
    ) -> Judged {
        let record = self.endpoint().record();
        let sent = &record.sent[before..];
        let first = sent.first();
        // A PING that only asks whether the client lives may look the same, and is no part of it.
        let is_told = |packet: &SentPacket| {
            let datagram = record.datagrams.get(packet.datagram);
            datagram.is_some_and(|datagram| datagram.is_told)
        };
        let is_again = |packet: &&SentPacket| {
            first.is_some_and(|first| {
                let one = (first.level, &first.payload);
                is_told(packet) && (packet.level, &packet.payload) == one
            })
        };
        // Each level counts its packets from 0 (RFC 9000 §12.3).
        let level = first.map_or(Level::OneRtt, |first| first.level);
        let acknowledgements = record.at_level(level).filter(|packet| {
            let frames = packet.frames();
            let mut closes = frames.iter();
            !closes.any(|frame| matches!(frame, Frame::ConnectionClose { .. }))
        });
        let ranges: Vec<_> = acknowledgements.flat_map(acknowledged).collect();
        let mut again = sent.iter().filter(is_again);
        let is_taken = again.any(|packet| {
            let mut ranges = ranges.iter();
            ranges.any(|range| range.contains(&packet.number))
        });
        match is_taken {
            true => Ok(judge_departure(close, expected)),
            false => not_reached(format!("before it could react, {}", close_words(close))),
        }
    }

    /// Sends packets in one datagram, again and again until one of a level is acknowledged; tells
    /// whether it is.
    pub(super) fn send_until_answered(&mut self, level: Level, packets: &[Packet]) -> bool {
        let from = self.endpoint().next_number(level);
        let is_answered = |endpoint: &Endpoint| {
            let mut numbers = from..endpoint.next_number(level);
            numbers.any(|number| endpoint.is_acknowledged(level, number))
        };
        let is_over = |endpoint: &Endpoint| is_answered(endpoint) || endpoint.ended().is_some();
        let quiet = self.quiet();
        for _ in 0..ATTEMPTS {
            let packets = packets.iter().cloned();
            self.send_datagram(packets.map(Packet::once).collect());
            if self.wait_for(is_over, quiet) {
                break;
            }
        }
        is_answered(self.endpoint())
    }

    /// Sends all that was held back, and what follows.
    pub(super) fn let_go(&mut self) {
        let behaviour = &mut self.endpoint_mut().behaviour;
        behaviour.sends_crypto = true;
        behaviour.acknowledges = true;
        self.flush();
    }

    /// Returns the header of the client's first packet.
    ///
    /// # Errors
    /// The requirement was not reached: it is no packet.
    pub(super) fn first_header(&self) -> Result<Header, Finding> {
        let datagrams = self.answers();
        let first = datagrams.first().and_then(|first| packets(first, 0).next());
        let first = first.and_then(Result::ok).map(|packet| packet.header);
        first.ok_or_else(|| Finding::new(Verdict::NotReached, "the client's first is no packet"))
    }

    /// Takes all TLS messages of a level that wait.
    fn take_flight(&mut self, level: Level) -> Vec<Content> {
        let endpoint = self.endpoint_mut();
        std::iter::from_fn(|| endpoint.take_crypto(level)).collect()
    }

    fn unread_hello(&self) -> Finding {
        let seen = match self.endpoint().tls_error() {
            Some(error) => format!("this side's TLS: {error}"),
            None => "the ClientHello has not come".to_owned(),
        };
        Finding::new(Verdict::NotReached, seen)
    }
}

/// Judges a client that went on to its own end.
fn judge_departure(close: &Close, expected: Expected) -> Finding {
    let is_acknowledged = true;
    let mut finding = expected.judge(&Reaction::LivesOn { is_acknowledged });
    finding.seen = format!("taken, and later {}", close_words(close));
    finding
}

/// Returns the packet numbers that a packet acknowledges.
fn acknowledged(packet: &ReceivedPacket) -> Vec<RangeInclusive<u64>> {
    let frames = packet.frames();
    let ranges = frames.into_iter().filter_map(|frame| match frame {
        Frame::Ack(ack) => Some(ack.ranges),
        _ => None,
    });
    ranges.flatten().collect()
}

/// Tells whether a client has acknowledged a part of ServerHello, or uses the keys that it brings.
fn has_server_hello(endpoint: &Endpoint) -> bool {
    let mut handshake = endpoint.record().at_level(Level::Handshake);
    if handshake.next().is_some() {
        return true;
    }
    let mut sent = endpoint.record().sent.iter();
    sent.any(|packet| {
        packet.level == Level::Initial
            && endpoint.is_acknowledged(Level::Initial, packet.number)
            && frames(&packet.payload).any(|frame| matches!(frame, Ok(Frame::Crypto { .. })))
    })
}

fn not_reached(why: impl Into<String>) -> Judged {
    Err(Finding::new(Verdict::NotReached, why))
}
