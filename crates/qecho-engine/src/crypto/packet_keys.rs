//! Packet keys as the QUIC state machine gets them: they copy each packet's plaintext when
//! packets are traced, note what the shard must know of packets, and refuse those that would
//! cost the state machine too much.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use bytes::BytesMut;
use quinn_proto::crypto::{CryptoError, KeyPair, Keys, PacketKey};

use super::{
    early_frames,
    fragments::{Level, Noted, TooFragmented, Tracker},
    padding,
    path_frames::{self, PathFrames},
    plaintext::{OpenedPacket, Plaintext, SealedPacket},
};
use crate::limits::CRYPTO_BUFFER_MAX;

/// Wrapper of the packet keys of all connections of a shard, with the signs in packets that
/// were opened and sealed since the shard last looked.
#[derive(Clone, Default)]
pub(crate) struct PacketKeys(Arc<Record>);

/// Keys have to be shareable between threads; in fact only the shard's own uses them, so
/// that nobody ever waits for these locks.
#[derive(Default)]
struct Record {
    plaintext: Option<Plaintext>,
    /// Bytes of CRYPTO data in Initial packets that may wait for what comes before them, if the
    /// state machine would let more.
    initial_ahead_max: Option<usize>,
    has_signs: AtomicBool,
    signs: Mutex<PacketSigns>,
    /// Whether frames by which paths are validated are noted.
    follows_paths: AtomicBool,
    /// Those of the last sealed packet that has any.
    sealed: Mutex<Option<PathFrames>>,
}

/// Signs in packets that were opened.
#[derive(Default)]
pub(crate) struct PacketSigns {
    /// Packets that the state machine was not to see.
    pub(crate) refused: usize,
    /// Whether a Handshake packet of the peer was among them.
    pub(crate) handshake: bool,
    /// Data of the PATH_RESPONSE frames.
    pub(crate) path_responses: Vec<[u8; 8]>,
    /// Whether one of them has a PATH_CHALLENGE.
    pub(crate) challenged: bool,
    /// The tracker that knows too many streams, of which some may have ended.
    pub(crate) crowded: Option<Tracker>,
}

impl PacketKeys {
    /// Returns a wrapper that copies each packet's plaintext if `traces_packets`; with
    /// `bounds_initial`, CRYPTO data in Initial packets has no more room than where nobody
    /// sends certificates.
    pub(crate) fn new(traces_packets: bool, bounds_initial: bool) -> Self {
        Self(Arc::new(Record {
            plaintext: traces_packets.then(Plaintext::default),
            initial_ahead_max: bounds_initial.then_some(CRYPTO_BUFFER_MAX),
            ..Record::default()
        }))
    }

    /// Returns a tracker for the Initial packets of a client.
    pub(super) fn initial_tracker(&self) -> Tracker {
        Tracker::with_crypto_ahead_max(self.0.initial_ahead_max)
    }

    /// Returns the copies, if there are any.
    pub(crate) fn plaintext(&self) -> Option<&Plaintext> {
        self.0.plaintext.as_ref()
    }

    /// Returns the signs since the last call, if there are any.
    pub(crate) fn take_signs(&self) -> Option<PacketSigns> {
        let found = self.0.has_signs.load(Relaxed);
        found.then(|| {
            self.0.has_signs.store(false, Relaxed);
            std::mem::take(&mut *locked(&self.0.signs))
        })
    }

    fn sign(&self, add: impl FnOnce(&mut PacketSigns)) {
        self.0.has_signs.store(true, Relaxed);
        add(&mut locked(&self.0.signs));
    }

    /// Sets whether frames by which paths are validated (RFC 9000 §8.2) are noted.
    pub(crate) fn follow_paths(&self, follows: bool) {
        self.0.follows_paths.store(follows, Relaxed);
        if follows {
            self.take_path_frames();
        }
    }

    /// Returns such frames of the packet that was sealed last, if they are noted.
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
    pub(super) fn wrap(&self, level: Level, tracker: &Tracker, keys: Keys) -> Keys {
        Keys {
            header: keys.header,
            packet: self.pair(level, tracker, keys.packet, 0),
        }
    }

    /// Wraps the packet keys of one generation: key updates count it up (RFC 9001 §6).
    pub(super) fn pair<K: Into<Arc<dyn PacketKey>>>(
        &self,
        level: Level,
        tracker: &Tracker,
        keys: KeyPair<K>,
        generation: u64,
    ) -> KeyPair<Box<dyn PacketKey>> {
        KeyPair {
            local: Box::new(self.key(level, tracker, keys.local, generation)),
            remote: Box::new(self.key(level, tracker, keys.remote, generation)),
        }
    }

