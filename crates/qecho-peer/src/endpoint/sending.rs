//! Datagrams that go: what the script has told, then what a well-behaved endpoint sends.

use std::time::Instant;

use qecho_packet::{
    Direction, Side, TransportParameters,
    protection::sealed_length,
    wire::{Frame, Header, PacketType, frames, write_integer, write_integer_in},
};

use super::{Endpoint, FIXED_BIT, IssuedId, space_of};
use crate::{
    network::{Ecn, PathId},
    packet::{Content, OutDatagram, Packet, empty},
    received::{RecordedDatagram, SentPacket, is_ack_eliciting},
    tls::{LEVELS, Level},
};

/// Bytes of the datagrams that the endpoint sends by itself, which every path carries (RFC 9000
/// §14).
const DATAGRAM_SIZE: usize = 1_200;
/// The smallest room in which a packet is worth its header.
const ROOM_MIN: usize = 64;
/// Ack-eliciting packets on their way, beyond which no new data goes (RFC 9002 §7.2).
const FLIGHT_MAX: usize = 10;
/// Bytes of the tag of a sealed packet.
const TAG_LENGTH: usize = 16;
/// Bytes in which a long header tells its Length, as long as that is enough.
const LENGTH_LENGTH: usize = 2;
/// Bytes before the data of a CRYPTO frame, at most.
const CRYPTO_HEAD_MAX: usize = 1 + 4 + 2;

impl Endpoint {
    /// Returns the next datagram that is to be sent; to be asked until there is none.
    pub fn transmit(&mut self, now: Instant) -> Option<OutDatagram> {
        let raw = self.raw.pop_front().map(|datagram| (datagram, true));
        let told = raw.or_else(|| self.scripted_datagram(now));
        let (datagram, is_told) = told.or_else(|| {
            let own = self
                .close_datagram(now)
                .or_else(|| self.path_datagram(now))
                .or_else(|| self.own_datagram(now));
            Some((own?, false))
        })?;
        self.paths.went(datagram.path, datagram.bytes.len(), now);
        self.record.keep(RecordedDatagram {
            at: now,
            direction: Direction::Sent,
            path: datagram.path,
            ecn: datagram.ecn,
            bytes: datagram.bytes.clone(),
            is_told,
        });
        Some(datagram)
    }

    /// Seals a packet as if it were sent at once, for a script that does something to its bytes
    /// before it sends them; none if there are no keys for it yet.
    pub fn seal(&mut self, now: Instant, packet: &Packet) -> Option<Vec<u8>> {
        self.seal_padded(now, packet, 0)
    }

    /// Takes CRYPTO data of a level that wait to be sent, for a script that puts them into a
    /// packet of its own.
    pub fn take_crypto(&mut self, level: Level) -> Option<Content> {
        let (offset, data) = self.crypto[level as usize].take(DATAGRAM_SIZE)?;
        Some(Content::from(Frame::Crypto { offset, data }))
    }

    /// Returns the first datagram of the script for which there are keys; 0-RTT packets wait for
    /// the ClientHello to go before them, too. Tells whether it is what the script is about.
    fn scripted_datagram(&mut self, now: Instant) -> Option<(OutDatagram, bool)> {
        let has_begun = self.next_number(Level::Initial) > 0;
        let has_keys = |packets: &Vec<Packet>| {
            packets.iter().all(|packet| {
                self.keys.can_seal(packet.level) && (packet.level != Level::EarlyData || has_begun)
            })
        };
        let at = self.scripted.iter().position(has_keys)?;
        let packets = self.scripted.remove(at)?;
        let path = packets.first().and_then(|packet| packet.path);
        let datagram = self.datagram(now, path.unwrap_or(self.paths.current), &packets)?;
        Some((datagram, packets.iter().any(|packet| !packet.is_aside)))
    }

