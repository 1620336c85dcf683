//! Beginnings of connections that are not whole: what is odd in them lies before the handshake's
//! end.

use std::{sync::Arc, time::Duration};

use qecho_packet::{
    Direction, Side, TransportParameters,
    close::TRANSPORT_PARAMETER_ERROR,
    wire::{Frame, PacketType, packets},
};
use qecho_peer::{
    endpoint::{ClientConfig, Ended, Endpoint, Parameters},
    network::{Ecn, PathId},
    packet::{Packet, initial},
    received::{ReceivedPacket, Unopened},
    script::{Opened, Reaction},
    tls::{ClientHello, Level, Message, TlsRule},
};

use super::{
    Connection, Expected, Finding, Judged, Run, Verdict,
    connection::{not_applicable, opened_words},
};

/// Times that something is sent that may be lost.
pub(super) const ATTEMPTS: u32 = 4;

impl Run<'_> {
    /// Connects with changed settings, and judges what becomes of that.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn handshake(
        &mut self,
        change: impl FnOnce(&mut ClientConfig),
        expected: Expected,
    ) -> Judged {
        let mut connection = self.client(change)?;
        connection.expect_of_handshake(expected)
    }

    /// Connects with changed transport parameters, which have to be refused.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn refuses_parameters(
        &mut self,
        change: impl Fn(&mut Parameters) + Send + Sync + 'static,
    ) -> Judged {
        let expected = Expected::close(&[TRANSPORT_PARAMETER_ERROR]);
        self.parameters(change, expected)
    }

    /// Connects with changed transport parameters, and judges what becomes of that.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn parameters(
        &mut self,
        change: impl Fn(&mut Parameters) + Send + Sync + 'static,
        expected: Expected,
    ) -> Judged {
        let mut connection = self.begin(|settings| {
            *settings.edit_parameters = Some(Arc::new(change));
            // A preferred address has the number of the next one.
            settings.behaviour.issues_connection_ids = false;
        })?;
        connection.expect_of_handshake(expected)
    }

    /// Connects with changed extensions in ClientHello, or in EncryptedExtensions, and judges what
    /// becomes of that.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn extensions(
        &mut self,
        change: impl Fn(&mut Vec<(u16, Vec<u8>)>) + Send + Sync + 'static,
        expected: Expected,
    ) -> Judged {
        let edit = move |message: &mut Message| match message {
            Message::ClientHello(hello) => change(&mut hello.extensions),
            Message::EncryptedExtensions(extensions) => change(extensions),
            _ => {}
        };
        let mut connection = self.begin(|settings| {
            *settings.edit_messages = Some(Arc::new(edit));
            // A server may answer what was left out.
            settings.ignored_rules.push(TlsRule::UnsolicitedExtension);
        })?;
        connection.expect_of_handshake(expected)
    }

    /// Connects with a changed ClientHello, and judges what becomes of that.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn client_hello(
        &mut self,
        change: impl Fn(&mut ClientHello) + Send + Sync + 'static,
        expected: Expected,
    ) -> Judged {
        let edit = move |message: &mut Message| {
            if let Message::ClientHello(hello) = message {
                change(hello);
            }
        };
        let change = |config: &mut ClientConfig| {
            config.tls.edit = Some(Arc::new(edit));
            // A server may answer what was left out.
            config.tls.ignore.push(TlsRule::UnsolicitedExtension);
        };
        self.handshake(change, expected)
    }

    /// Sends a first packet with a ClientHello that is odd otherwise, and judges what comes back.
    /// Whatever goes on with the handshake is wrong.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn first_packet(
        &mut self,
        odd: impl Fn(Packet) -> Packet,
        expected: Expected,
    ) -> Judged {
        let mut connection = self.client(|config| config.behaviour.resends = false)?;
        let hello = connection.endpoint_mut().take_crypto(Level::Initial);
        connection.send_first_packet(&odd(initial(hello)));
        Ok(connection.judge_first_packet(0, expected))
    }

    /// The same, for what is odd beneath the protection of the packet, be it of ClientHello or
    /// of ServerHello. A Retry is sent before that is looked at, and followed.
    ///
    /// # Errors
    /// The requirement was not reached, or is not applicable.
    pub(super) fn first_packet_within(
        &mut self,
        odd: impl Fn(Packet) -> Packet,
        expected: Expected,
    ) -> Judged {
        if self.is_of_client() {
            return self.server_hello(odd, expected);
        }
        let mut connection = self.client(|config| config.behaviour.resends = false)?;
        let hello = connection.endpoint_mut().take_crypto(Level::Initial);
        let packet = odd(initial(hello));
        connection.send_first_packet(&packet);
        let is_retry = |answers: &[&[u8]]| {
            answers
                .iter()
                .all(|one| packet_type(one) == Some(PacketType::Retry))
        };
        let answers = connection.answers();
        let retries = answers.len();
        if answers.is_empty() || !is_retry(&answers) {
            return Ok(connection.judge_first_packet(0, expected));
        }
        connection.send_first_packet(&packet);
        let later = connection.answers().split_off(retries);
        match !later.is_empty() && is_retry(&later) {
            true => Err(not_applicable("a Retry answers whatever comes first")),
            false => Ok(connection.judge_first_packet(retries, expected)),
        }
    }

    /// Makes a client that says nothing by itself, for datagrams that belong to no connection.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn stranger(&mut self) -> Result<Connection, Finding> {
        self.client(|config| {
            config.behaviour.sends_crypto = false;
            config.behaviour.resends = false;
        })
    }

    /// Sends a datagram that belongs to no connection, twice as it may be lost, and to which
    /// nothing may be answered.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn is_ignored(&mut self, datagram: &[u8]) -> Judged {
        let connection = self.sent_twice(datagram)?;
        Ok(judge_ignored(connection.answers().first().copied()))
    }

    /// Sends a datagram that belongs to no connection, twice as it may be lost, and waits for
    /// answers.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn sent_twice(&mut self, datagram: &[u8]) -> Result<Connection, Finding> {
        let mut connection = self.stranger()?;
        for waits in 1..=2 {
            connection.send_raw(datagram);
            let quiet = connection.quiet() * waits / 2;
            connection.wait_for_datagram(0, quiet);
        }
        Ok(connection)
    }

    /// Connects until there are keys for Handshake packets; Finished of this side is held back.
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn before_finished(
        &mut self,
        change: impl FnOnce(&mut ClientConfig),
    ) -> Result<Connection, Finding> {
        if self.is_of_client() {
            return self.with_handshake_keys();
        }
        let mut connection = self.client(change)?;
        connection.flush();
        connection.endpoint_mut().behaviour.sends_crypto = false;
        let patience = connection.patience;
        connection.wait_for(
            |endpoint| endpoint.is_complete() || endpoint.ended().is_some(),
            patience,
        );
        match connection.endpoint().is_complete() {
            true => Ok(connection),
            false => Err(Finding::new(
                Verdict::NotReached,
                "the server's Finished has not come",
            )),
        }
    }
}

