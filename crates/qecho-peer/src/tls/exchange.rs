//! Messages of one handshake as they come and go: put together from CRYPTO data, edited, counted
//! into the transcript, and given out with the keys that they bring.

use std::{collections::VecDeque, sync::Arc};

use qecho_packet::{
    close::CRYPTO_BUFFER_EXCEEDED,
    protection::{Secret, Suite},
    wire::tls::{HEADER_LENGTH, body_length},
};

use super::{
    Level, Output, TlsError, TlsRule,
    key_schedule::{TrafficSecrets, hash},
    message::{Message, kind},
    rules::Rules,
};

/// A change to each message before it is sent.
pub type Edit = Arc<dyn Fn(&mut Message) + Send + Sync>;

/// Bytes of CRYPTO data that wait for the rest of their message: as much as a long chain of
/// certificates has.
const BUFFERED_MAX: usize = 256 << 10;

/// One side's messages.
pub(super) struct Exchange {
    pub(super) rules: Rules,
    pub(super) transcript: Transcript,
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
    pub(super) fn new(ignored: &[TlsRule], edit: Option<Edit>) -> Self {
        Self {
            rules: Rules::without(ignored),
            transcript: Transcript::default(),
            edit,
            outputs: VecDeque::new(),
            level: Level::Initial,
            buffered: Vec::new(),
        }
    }

    /// Takes CRYPTO data of a level, in their order.
    pub(super) fn receive(&mut self, level: Level, bytes: &[u8]) -> Result<(), TlsError> {
        if bytes.is_empty() {
            return Ok(());
        }
        if level != self.level {
            let rule = if level < self.level {
                TlsRule::EarlierLevel
            } else {
                TlsRule::LaterLevel
            };
            let reason = format!("{level:?} CRYPTO data while {:?} is due", self.level);
            return self.rules.require(rule, false, reason);
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
            let forbidden = match bytes[0] {
                kind::KEY_UPDATE => Some((TlsRule::KeyUpdate, "KeyUpdate")),
                kind::END_OF_EARLY_DATA => Some((TlsRule::EndOfEarlyData, "EndOfEarlyData")),
                _ => None,
            };
            if let Some((rule, name)) = forbidden {
                let reason = format!("{name}, which QUIC does not have");
                self.rules.require(rule, false, reason)?;
                continue;
            }
            let message = Message::read(&bytes)?;
            return Ok(Some(Received { message, bytes }));
        }
    }

    /// Refuses a message that has no place here, or drops it.
    pub(super) fn refuse(&self, message: &Message) -> Result<(), TlsError> {
        let reason = format!("unexpected {}", message.name());
        self.rules.require(TlsRule::Order, false, reason)
    }

    /// Goes on to the next level at which messages come.
    pub(super) fn advance(&mut self, level: Level) -> Result<(), TlsError> {
        let reason = format!("CRYPTO data after the last message of {:?}", self.level);
        let holds = self.buffered.is_empty();
        self.rules.require(TlsRule::KeyChange, holds, reason)?;
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

    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Gives out keys of a level.
    pub(super) fn install(
        &mut self,
        level: Level,
        suite: Suite,
        local: Option<&[u8]>,
        remote: Option<&[u8]>,
    ) {
        let secret = |bytes| Secret::new(bytes).expect("it has the length of a hash");
        self.output(Output::Keys {
            level,
            suite,
            local: local.map(secret),
            remote: remote.map(secret),
        });
    }

    /// Gives out secrets of both directions for a key log.
    pub(super) fn log(
        &mut self,
        labels: [&'static str; 2],
        client_random: [u8; 32],
        secrets: &TrafficSecrets,
    ) {
        for (label, secret) in labels.into_iter().zip([&secrets.client, &secrets.server]) {
            self.output(Output::KeyLog {
                label,
                client_random,
                secret: secret.clone(),
            });
        }
    }
}

/// Labels of handshake secrets in a key log.
pub(super) const HANDSHAKE_LABELS: [&str; 2] = [
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
];
/// Labels of application secrets in a key log.
pub(super) const APPLICATION_LABELS: [&str; 2] =
    ["CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"];
/// Label of the secret of 0-RTT packets in a key log.
pub(super) const EARLY_LABEL: &str = "CLIENT_EARLY_TRAFFIC_SECRET";

/// All messages of the handshake so far (RFC 8446 §4.4.1).
#[derive(Default)]
pub(super) struct Transcript {
    bytes: Vec<u8>,
    /// Where the last message begins.
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
        let kind = kind::MESSAGE_HASH;
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