    /// Puts packets into one datagram, padded as RFC 9000 §14.1 wants it unless a packet says
    /// how.
    fn datagram(&mut self, now: Instant, path: PathId, packets: &[Packet]) -> Option<OutDatagram> {
        let is_padded = self.behaviour.pads_initials
            && packets.iter().any(|packet| self.is_padded_initial(packet))
            && packets.iter().all(|packet| packet.pad_to.is_none());
        let mut bytes = Vec::new();
        for (index, packet) in packets.iter().enumerate() {
            let is_last = index + 1 == packets.len();
            let rest = match is_padded && is_last {
                true => DATAGRAM_SIZE.saturating_sub(bytes.len()),
                false => 0,
            };
            bytes.extend(self.seal_padded(now, packet, rest)?);
        }
        if packets
            .iter()
            .any(|packet| packet.level == Level::Handshake)
            && self.side == Side::Client
        {
            self.discard(Level::Initial);
        }
        let ecn = packets.first().map_or(Ecn::NotEct, |packet| packet.ecn);
        (!bytes.is_empty()).then_some(OutDatagram { path, bytes, ecn })
    }

    /// RFC 9000 §14.1: a client pads all Initial packets, a server those that are ack-eliciting.
    fn is_padded_initial(&self, packet: &Packet) -> bool {
        packet.level == Level::Initial
            && (self.side == Side::Client || is_ack_eliciting(&payload(packet)))
    }

    /// Seals a packet that has at least so many bytes, if it does not say itself how many.
    fn seal_padded(&mut self, now: Instant, packet: &Packet, size: usize) -> Option<Vec<u8>> {
        let level = packet.level;
        let space = &self.spaces[space_of(level)];
        let number = packet.number.unwrap_or(space.next);
        let mut payload = payload(packet);
        // A payload that is too short for header protection would be padded, and not empty.
        let shortest = match payload.is_empty() {
            true => 4,
            false => space.number_length(number),
        };
        let length = packet.number_length.unwrap_or(shortest).clamp(1, 4);
        let mut head = self.head(packet, length);
        let is_long = level != Level::OneRtt;
        let overhead = head.len() + LENGTH_LENGTH * usize::from(is_long) + length + TAG_LENGTH;
        let size = packet.pad_to.unwrap_or(size).saturating_sub(overhead);
        payload.resize(payload.len().max(size), 0);
        if is_long {
            let rest = sealed_length(length, &payload) as u64;
            match packet.length.unwrap_or(rest) {
                rest @ 0..0x4000 => write_integer_in(&mut head, rest, LENGTH_LENGTH),
                rest => write_integer(&mut head, rest),
            }
        }
        let numbered = (number, length);
        let mut bytes = self
            .keys
            .seal(level, packet.phase, head, numbered, &payload)?;
        if packet.is_corrupt
            && let Some(last) = bytes.last_mut()
        {
            *last ^= 1;
        }
        self.note_sent(now, packet, number, &payload);
        Some(bytes)
    }

    /// Remembers a packet that was sealed.
    fn note_sent(&mut self, now: Instant, packet: &Packet, number: u64, payload: &[u8]) {
        let is_eliciting = is_ack_eliciting(payload);
        let space = self.space(packet.level);
        space.note_sent(number);
        if packet.is_resent && is_eliciting {
            space.track(number, now, &packet.contents);
        }
        // RFC 9000 §10.1: the first of them since something came begins the silence anew.
        if is_eliciting && !std::mem::replace(&mut self.has_asked, true) {
            self.last_activity = now;
        }
        // What nobody takes changes no stream: data behind it would leave a gap, or have no end.
        let is_of_data = matches!(packet.level, Level::EarlyData | Level::OneRtt);
        let is_dropped = packet.is_corrupt && !packet.is_resent;
        if is_of_data && !is_dropped {
            self.note_data_sent(payload);
        }
        self.record.sent.push(SentPacket {
            datagram: self.record.datagrams.len(),
            level: packet.level,
            number,
            payload: payload.to_vec(),
        });
    }

