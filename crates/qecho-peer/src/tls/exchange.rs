//! Messages of one handshake as they come and go: put together from CRYPTO data, edited, counted
//! into the transcript, and given out with the keys that they bring.

use std::{collections::VecDeque, fmt, sync::Arc};

use qecho_packet::{
    Side,
    close::CRYPTO_BUFFER_EXCEEDED,
    protection::{Secret, Suite},
    wire::tls::{self, HEADER_LENGTH, body_length},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    Level, Output, TlsError, TlsRule,
    key_schedule::{KeySchedule, TrafficSecrets, hash, verify_data},
    message::{Extension, Message, extension},
};

/// A change to each message before it is sent.
pub type Edit = Arc<dyn Fn(&mut Message) + Send + Sync>;

/// Bytes of CRYPTO data that wait for the rest of their message: as much as a long chain of
/// certificates has.
const BUFFERED_MAX: usize = 256 << 10;

/// One side's messages.
pub(super) struct Exchange {
    pub(super) transcript: Transcript,
    /// Random values that the same seed repeats. ECDSA signatures and ML-KEM draw from the
    /// system, whatever the seed is.
    pub(super) random: StdRng,
    side: Side,
    ignored: Vec<TlsRule>,
    edit: Option<Edit>,
    outputs: VecDeque<Output>,
    /// The level at which messages come.
    level: Level,
    /// The beginning of a message.
    buffered: Vec<u8>,
}

/// A message that has come, and its bytes.
pub(super) struct Received {
    pub(super) message: Message,
    pub(super) bytes: Vec<u8>,
}

impl Exchange {
    pub(super) fn new(
        side: Side,
        ignored: &[TlsRule],
        edit: Option<&Edit>,
        random: &mut dyn FnMut(&mut [u8]),
    ) -> Self {
        let mut seed = [0; 32];
        random(&mut seed);
        Self {
            transcript: Transcript::default(),
            random: StdRng::from_seed(seed),
            side,
            ignored: ignored.to_vec(),
            edit: edit.cloned(),
            outputs: VecDeque::new(),
            level: Level::Initial,
            buffered: Vec::new(),
        }
    }

    /// Returns 32 bytes that were not there before.
    pub(super) fn draw(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.random.fill_bytes(&mut bytes);
        bytes
    }

    /// Fails if the rule does not hold and is not ignored.
    pub(super) fn require(&self, rule: TlsRule, holds: bool) -> Result<(), TlsError> {
        self.require_as(rule, holds, format_args!("broken: {}", rule.text()))
    }

    /// The same, and says more than that the rule does not hold.
    pub(super) fn require_as(
        &self,
        rule: TlsRule,
        holds: bool,
        reason: impl fmt::Display,
    ) -> Result<(), TlsError> {
        if holds || self.ignored.contains(&rule) {
            return Ok(());
        }
        Err(TlsError {
            rule: Some(rule),
            ..TlsError::new(rule.code(), reason)
        })
    }

    /// Checks that a message answers no extension but those that its receiver has offered.
    pub(super) fn check_answers(
        &self,
        answers: &[Extension],
        offered: &[Extension],
    ) -> Result<(), TlsError> {
        let unsolicited = answers
            .iter()
            .find(|(kind, _)| extension(offered, *kind).is_none());
        let reason = || {
            format!(
                "extension {} was not offered",
                unsolicited.map_or(0, |it| it.0)
            )
        };
        self.require_as(
            TlsRule::UnsolicitedExtension,
            unsolicited.is_none(),
            reason(),
        )
    }

    /// Takes CRYPTO data of a level, in their order.
    pub(super) fn receive(&mut self, level: Level, bytes: &[u8]) -> Result<(), TlsError> {
        if bytes.is_empty() {
            return Ok(());
        }
        if level != self.level {
            let rule = match level < self.level {
                true => TlsRule::EarlierLevel,
                false => TlsRule::LaterLevel,
            };
            let reason = format!("{level:?} CRYPTO data while {:?} is due", self.level);
            return self.require_as(rule, false, reason);
        }
        if self.buffered.len() + bytes.len() > BUFFERED_MAX {
            let reason = "too much CRYPTO data for one message";
            return Err(TlsError::new(CRYPTO_BUFFER_EXCEEDED, reason));
        }
        self.buffered.extend_from_slice(bytes);
        Ok(())
    }

