//! Keys of all levels, to seal and to open.

use qecho_packet::{
    DecryptedPacket, Side,
    protection::{Numbers, OpeningKeys, SealingKeys, Secret, Suite},
    wire::{ConnectionId, Protected},
};

use crate::{packet::Phase, tls::Level};

/// The bit of a short header that tells the key phase (RFC 9000 §17.3.1).
const KEY_PHASE: u8 = 0x04;

/// Keys of all levels. None is ever thrown away: scripts go on with them.
#[derive(Default)]
pub(crate) struct Keys {
    levels: [LevelKeys; 4],
    /// The version whose keys they are (RFC 9369 §3.3).
    pub(crate) version: u32,
}

#[derive(Default)]
struct LevelKeys {
    local: Option<LocalKeys>,
    remote: Option<OpeningKeys>,
}

struct LocalKeys {
    suite: Suite,
    /// That of the first generation, from which header protection derives.
    secret: Secret,
    current: SealingKeys,
}

impl Keys {
    /// Derives the keys of Initial packets (RFC 9001 §5.2).
    pub(crate) fn install_initial(&mut self, destination: &ConnectionId, side: Side) {
        self.install(
            Level::Initial,
            Suite::Aes128GcmSha256,
            Some(&Secret::initial_of(self.version, destination, side)),
            Some(&Secret::initial_of(self.version, destination, side.other())),
        );
    }

    /// Takes keys of a level; a direction without a secret stays as it is.
    pub(crate) fn install(
        &mut self,
        level: Level,
        suite: Suite,
        local: Option<&Secret>,
        remote: Option<&Secret>,
    ) {
        let keys = &mut self.levels[level as usize];
        let of_version = |secret: &Secret| secret.clone().of_version(self.version);
        if let Some(secret) = local.map(of_version) {
            keys.local = Some(LocalKeys {
                suite,
                current: SealingKeys::new(&secret, suite),
                secret,
            });
        }
        if let Some(secret) = remote.map(of_version) {
            keys.remote = Some(OpeningKeys::new(&secret, suite));
        }
    }

    pub(crate) fn can_seal(&self, level: Level) -> bool {
        self.levels[level as usize].local.is_some()
    }

    pub(crate) fn can_open(&self, level: Level) -> bool {
        self.levels[level as usize].remote.is_some()
    }

    /// Returns how many key updates of the endpoint there were.
    pub(crate) fn generation(&self) -> u64 {
        let local = self.levels[Level::OneRtt as usize].local.as_ref();
        local.map_or(0, |keys| keys.current.generation())
    }

    /// Goes on to the next keys to send with (RFC 9001 §6.1).
    pub(crate) fn update(&mut self) {
        if let Some(keys) = &mut self.levels[Level::OneRtt as usize].local {
            keys.current.update();
        }
    }

    /// Opens a packet, if it is authentic.
    pub(crate) fn open(
        &mut self,
        level: Level,
        packet: &Protected<'_>,
        numbers: Numbers,
    ) -> Option<DecryptedPacket> {
        let keys = self.levels[level as usize].remote.as_mut()?;
        keys.open(packet, numbers)
    }

    /// Seals a packet with all of its header before the packet number but the key phase; none if
    /// there are no keys yet.
    pub(crate) fn seal(
        &self,
        level: Level,
        phase: Phase,
        mut head: Vec<u8>,
        number: (u64, usize),
        payload: &[u8],
    ) -> Option<Vec<u8>> {
        let keys = self.levels[level as usize].local.as_ref()?;
        let current = keys.current.generation();
        let generation = match phase {
            Phase::Current => current,
            Phase::Next => current + 1,
            Phase::Previous => current.saturating_sub(1),
        };
        if level == Level::OneRtt && generation % 2 == 1 {
            head[0] |= KEY_PHASE;
        }
        let (number, length) = number;
        if generation == current {
            return Some(keys.current.seal(&head, number, length, payload));
        }
        let mut other = SealingKeys::new(&keys.secret, keys.suite);
        (0..generation).for_each(|_| other.update());
        Some(other.seal(&head, number, length, payload))
    }
}