impl Run<'_> {
    /// Connects until the peer knows this side's connection ID, as by `is_enough` of what a server
    /// has answered; then Initial packets of this side are the script's alone, and a server has had
    /// no Handshake packet, for which it would throw their keys away (RFC 9001 §4.9.1).
    ///
    /// # Errors
    /// The requirement was not reached.
    pub(super) fn with_initial_keys(
        &mut self,
        is_enough: impl Fn(&Endpoint) -> bool,
    ) -> Result<Connection, Finding> {
        let mut connection = match self.is_of_client() {
            true => self.with_server_hello()?,
            false => self.client(|config| config.behaviour.acknowledges = false)?,
        };
        connection.flush();
        connection.endpoint_mut().behaviour.sends_crypto = false;
        let is_client = self.is_of_client();
        let has_come = |endpoint: &Endpoint| is_client || is_enough(endpoint);
        let patience = connection.patience;
        connection.wait_for(
            |endpoint| has_come(endpoint) || endpoint.ended().is_some(),
            patience,
        );
        // A probe of this side's own is right, and acknowledged.
        connection.stop_resending();
        match has_come(connection.endpoint()) {
            true => Ok(connection),
            false => Err(Finding::new(
                Verdict::NotReached,
                "too little of the handshake has come",
            )),
        }
    }
}