    /// Remembers what the frames of a packet bring about that the peer may take.
    fn note_data_sent(&mut self, payload: &[u8]) {
        self.streams.note_sent(payload);
        for frame in frames(payload).map_while(Result::ok) {
            if let Frame::NewConnectionId {
                sequence,
                id,
                reset_token,
                ..
            } = frame
            {
                self.ids
                    .issue(IssuedId::new(sequence, id, Some(reset_token)));
            }
        }
    }

    /// Returns all of a header before the Length or the packet number.
    fn head(&self, packet: &Packet, number_length: usize) -> Vec<u8> {
        let destination = packet.destination.unwrap_or(self.ids.destination);
        let packet_type = match packet.level {
            Level::Initial => PacketType::Initial,
            Level::EarlyData => PacketType::ZeroRtt,
            Level::Handshake => PacketType::Handshake,
            Level::OneRtt => PacketType::OneRtt,
        };
        let header = match packet.level {
            Level::OneRtt => Header {
                spin: packet.spin,
                ..Header::short(destination)
            },
            _ => {
                let version = packet.version.unwrap_or(self.version);
                let source = packet.source.unwrap_or(self.source);
                let token = packet.token.as_ref().unwrap_or(&self.token).clone();
                Header {
                    token,
                    ..Header::long(packet_type, version, destination, source)
                }
            }
        };
        let mut head = Vec::new();
        header.write(&mut head);
        let reserved = packet.reserved & 0x03;
        head[0] |= match packet.level {
            Level::OneRtt => reserved << 3,
            _ => reserved << 2,
        };
        head[0] |= (number_length - 1) as u8;
        if !packet.fixed_bit {
            head[0] &= !FIXED_BIT;
        }
        head
    }

    /// Returns CONNECTION_CLOSE in a packet of each level at which the peer may have keys (RFC
    /// 9000 §10.2.3).
    fn close_datagram(&mut self, now: Instant) -> Option<OutDatagram> {
        let is_open = |level: Level| {
            self.keys.can_seal(level)
                && !self.is_discarded[level as usize]
                && (level != Level::OneRtt || self.is_complete)
        };
        let packets: Vec<_> = LEVELS
            .into_iter()
            .filter(|level| is_open(*level))
            .filter_map(|level| Some(empty(level).with([self.due_close(level)?]).once()))
            .collect();
        let room = match packets.first()?.level {
            Level::Initial => DATAGRAM_SIZE,
            _ => ROOM_MIN,
        };
        if self.room(self.paths.current) < room {
            return None;
        }
        self.close_was_sent();
        self.datagram(now, self.paths.current, &packets)
    }

    /// Returns a frame that goes on a certain path, in a datagram that is as large as it may be
    /// (RFC 9000 §8.2.1); a frame for which there is no room is lost.
    fn path_datagram(&mut self, now: Instant) -> Option<OutDatagram> {
        if self.ended.is_some() || !self.keys.can_seal(Level::OneRtt) {
            return None;
        }
        while let Some((path, frame)) = self.paths.next_frame() {
            let room = self.room(path);
            if room >= ROOM_MIN {
                let size = if self.behaviour.pads_path_frames {
                    room
                } else {
                    0
                };
                let packet = empty(Level::OneRtt).with([frame]).pad_to(size).once();
                return self.datagram(now, path, &[packet]);
            }
            self.paths.went(path, 0, now);
        }
        None
    }

    /// Returns what a well-behaved endpoint sends by itself.
    fn own_datagram(&mut self, now: Instant) -> Option<OutDatagram> {
        let path = self.paths.current;
        let room = self.room(path);
        let needs_all = !self.is_discarded[Level::Initial as usize];
        if self.ended.is_some() || room < ROOM_MIN || needs_all && room < DATAGRAM_SIZE {
            return None;
        }
        let mut left = room;
        let mut packets = Vec::new();
        for level in LEVELS {
            if !self.keys.can_seal(level) || self.is_discarded[level as usize] {
                continue;
            }
            let head = self.head(&empty(level), 4).len() + LENGTH_LENGTH + 4 + TAG_LENGTH;
            let contents = self.own_contents(now, level, left.saturating_sub(head));
            if !contents.is_empty() {
                let length: usize = contents.iter().map(|one| one.as_bytes().len()).sum();
                left = left.saturating_sub(head + length);
                packets.push(empty(level).with(contents).ecn(self.behaviour.ecn));
            }
        }
        self.datagram(now, path, &packets)
    }

