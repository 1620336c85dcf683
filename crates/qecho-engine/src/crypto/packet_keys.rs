//! The keys that protect packets, as the QUIC state machine gets them: what passes them
//! is shown to the shard, and what costs too much is kept from the state machine.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use bytes::BytesMut;
use quinn_proto::crypto::{CryptoError, KeyPair, Keys, PacketKey};

use super::{
    fragments::{Level, TooFragmented, Tracker},
    padding,
    path_frames::{self, PathFrames},
    plaintext::Plaintext,
};

/// Wraps the packet keys of all connections of a shard, which finds here what the packets
/// have shown that were opened and sealed since it last looked.
#[derive(Clone, Default)]
pub(crate) struct PacketKeys(Arc<Shared>);

/// Keys have to be shareable between threads; in fact only the shard's own uses them, so
/// that nobody ever waits for these locks.
#[derive(Default)]
struct Shared {
    plaintext: Option<Plaintext>,
    has_findings: AtomicBool,
    findings: Mutex<Findings>,
    /// Whether the shard wants to know of frames by which paths are validated.
    follows_paths: AtomicBool,
    /// Those of the packet that was sealed last and has any.
    sealed: Mutex<Option<PathFrames>>,
}

/// Findings of the keys in packets that they opened.
#[derive(Default)]
pub(crate) struct Findings {
    /// Packets that the state machine was not to see.
    pub(crate) refused: usize,
    /// Whether a Handshake packet of the peer was among them.
    pub(crate) handshake: bool,
    /// Data of the PATH_RESPONSE frames.
    pub(crate) path_responses: Vec<[u8; 8]>,
    /// The tracker that knows too many streams, of which some may have ended.
    pub(crate) crowded: Option<Tracker>,
}

impl PacketKeys {
    /// Returns keys that leave a copy of each packet in the clear if they are `watched`.
    pub(crate) fn new(watched: bool) -> Self {
        Self(Arc::new(Shared {
            plaintext: watched.then(Plaintext::default),
            ..Shared::default()
        }))
    }

    /// Returns where the copies are, if the keys are watched.
    pub(crate) fn plaintext(&self) -> Option<&Plaintext> {
        self.0.plaintext.as_ref()
    }

    /// Returns what was found since the last call, if anything was.
    pub(crate) fn take_findings(&self) -> Option<Findings> {
        let found = self.0.has_findings.load(Relaxed);
        found.then(|| {
            self.0.has_findings.store(false, Relaxed);
            std::mem::take(&mut *locked(&self.0.findings))
        })
    }

    fn find(&self, add: impl FnOnce(&mut Findings)) {
        self.0.has_findings.store(true, Relaxed);
        add(&mut locked(&self.0.findings));
    }

    /// Says whether frames are wanted by which paths are validated (RFC 9000 §8.2), from
    /// now on.
    pub(crate) fn follow_paths(&self, follows: bool) {
        self.0.follows_paths.store(follows, Relaxed);
        if follows {
            self.take_path_frames();
        }
    }

    /// Returns what such frames the packet has that was sealed last, if they are wanted.
    pub(crate) fn take_path_frames(&self) -> Option<PathFrames> {
        locked(&self.0.sealed).take()
    }

    /// Notes that what was sealed is not sent.
    pub(crate) fn forget_sealed(&self) {
        if let Some(plaintext) = self.plaintext() {
            plaintext.copies().sealed.clear();
        }
    }

    /// Leaves the PADDING at the end of the packet out that was sealed last, at the end of
    /// its datagram.
    pub(crate) fn strip_padding(&self, frames: &PathFrames, datagram: &mut Vec<u8>) {
        let length = frames.strip_padding(datagram);
        if let Some(plaintext) = self.plaintext() {
            plaintext.shorten_last(length);
        }
    }

    /// Wraps keys of Initial, Handshake or the first 1-RTT packets; `tracker` knows what
    /// came in their packet number space.
    pub(super) fn wrap(&self, level: Level, tracker: Tracker, keys: Keys) -> Keys {
        Keys {
            header: keys.header,
            packet: self.pair(level, tracker, keys.packet, 0),
        }
    }

    /// Wraps those for the first packet of a connection that a server opens.
    pub(super) fn wrap_first(&self, tracker: Tracker, keys: Keys) -> Keys {
        Keys {
            header: keys.header,
            packet: KeyPair {
                local: self.sealing(Level::Initial, keys.packet.local, 0),
                remote: Box::new(OpeningKey {
                    key: self.watched(keys.packet.remote, 0),
                    keys: self.clone(),
                    level: Level::Initial,
                    tracker,
                    spare: padding::keep_length,
                }),
            },
        }
    }