impl Connection {
    /// Connects, and judges what becomes of that.
    pub(super) fn expect_of_handshake(&mut self, expected: Expected) -> Judged {
        if self.endpoint().side() == Side::Server {
            return self.expect_of_client(expected);
        }
        let opened = self.open();
        let not_reached = |seen: String| Err(Finding::new(Verdict::NotReached, seen));
        if let Some(error) = self.endpoint().tls_error()
            && self.endpoint().closed().is_none()
        {
            return not_reached(format!("this side's TLS: {error}"));
        }
        match opened {
            Opened::Silent => Ok(expected.judge(&Reaction::Silent)),
            Opened::Ended(Ended::VersionNegotiation(_)) => not_reached(opened_words(&opened)),
            _ => self.expect_in_the_end(expected),
        }
    }

    /// Judges how the peer reacts to what was sent before, and gives it time if it does not: TLS
    /// may take longer than an acknowledgement, or come again as it was lost.
    pub(super) fn expect_in_the_end(&mut self, expected: Expected) -> Judged {
        let mut reaction = self.reaction();
        if matches!(reaction, Reaction::Silent) && self.is_timed_out() && expected.must_live() {
            return Err(self.not_reached_by_end());
        }
        let mut finding = expected.judge(&reaction);
        let later = self.patience / 3;
        if finding.verdict == Verdict::Fail
            && self.wait_for(|endpoint| endpoint.ended().is_some(), later)
            && !self.is_timed_out()
        {
            reaction = self.reaction();
            finding = expected.judge(&reaction);
        }
        Ok(finding.of_life_alone())
    }

    /// Sends an odd first packet, again and again until something comes back.
    fn send_first_packet(&mut self, packet: &Packet) {
        let known = self.answers().len();
        for _ in 0..ATTEMPTS {
            self.send(packet.clone().once());
            let quiet = self.quiet() / 2;
            if self.wait_for_datagram(known, quiet) {
                break;
            }
        }
        self.settle_close();
    }

    /// Judges what has come back for an odd first packet, behind so many Retry packets that were
    /// followed.
    fn judge_first_packet(&self, retries: usize, expected: Expected) -> Finding {
        match (self.endpoint().closed(), self.answers().get(retries)) {
            (Some(close), _) => expected.judge(&Reaction::Closed(close.clone())),
            (None, None) => expected.judge(&Reaction::Silent),
            (None, Some(answer)) => {
                let verdict = match self.goes_on_with_the_handshake(retries == 0) {
                    true => Verdict::Fail,
                    false => Verdict::Note,
                };
                Finding::new(verdict, format!("answered by {}", kind_words(answer)))
            }
        }
    }