    /// Returns the next message, if all of it has come.
    pub(super) fn next(&mut self) -> Result<Option<Received>, TlsError> {
        loop {
            let length = body_length(&self.buffered).map(|body| HEADER_LENGTH + body);
            let Some(length) = length.filter(|length| *length <= self.buffered.len()) else {
                return Ok(None);
            };
            let bytes: Vec<u8> = self.buffered.drain(..length).collect();
            match bytes[0] {
                tls::KEY_UPDATE => self.require(TlsRule::KeyUpdate, false)?,
                tls::END_OF_EARLY_DATA => self.require(TlsRule::EndOfEarlyData, false)?,
                _ => {
                    let message = Message::read(&bytes)?;
                    return Ok(Some(Received { message, bytes }));
                }
            }
        }
    }

    /// Refuses a message that has no place here, or drops it.
    pub(super) fn refuse(&self, message: &Message) -> Result<(), TlsError> {
        let reason = format!("unexpected {}", message.name());
        self.require_as(TlsRule::Order, false, reason)
    }

    /// Goes on to the next level at which messages come.
    pub(super) fn advance(&mut self, level: Level) -> Result<(), TlsError> {
        self.require(TlsRule::KeyChange, self.buffered.is_empty())?;
        self.buffered.clear();
        self.level = level;
        Ok(())
    }

    /// Changes a message as the script wants it.
    pub(super) fn edited(&self, mut message: Message) -> Message {
        if let Some(edit) = &self.edit {
            edit(&mut message);
        }
        message
    }

    /// Sends a message, edited, as a part of the handshake; returns what was sent.
    pub(super) fn send(&mut self, level: Level, message: Message) -> Message {
        let message = self.edited(message);
        self.send_bytes(level, message.encode());
        message
    }

    /// Sends the bytes of a message as a part of the handshake.
    pub(super) fn send_bytes(&mut self, level: Level, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.transcript.add(&bytes);
            self.output(Output::Message { level, bytes });
        }
    }

    /// Sends a message beside the handshake.
    pub(super) fn send_aside(&mut self, level: Level, message: &Message) {
        let bytes = message.encode();
        if !bytes.is_empty() {
            self.output(Output::Message { level, bytes });
        }
    }

    pub(super) fn send_finished(&mut self, suite: Suite, secrets: &TrafficSecrets) {
        let transcript = self.transcript.hash(suite);
        let data = verify_data(suite, secrets.of(self.side), &transcript);
        self.send(Level::Handshake, Message::Finished(data));
    }

    /// Checks the Finished that was added to the transcript last.
    pub(super) fn check_finished(
        &self,
        suite: Suite,
        secrets: &TrafficSecrets,
        data: &[u8],
    ) -> Result<(), TlsError> {
        let transcript = self.transcript.hash_before_last(suite);
        let expected = verify_data(suite, secrets.of(self.side.other()), &transcript);
        self.require(TlsRule::Finished, data == expected)
    }

    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Derives the secrets of a level from what was said so far, and logs them.
    pub(super) fn derive(
        &mut self,
        level: Level,
        schedule: &KeySchedule,
        client_random: [u8; 32],
    ) -> TrafficSecrets {
        let (label, log_labels) = match level {
            Level::Handshake => ("hs traffic", HANDSHAKE_LABELS),
            _ => ("ap traffic", APPLICATION_LABELS),
        };
        let transcript = self.transcript.hash(schedule.suite());
        let secrets = schedule.traffic(label, &transcript);
        self.log(log_labels[0], client_random, &secrets.client);
        self.log(log_labels[1], client_random, &secrets.server);
        secrets
    }

    /// Gives out the keys of some senders of a level.
    pub(super) fn install(
        &mut self,
        level: Level,
        suite: Suite,
        secrets: &TrafficSecrets,
        senders: &[Side],
    ) {
        let secret = |side| Secret::new(secrets.of(side)).filter(|_| senders.contains(&side));
        let (local, remote) = (secret(self.side), secret(self.side.other()));
        self.output(Output::Keys {
            level,
            suite,
            local,
            remote,
        });
    }

    /// Derives the secret of 0-RTT packets from a pre-shared key, logs it and gives out the keys.
    pub(super) fn install_early(&mut self, suite: Suite, psk: &[u8], client_random: [u8; 32]) {
        let transcript = self.transcript.hash(suite);
        let client = KeySchedule::new(suite, Some(psk)).derive(b"c e traffic", &transcript);
        self.log("CLIENT_EARLY_TRAFFIC_SECRET", client_random, &client);
        let secrets = TrafficSecrets {
            client,
            server: Vec::new(),
        };
        self.install(Level::EarlyData, suite, &secrets, &[Side::Client]);
    }

    fn log(&mut self, label: &'static str, client_random: [u8; 32], secret: &[u8]) {
        self.output(Output::KeyLog {
            label,
            client_random,
            secret: secret.to_vec(),
        });
    }
}

