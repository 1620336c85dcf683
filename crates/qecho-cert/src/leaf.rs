//! The certificate of a server that was given none.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};
use std::time::SystemTime;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, PublicKeyData, SanType};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;

use crate::authority::Authority;
use crate::identity::ServerIdentity;
use crate::pin::Pin;
use crate::publish::Access;
use crate::secret;
use crate::storage::{self, StorageError};
use crate::template::{SHORT_LIFETIME, end_entity, serial_number};

const KEY_FILE: &str = "server-key.pem";
const DNS_NAME: &str = "localhost";
const ADDRESSES: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// Error of making an [`AutomaticLeaf`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeafError {
    /// The folder, or the key in it, cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The TLS library does not take the key.
    #[error("cannot serve with the key")]
    Key(#[source] rustls::Error),
    /// A key or a signature cannot be made.
    #[error("cannot make the server's certificate")]
    Sign(#[source] rcgen::Error),
}

/// Returns the time; an argument, so that a test can let days go by.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// A short-lived certificate for localhost, 127.0.0.1 and ::1, signed by the local
/// authority and renewed while the server runs.
///
/// The key stays the same, so a [`Pin`] stays good. The leaf is sent alone: clients
/// hold the authority. A client that names its host (SNI, RFC 6066 §3) is shown one
/// without the addresses: BoringSSL knows no name constraints for addresses, and refuses
/// a leaf that has any below an authority that limits them.
pub struct AutomaticLeaf {
    authority: Arc<Authority>,
    clock: Clock,
    key: KeyPair,
    signing_key: Arc<dyn SigningKey>,
    current: RwLock<Leaf>,
    /// Held by the one thread that renews.
    renewal: Mutex<()>,
}

/// The certificates in use; both have the same key and validity.
struct Leaf {
    /// For clients that send an SNI.
    without_addresses: Arc<CertifiedKey>,
    /// For clients that send none.
    with_addresses: Arc<CertifiedKey>,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

impl AutomaticLeaf {
    /// Makes a leaf whose key is kept in `folder` (`server-key.pem`, 0600), where the
    /// next start finds it. Servers that start at once share one key.
    ///
    /// # Errors
    /// The key file cannot be read, written or used.
    pub fn open_or_create(
        authority: Arc<Authority>,
        folder: &Path,
        clock: Clock,
    ) -> Result<Self, LeafError> {
        let folder = storage::absolute(folder)?;
        storage::create_folder(&folder)?;
        let key = storage::open_or_create_key(&folder.join(KEY_FILE), Access::Private)?;
        Self::with_key(authority, key, clock)
    }

    /// Makes a leaf whose key lives in memory only.
    ///
    /// # Errors
    /// The key or the certificate cannot be made.
    pub fn ephemeral(authority: Arc<Authority>, clock: Clock) -> Result<Self, LeafError> {
        let key = KeyPair::generate().map_err(LeafError::Sign)?;
        Self::with_key(authority, key, clock)
    }

    fn with_key(authority: Arc<Authority>, key: KeyPair, clock: Clock) -> Result<Self, LeafError> {
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing_key = any_supported_type(&der).map_err(LeafError::Key)?;
        let leaf =
            Leaf::sign(&authority, &key, &signing_key, clock().into()).map_err(LeafError::Sign)?;
        Ok(Self {
            authority,
            clock,
            key,
            signing_key,
            current: RwLock::new(leaf),
            renewal: Mutex::new(()),
        })
    }

    // Handshakes go on with the old leaf while one of them signs the new one, and if that
    // fails: half of the validity is left to try again.
    fn renew_if_due(&self, now: OffsetDateTime) {
        if !self.with_current(|leaf| leaf.is_due(now)) {
            return;
        }
        let _turn = match self.renewal.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        // Another thread may have renewed it in between.
        if !self.with_current(|leaf| leaf.is_due(now)) {
            return;
        }
        if let Ok(leaf) = Leaf::sign(&self.authority, &self.key, &self.signing_key, now) {
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = leaf;
        }
    }

    fn with_current<T>(&self, look: impl FnOnce(&Leaf) -> T) -> T {
        look(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ServerIdentity for AutomaticLeaf {
    fn names(&self) -> Vec<String> {
        let addresses = ADDRESSES.iter().map(IpAddr::to_string);
        std::iter::once(DNS_NAME.to_owned())
            .chain(addresses)
            .collect()
    }

    fn expires(&self) -> OffsetDateTime {
        self.with_current(|leaf| leaf.not_after)
    }

    fn pin(&self) -> Pin {
        Pin::of_public_key(&self.key.subject_public_key_info())
    }

    fn authority_path(&self) -> Option<&Path> {
        self.authority.certificate_path()
    }

    fn secret(&self) -> [u8; 32] {
        secret::of_key(self.key.serialized_der())
    }
}

impl ResolvesServerCert for AutomaticLeaf {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.renew_if_due((self.clock)().into());
        // rustls takes an address in the SNI, which must not have one, for no name.
        let names_host = client_hello.server_name().is_some();
        Some(self.with_current(|leaf| match names_host {
            true => Arc::clone(&leaf.without_addresses),
            false => Arc::clone(&leaf.with_addresses),
        }))
    }
}

impl fmt::Debug for AutomaticLeaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AutomaticLeaf")
            .field("names", &self.names())
            .field("expires", &self.expires())
            .field("pin", &self.pin())
            .finish_non_exhaustive()
    }
}

impl Leaf {
    fn sign(
        authority: &Authority,
        key: &KeyPair,
        signing_key: &Arc<dyn SigningKey>,
        now: OffsetDateTime,
    ) -> Result<Self, rcgen::Error> {
        let usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let mut params = end_entity(SHORT_LIFETIME, usages, now)?;
        params.subject_alt_names = vec![SanType::DnsName(DNS_NAME.try_into()?)];
        let certify = |params: &CertificateParams| {
            let chain = vec![authority.sign(params, key)?.der().clone()];
            Ok(Arc::new(CertifiedKey::new(chain, Arc::clone(signing_key))))
        };
        let without_addresses = certify(&params)?;
        params.serial_number = Some(serial_number()?);
        params
            .subject_alt_names
            .extend(ADDRESSES.map(SanType::IpAddress));
        Ok(Self {
            without_addresses,
            with_addresses: certify(&params)?,
            not_before: params.not_before,
            not_after: params.not_after,
        })
    }

    // Half of the validity is over; or the clock was set back, and clients would find the
    // leaf not valid yet.
    fn is_due(&self, now: OffsetDateTime) -> bool {
        let half = (self.not_after - self.not_before) / 2;
        now > self.not_before + half || now < self.not_before
    }
}