    /// Tells whether the peer has acted on a first packet: by a Retry, or by a packet that could
    /// be opened and does more than to close. What could not be opened may be anybody's.
    fn goes_on_with_the_handshake(&self, may_not_retry: bool) -> bool {
        let is_more = |frame: &Frame<'_>| {
            !matches!(frame, Frame::Padding { .. } | Frame::ConnectionClose { .. })
        };
        let record = self.endpoint().record();
        let mut packets = record.packets.iter();
        packets.any(|packet| packet.frames().iter().any(is_more))
            || may_not_retry && record.unopened_as(Unopened::Retry).next().is_some()
    }

    /// Returns the time from the first packet to its answer: the path's round trip, and what the
    /// handshake's beginning costs the peer besides.
    pub(super) fn round_trip(&self) -> Duration {
        let record = self.endpoint().record();
        let sent = record.directed(Direction::Sent).next();
        let sent = sent.map(|first| first.at);
        let received = match self.endpoint().side() {
            Side::Client => record
                .directed(Direction::Received)
                .next()
                .map(|first| first.at),
            // A client may say more before it has the answer.
            Side::Server => {
                let mut packets = record.packets.iter();
                let is_answer = |packet: &&ReceivedPacket| {
                    let frames = packet.frames();
                    packet.level != Level::Initial
                        || frames.iter().any(|frame| matches!(frame, Frame::Ack(_)))
                };
                packets.find(is_answer).map(|answer| answer.at)
            }
        };
        match (sent, received) {
            (Some(sent), Some(received)) => received.saturating_duration_since(sent),
            _ => self.patience,
        }
    }

    /// Returns the time within which the peer acknowledges what elicits that (RFC 9000 §18.2).
    pub(super) fn max_ack_delay(&self) -> Duration {
        /// RFC 9000 §18.2.
        const DEFAULT: u64 = 25;
        /// Larger values are invalid.
        const MAX: u64 = (1 << 14) - 1;
        let parameters = self.endpoint().peer_parameters();
        let announced = parameters.and_then(|all| all.integer(TransportParameters::MAX_ACK_DELAY));
        Duration::from_millis(announced.unwrap_or(DEFAULT).min(MAX))
    }

    /// Returns what the peer's probe timeout is about (RFC 9002 §6.2.1), and rather more.
    fn probe_timeout(&self) -> Duration {
        2 * self.round_trip() + self.max_ack_delay().min(self.patience)
    }

    /// Returns the time between key updates: the peer may keep the keys before for three times
    /// its probe timeout (RFC 9001 §6.5). The connection does not end by it.
    pub(super) fn key_update_pause(&self) -> Duration {
        let endpoint = self.endpoint();
        let both = [Some(endpoint.parameters()), endpoint.peer_parameters()].into_iter();
        let idle = both
            .flatten()
            .filter_map(TransportParameters::max_idle_timeout);
        let pause = self.probe_timeout() * 3;
        idle.min().map_or(pause, |idle| pause.min(idle / 2))
    }

    /// Sends nothing again from now on, and no probes: what is sent is the script's alone.
    pub(super) fn stop_resending(&mut self) {
        self.flush();
        self.endpoint_mut().behaviour.resends = false;
    }

    /// Returns the time after which nothing more is expected to come.
    pub(super) fn quiet(&self) -> Duration {
        self.patience / 8
    }

    /// Sends a datagram as it is.
    pub(super) fn send_raw(&mut self, datagram: &[u8]) {
        self.endpoint_mut()
            .send_raw(PathId(0), datagram, Ecn::NotEct);
        self.flush();
    }

    /// Waits until more datagrams than so many have come; returns whether they have.
    pub(super) fn wait_for_datagram(&mut self, count: usize, timeout: Duration) -> bool {
        self.wait_for(
            |endpoint| {
                let received = endpoint.record().directed(Direction::Received);
                received.count() > count
            },
            timeout,
        )
    }

    /// Waits a little for a close that is on its way.
    fn settle_close(&mut self) {
        /// As long as a peer takes to close after its first answer.
        const CLOSING: Duration = Duration::from_millis(50);
        if !self.answers().is_empty() {
            self.wait_for(|endpoint| endpoint.closed().is_some(), CLOSING);
        }
    }

    /// Returns all datagrams that have come.
    pub(super) fn answers(&self) -> Vec<&[u8]> {
        let received = self.endpoint().record().directed(Direction::Received);
        received.map(|datagram| datagram.bytes.as_slice()).collect()
    }
}

/// Judges what has come for a datagram to which nothing may be answered.
pub(super) fn judge_ignored(answer: Option<&[u8]>) -> Finding {
    match answer {
        None => Finding::new(Verdict::Pass, "no answer"),
        Some(answer) => Finding::new(Verdict::Fail, format!("answered by {}", kind_words(answer))),
    }
}

/// Tells in words what a datagram is, by its first packet.
pub(super) fn kind_words(datagram: &[u8]) -> String {
    let size = datagram.len();
    match packet_type(datagram) {
        Some(PacketType::OneRtt) => {
            format!("a short header, as of a stateless reset, in {size} bytes")
        }
        Some(kind) => format!("a datagram of {size} bytes: {}", kind.name()),
        None => format!("a datagram of {size} bytes that is no packet of version 1"),
    }
}

/// Returns the type of a datagram's first packet.
pub(super) fn packet_type(datagram: &[u8]) -> Option<PacketType> {
    let first = packets(datagram, 0).next().and_then(Result::ok);
    first.map(|packet| packet.header.packet_type)
}