/// Labels of handshake secrets in a key log.
const HANDSHAKE_LABELS: [&str; 2] = [
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
];
/// Labels of application secrets in a key log.
const APPLICATION_LABELS: [&str; 2] = ["CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"];

/// Methods that both ends of a handshake have.
macro_rules! ends {
    ($($end:ident)*) => {$(
        impl $end {
            /// Takes CRYPTO data of a level, in their order.
            ///
            /// # Errors
            /// If the peer has broken a rule that is not ignored, or if both sides have nothing
            /// in common. Nothing is to be read after it.
            pub fn read(&mut self, level: Level, bytes: &[u8]) -> Result<(), TlsError> {
                self.exchange.receive(level, bytes)?;
                while let Some(received) = self.exchange.next()? {
                    self.handle(received)?;
                }
                Ok(())
            }

            /// Returns what is to be done next.
            pub fn output(&mut self) -> Option<Output> {
                self.exchange.next_output()
            }

            /// Sends a message that belongs to no handshake: it is not edited and does not enter
            /// the transcript.
            pub fn send_message(&mut self, level: Level, message: &Message) {
                self.exchange.send_aside(level, message);
            }

            /// Returns what both sides have agreed on so far.
            pub fn negotiated(&self) -> &Negotiated {
                &self.negotiated
            }
        }
    )*};
}
pub(super) use ends;

/// All messages of the handshake so far (RFC 8446 §4.4.1).
#[derive(Default)]
pub(super) struct Transcript {
    bytes: Vec<u8>,
    /// Offset of the last message.
    last: usize,
}

impl Transcript {
    pub(super) fn add(&mut self, message: &[u8]) {
        self.last = self.bytes.len();
        self.bytes.extend_from_slice(message);
    }

    /// Puts a hash in the place of the first ClientHello, as a HelloRetryRequest wants it.
    pub(super) fn restart(&mut self, suite: Suite) {
        let body = self.hash(suite);
        self.bytes.clear();
        let kind = tls::MESSAGE_HASH;
        self.add(&Message::Raw { kind, body }.encode());
    }

    pub(super) fn hash(&self, suite: Suite) -> Vec<u8> {
        hash(suite, &self.bytes)
    }

    pub(super) fn hash_before_last(&self, suite: Suite) -> Vec<u8> {
        hash(suite, &self.bytes[..self.last])
    }

    /// Returns the hash with the beginning of a message after all others.
    pub(super) fn hash_with(&self, suite: Suite, beginning: &[u8]) -> Vec<u8> {
        hash(suite, &[&self.bytes, beginning].concat())
    }
}
