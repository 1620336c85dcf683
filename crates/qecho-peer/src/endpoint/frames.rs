//! Effects of the frames of a packet.

use qecho_packet::{
    Side,
    wire::{Ack, Frame, frames},
};

use super::{Ended, Endpoint, IssuedId, space_of};
use crate::{
    received::{Close, ReceivedPacket},
    tls::Level,
};

impl Endpoint {
    /// Acts on the frames of a packet, up to the first that is malformed or refused; tells
    /// whether none was refused.
    pub(super) fn act_on_frames(&mut self, packet: &ReceivedPacket) -> bool {
        for (read, bytes) in packet.frames_with_bytes() {
            if self.refuses(|rules, endpoint| rules.judge_frame(endpoint, packet, &read, bytes)) {
                return false;
            }
            match read {
                Ok(frame) => self.act_on(packet, &frame),
                Err(_) => break,
            }
        }
        true
    }

    fn act_on(&mut self, packet: &ReceivedPacket, frame: &Frame<'_>) {
        match *frame {
            Frame::Ack(ref ack) => self.act_on_ack(packet, ack),
            Frame::Crypto { offset, data } if packet.level != Level::EarlyData => {
                let stream = &mut self.crypto[packet.level as usize];
                let data = stream.received.receive(offset, data);
                self.read_tls(packet.at, packet.level, &data);
            }
            Frame::NewConnectionId {
                sequence,
                retire_prior_to,
                id,
                reset_token,
            } => {
                let issued = IssuedId::new(sequence, id, Some(reset_token));
                self.ids.take(issued, retire_prior_to);
                if self.behaviour.retires_connection_ids {
                    for sequence in self.ids.retire() {
                        self.send_frame(Frame::RetireConnectionId { sequence });
                    }
                }
            }
            Frame::RetireConnectionId { sequence } => self.act_on_retirement(sequence),
            Frame::PathChallenge { data } if self.behaviour.answers_path_challenges => {
                self.paths.respond(packet.path, data);
            }
            Frame::PathResponse { data } => self.paths.take_response(data),
            Frame::ConnectionClose {
                application,
                code,
                frame_type,
                reason,
            } => {
                self.closed.get_or_insert_with(|| Close {
                    level: packet.level,
                    application,
                    code,
                    frame_type,
                    reason: reason.to_vec(),
                    at: packet.at,
                });
                if self.behaviour.heeds_close {
                    self.end(Ended::ByPeer);
                }
            }
            Frame::HandshakeDone if self.side == Side::Client => self.confirm(),
            ref frame => self.act_on_stream(frame),
        }
    }

    /// Acts on frames of streams and their limits, and answers them.
    fn act_on_stream(&mut self, frame: &Frame<'_>) {
        let answers = self.streams.receive(frame, &self.behaviour);
        self.spaces[space_of(Level::OneRtt)].frames.extend(answers);
    }

    fn act_on_ack(&mut self, packet: &ReceivedPacket, ack: &Ack) {
        let resends = self.behaviour.resends;
        let space = &mut self.spaces[space_of(packet.level)];
        if let Some(sample) = space.on_ack(packet.at, ack, resends) {
            self.recovery.sample(sample);
            self.recovery.answered();
        }
    }

    fn act_on_retirement(&mut self, sequence: u64) {
        let mut issued = self.ids.local.iter_mut();
        let issued = issued.find(|issued| issued.sequence == sequence && !issued.is_retired);
        let Some(issued) = issued else {
            return;
        };
        issued.is_retired = true;
        if self.behaviour.issues_connection_ids && self.wants_connection_id() {
            self.issue_connection_id();
        }
    }

    /// Follows a client to the path of a packet, if it is the newest and more than a probe (RFC
    /// 9000 §9.1, §9.3).
    pub(super) fn follow(&mut self, packet: &ReceivedPacket, is_largest: bool) {
        let is_move = self.side == Side::Server
            && self.is_confirmed
            && is_largest
            && packet.level == Level::OneRtt
            && packet.path != self.paths.current;
        let is_probe = || {
            frames(&packet.payload).all(|frame| {
                matches!(
                    frame,
                    Ok(Frame::PathChallenge { .. }
                        | Frame::PathResponse { .. }
                        | Frame::NewConnectionId { .. }
                        | Frame::Padding { .. })
                )
            })
        };
        if !is_move || !self.behaviour.follows_migration || is_probe() {
            return;
        }
        let before = self.paths.current;
        self.paths.current = packet.path;
        let is_new_destination = self.uses_other_local_id(packet);
        if is_new_destination {
            self.use_other_destination();
        }
        if !self.behaviour.validates_paths {
            self.paths.validate(packet.path);
        } else if !self.paths.is_validated(packet.path) {
            self.challenge(packet.path);
            self.paths.fall_back_to(before);
        }
    }

    /// Tells whether the client has changed its destination, as it does when it moves by itself
    /// and not by a NAT's doing (RFC 9000 §9.5).
    fn uses_other_local_id(&self, packet: &ReceivedPacket) -> bool {
        let one_rtt = self.record.at_level(Level::OneRtt);
        let before = one_rtt.filter(|before| before.is_processed).last();
        before.is_some_and(|before| before.header.destination != packet.header.destination)
    }
}