    /// Takes the frames that a level has to send, as far as there is room.
    fn own_contents(&mut self, now: Instant, level: Level, mut room: usize) -> Vec<Content> {
        let mut contents = Vec::new();
        if room < ROOM_MIN / 2 {
            return contents;
        }
        let acknowledgement = self.due_acknowledgement(now, level);
        if let Some(content) = acknowledgement {
            room = room.saturating_sub(content.as_bytes().len());
            contents.push(content);
        }
        let space = &mut self.spaces[space_of(level)];
        while let Some(content) = space.frames.front() {
            let length = content.as_bytes().len();
            // What is larger than any datagram goes alone.
            let goes_alone = contents.is_empty() && room > DATAGRAM_SIZE / 2;
            if length > room {
                // A token may have made room scarcer since it was sent first.
                if let Some([first, rest]) = split_crypto(content, room) {
                    space.frames[0] = rest;
                    contents.push(first);
                } else if goes_alone {
                    contents.extend(space.frames.pop_front());
                }
                return contents;
            }
            room -= length;
            contents.extend(space.frames.pop_front());
        }
        if space.in_flight.len() >= FLIGHT_MAX {
            return contents;
        }
        while let Some(content) = self.next_data(level, room) {
            room = room.saturating_sub(content.as_bytes().len());
            contents.push(content);
        }
        contents
    }

    /// Takes data that was not sent yet.
    fn next_data(&mut self, level: Level, room: usize) -> Option<Content> {
        if self.behaviour.sends_crypto
            && let Some(room) = room.checked_sub(CRYPTO_HEAD_MAX)
            && let Some((offset, data)) = self.crypto[level as usize].take(room)
        {
            return Some(Content::from(Frame::Crypto { offset, data }));
        }
        match level {
            Level::OneRtt if self.is_complete => self.streams.take(room),
            _ => None,
        }
    }

    fn due_acknowledgement(&mut self, now: Instant, level: Level) -> Option<Content> {
        /// RFC 9000 §18.2.
        const EXPONENT_DEFAULT: u64 = 3;
        let behaviour = &self.behaviour;
        let space = &mut self.spaces[space_of(level)];
        let due = space.due_since? + behaviour.acknowledgement_delay;
        if !behaviour.acknowledges || due > now {
            return None;
        }
        space.due_since = None;
        let exponent = self
            .parameters
            .integer(TransportParameters::ACK_DELAY_EXPONENT);
        let exponent = exponent.unwrap_or(EXPONENT_DEFAULT);
        space.acknowledgement(now, exponent, behaviour.reports_ecn)
    }

    /// Returns the bytes that a datagram of the endpoint's own may have on a path.
    fn room(&self, path: PathId) -> usize {
        match self.behaviour.keeps_amplification_limit {
            true => self.paths.allowance(path).min(DATAGRAM_SIZE),
            false => DATAGRAM_SIZE,
        }
    }
}

/// Splits a CRYPTO frame, so that the first part fits.
fn split_crypto(content: &Content, room: usize) -> Option<[Content; 2]> {
    let Some(Ok(Frame::Crypto { offset, data })) = frames(content.as_bytes()).next() else {
        return None;
    };
    let length = room
        .checked_sub(CRYPTO_HEAD_MAX)
        .filter(|length| *length > 0)?;
    let (first, rest) = data.split_at_checked(length)?;
    let part = |offset, data| Content::from(Frame::Crypto { offset, data });
    Some([part(offset, first), part(offset + length as u64, rest)])
}

fn payload(packet: &Packet) -> Vec<u8> {
    let contents = packet.contents.iter();
    contents.flat_map(Content::as_bytes).copied().collect()
}