    /// Wraps the keys for the first packet of a connection that a server opens, whose length
    /// counts.
    pub(super) fn first_pair(
        &self,
        tracker: &Tracker,
        keys: &KeyPair<Arc<dyn PacketKey>>,
    ) -> KeyPair<Box<dyn PacketKey>> {
        let remote = WrappedKey {
            spare_padding: padding::keep_length,
            ..self.key(Level::Initial, tracker, keys.remote.clone(), 0)
        };
        KeyPair {
            local: Box::new(self.key(Level::Initial, tracker, keys.local.clone(), 0)),
            remote: Box::new(remote),
        }
    }

    /// Wraps the one key of 0-RTT packets.
    pub(super) fn zero_rtt(
        &self,
        tracker: &Tracker,
        key: Box<dyn PacketKey>,
    ) -> Box<dyn PacketKey> {
        Box::new(self.key(Level::ZeroRtt, tracker, key, 0))
    }

    fn key(
        &self,
        level: Level,
        tracker: &Tracker,
        key: impl Into<Arc<dyn PacketKey>>,
        generation: u64,
    ) -> WrappedKey {
        let key = key.into();
        WrappedKey {
            tag_length: key.tag_len(),
            key,
            keys: self.clone(),
            level,
            generation,
            tracker: tracker.clone(),
            spare_padding: padding::trim,
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Key that seals or opens packets of one level and generation.
struct WrappedKey {
    key: Arc<dyn PacketKey>,
    /// It is asked for several times a packet.
    tag_length: usize,
    keys: PacketKeys,
    level: Level,
    generation: u64,
    /// Record of packets that were opened.
    tracker: Tracker,
    /// Shortens the PADDING of packets once they are open.
    spare_padding: fn(&mut BytesMut),
}

impl WrappedKey {
    /// Notes frames that validate paths, and that the peer receives at its address (RFC 9000
    /// §8.1, §8.2.3).
    #[cold]
    fn note_validation(&self, payload: &[u8]) {
        self.keys.sign(|signs| {
            signs.handshake |= self.level == Level::Handshake;
            let responses = path_frames::responses(payload);
            signs.path_responses.extend(responses);
        });
    }

    #[cold]
    fn note_signs(&self, noted: Noted) {
        let tracker = noted.is_crowded.then(|| self.tracker.clone());
        self.keys.sign(|signs| {
            signs.challenged |= noted.is_challenged;
            signs.crowded = tracker.or(signs.crowded.take());
        });
    }

    #[cold]
    fn refuse(&self) -> CryptoError {
        self.keys.sign(|signs| signs.refused += 1);
        if let Some(plaintext) = self.keys.plaintext() {
            plaintext.refuse_last();
        }
        CryptoError
    }

    #[cold]
    fn note_path_frames(&self, number: u64, packet: &[u8], header_length: usize) {
        if let Some(frames) = PathFrames::read(&*self.key, number, packet, header_length) {
            *locked(&self.keys.0.sealed) = Some(frames);
        }
    }

    /// Opens a packet, and keeps a copy of its plaintext.
    #[cold]
    fn decrypt_traced(
        &self,
        plaintext: &Plaintext,
        number: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        let size = header.len() + payload.len();
        let outcome = self.key.decrypt(number, header, payload);
        plaintext.copies().opened.push(OpenedPacket {
            number,
            header: header.to_vec(),
            payload: outcome.is_ok().then(|| payload.to_vec()),
            size,
            generation: self.generation,
            refused: false,
        });
        outcome
    }
}

impl PacketKey for WrappedKey {
    fn encrypt(&self, number: u64, packet: &mut [u8], header_length: usize) {
        // Paths are validated by 1-RTT packets alone.
        if self.level == Level::OneRtt && self.keys.0.follows_paths.load(Relaxed) {
            self.note_path_frames(number, packet, header_length);
        }
        if let Some(plaintext) = &self.keys.0.plaintext {
            let content = packet.len() - self.tag_length;
            plaintext.copies().sealed.push(SealedPacket {
                number,
                bytes: packet[..content].to_vec(),
                header_length,
                size: packet.len(),
                generation: self.generation,
            });
        }
        self.key.encrypt(number, packet, header_length);
    }

    fn decrypt(
        &self,
        number: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        match &self.keys.0.plaintext {
            None => self.key.decrypt(number, header, payload)?,
            Some(plaintext) => self.decrypt_traced(plaintext, number, header, payload)?,
        }
        (self.spare_padding)(payload);
        if self.level == Level::ZeroRtt {
            early_frames::refuse_illegal(payload);
        }
        if self.level == Level::Handshake || self.keys.0.follows_paths.load(Relaxed) {
            self.note_validation(payload);
        }
        match self.tracker.note(self.level, number, payload) {
            Ok(noted) => {
                if noted != Noted::default() {
                    self.note_signs(noted);
                }
                Ok(())
            }
            Err(TooFragmented) => Err(self.refuse()),
        }
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
