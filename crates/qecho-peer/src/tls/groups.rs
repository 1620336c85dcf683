//! Key exchange: X25519, P-256, P-384, and X25519 beside ML-KEM-768 (RFC 8446 §4.2.8.2,
//! draft-ietf-tls-ecdhe-mlkem).

use aws_lc_rs::{
    agreement::{self, ECDH_P256, ECDH_P384, PrivateKey, UnparsedPublicKey, X25519},
    error::Unspecified,
    kem::{Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_768},
};

use rand::{Rng, rngs::StdRng};

/// Bytes of an ML-KEM-768 encapsulation key, which a client's share begins with.
const ENCAPSULATION_KEY_LENGTH: usize = 1_184;
/// Bytes of an ML-KEM-768 ciphertext, which a server's share begins with.
const CIPHERTEXT_LENGTH: usize = 1_088;

/// Groups in which keys are exchanged (RFC 8446 §4.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Group {
    /// x25519.
    X25519,
    /// secp256r1, also called P-256.
    Secp256r1,
    /// secp384r1, also called P-384.
    Secp384r1,
    /// X25519MLKEM768.
    X25519MlKem768,
}

impl Group {
    const ALL: [Self; 4] = [
        Self::X25519,
        Self::Secp256r1,
        Self::Secp384r1,
        Self::X25519MlKem768,
    ];

    /// Returns the number that the registry has for it.
    pub fn number(self) -> u16 {
        match self {
            Self::X25519 => 0x001d,
            Self::Secp256r1 => 0x0017,
            Self::Secp384r1 => 0x0018,
            Self::X25519MlKem768 => 0x11ec,
        }
    }

    /// Returns the group of a number, if it is one of these.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.number() == number)
    }
}

/// A client's half of a key exchange.
pub(super) struct KeyShare {
    pub(super) group: Group,
    /// The half that the peer learns.
    pub(super) public: Vec<u8>,
    classical: PrivateKey,
    post_quantum: Option<DecapsulationKey>,
}

impl KeyShare {
    pub(super) fn generate(group: Group, random: &mut StdRng) -> Self {
        let classical = private_key(group, random);
        let mut public = Vec::new();
        let post_quantum = (group == Group::X25519MlKem768).then(|| {
            let key = DecapsulationKey::generate(&ML_KEM_768).expect("the system has randomness");
            let encapsulation = key.encapsulation_key().expect("it was made with the key");
            let bytes = encapsulation.key_bytes().expect("it was made with the key");
            public.extend_from_slice(bytes.as_ref());
            key
        });
        public.extend(public_key(&classical));
        Self {
            group,
            public,
            classical,
            post_quantum,
        }
    }

    /// Returns the shared secret; none if the server's share is not one of this group.
    pub(super) fn agree(&self, share: &[u8]) -> Option<Vec<u8>> {
        let Some(key) = &self.post_quantum else {
            return agree(&self.classical, share);
        };
        let (ciphertext, classical) = share.split_at_checked(CIPHERTEXT_LENGTH)?;
        let mut secret = key
            .decapsulate(Ciphertext::from(ciphertext))
            .ok()?
            .as_ref()
            .to_vec();
        secret.extend(agree(&self.classical, classical)?);
        Some(secret)
    }
}

/// Returns a server's share and the secret that it shares with a client's; none if the client's
/// is not one of this group.
pub(super) fn respond(
    group: Group,
    client_share: &[u8],
    random: &mut StdRng,
) -> Option<(Vec<u8>, Vec<u8>)> {
    let classical = private_key(group, random);
    if group != Group::X25519MlKem768 {
        return Some((public_key(&classical), agree(&classical, client_share)?));
    }
    let (key, client_share) = client_share.split_at_checked(ENCAPSULATION_KEY_LENGTH)?;
    let key = EncapsulationKey::new(&ML_KEM_768, key).ok()?;
    let (ciphertext, shared) = key.encapsulate().ok()?;
    let share = [ciphertext.as_ref(), &public_key(&classical)].concat();
    let secret = [shared.as_ref(), &agree(&classical, client_share)?].concat();
    Some((share, secret))
}

fn private_key(group: Group, random: &mut StdRng) -> PrivateKey {
    let algorithm = algorithm(group);
    let length = match group {
        Group::Secp384r1 => 48,
        _ => 32,
    };
    // One of 2^32 draws is no private key of P-256: it is above the group's order.
    loop {
        let mut bytes = [0; 48];
        random.fill_bytes(&mut bytes[..length]);
        if let Ok(key) = PrivateKey::from_private_key(algorithm, &bytes[..length]) {
            return key;
        }
    }
}

fn public_key(key: &PrivateKey) -> Vec<u8> {
    let public = key.compute_public_key().expect("each private key has one");
    public.as_ref().to_vec()
}

/// Agrees on a secret, which RFC 8446 §7.4.2 wants to be none if it is zero.
fn agree(key: &PrivateKey, share: &[u8]) -> Option<Vec<u8>> {
    // aws-lc takes compressed points and others, RFC 8446 §4.2.8.2 uncompressed ones alone.
    let is_point = key.algorithm() == &X25519 || share.first() == Some(&0x04);
    if !is_point {
        return None;
    }
    let share = UnparsedPublicKey::new(key.algorithm(), share);
    agreement::agree(key, share, Unspecified, |secret| Ok(secret.to_vec())).ok()
}

fn algorithm(group: Group) -> &'static agreement::Algorithm {
    match group {
        Group::X25519 | Group::X25519MlKem768 => &X25519,
        Group::Secp256r1 => &ECDH_P256,
        Group::Secp384r1 => &ECDH_P384,
    }
}