    /// Wraps the packet keys of one generation: key updates count it up (RFC 9001 §6).
    pub(super) fn pair(
        &self,
        level: Level,
        tracker: Tracker,
        keys: KeyPair<Box<dyn PacketKey>>,
        generation: u64,
    ) -> KeyPair<Box<dyn PacketKey>> {
        KeyPair {
            local: self.sealing(level, keys.local, generation),
            remote: self.opening(level, tracker, keys.remote, generation),
        }
    }

    /// Wraps the one key of 0-RTT packets.
    pub(super) fn zero_rtt(&self, tracker: Tracker, key: Box<dyn PacketKey>) -> Box<dyn PacketKey> {
        self.opening(Level::ZeroRtt, tracker, key, 0)
    }

    fn watched(&self, key: Box<dyn PacketKey>, generation: u64) -> Box<dyn PacketKey> {
        match &self.0.plaintext {
            None => key,
            Some(plaintext) => plaintext.watched(key, generation),
        }
    }

    fn sealing(
        &self,
        level: Level,
        key: Box<dyn PacketKey>,
        generation: u64,
    ) -> Box<dyn PacketKey> {
        match level {
            Level::OneRtt => {
                let key = SealingKey {
                    tag_length: key.tag_len(),
                    key,
                    keys: self.clone(),
                };
                self.watched(Box::new(key), generation)
            }
            // Paths are validated by 1-RTT packets alone.
            _ => self.watched(key, generation),
        }
    }

    fn opening(
        &self,
        level: Level,
        tracker: Tracker,
        key: Box<dyn PacketKey>,
        generation: u64,
    ) -> Box<dyn PacketKey> {
        Box::new(OpeningKey {
            key: self.watched(key, generation),
            keys: self.clone(),
            level,
            tracker,
            spare: padding::trim,
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens packets, and lets only those through that cost the state machine little.
struct OpeningKey {
    key: Box<dyn PacketKey>,
    keys: PacketKeys,
    level: Level,
    tracker: Tracker,
    /// Shortens the PADDING of packets once they are open.
    spare: fn(&mut BytesMut),
}

impl OpeningKey {
    /// Looks for what shows that the peer receives at its address (RFC 9000 §8.1, §8.2.3).
    #[cold]
    fn look_for_validation(&self, payload: &[u8]) {
        self.keys.find(|findings| {
            findings.handshake |= self.level == Level::Handshake;
            let responses = path_frames::responses(payload);
            findings.path_responses.extend(responses);
        });
    }

    #[cold]
    fn refuse(&self) -> CryptoError {
        self.keys.find(|findings| findings.refused += 1);
        if let Some(plaintext) = self.keys.plaintext() {
            plaintext.refuse_last();
        }
        CryptoError
    }
}

impl PacketKey for OpeningKey {
    fn encrypt(&self, number: u64, packet: &mut [u8], header_length: usize) {
        self.key.encrypt(number, packet, header_length);
    }

    fn decrypt(
        &self,
        number: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        self.key.decrypt(number, header, payload)?;
        (self.spare)(payload);
        if self.level == Level::Handshake || self.keys.0.follows_paths.load(Relaxed) {
            self.look_for_validation(payload);
        }
        match self.tracker.note(self.level, number, payload) {
            Ok(false) => Ok(()),
            Ok(true) => {
                let tracker = self.tracker.clone();
                self.keys.find(|findings| findings.crowded = Some(tracker));
                Ok(())
            }
            Err(TooFragmented) => Err(self.refuse()),
        }
    }

    fn tag_len(&self) -> usize {
        self.key.tag_len()
    }

    fn confidentiality_limit(&self) -> u64 {
        self.key.confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.key.integrity_limit()
    }
}

/// Seals packets, and tells of frames by which paths are validated.
struct SealingKey {
    key: Box<dyn PacketKey>,
    /// It is asked for several times a packet.
    tag_length: usize,
    keys: PacketKeys,
}

impl SealingKey {
    #[cold]
    fn look_for_path_frames(&self, number: u64, packet: &[u8], header_length: usize) {
        if let Some(frames) = PathFrames::read(&*self.key, number, packet, header_length) {
            *locked(&self.keys.0.sealed) = Some(frames);
        }
    }
}

impl PacketKey for SealingKey {
    fn encrypt(&self, number: u64, packet: &mut [u8], header_length: usize) {
        if self.keys.0.follows_paths.load(Relaxed) {
            self.look_for_path_frames(number, packet, header_length);
        }
        self.key.encrypt(number, packet, header_length);
    }

    fn decrypt(
        &self,
        number: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        self.key.decrypt(number, header, payload)
    }

    fn tag_len(&self) -> usize {
        self.tag_length
    }

    fn confidentiality_limit(&self) -> u64 {
        self.key.confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.key.integrity_limit()
    }
}
