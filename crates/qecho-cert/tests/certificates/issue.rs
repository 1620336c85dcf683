//! Makes certificates of every kind, good and bad, beside those the crate makes.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use qecho_cert::{Authority, AutomaticLeaf, Clock, Identity, Pin};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use time::OffsetDateTime;

use crate::wire::{DAY, clock, now};

/// A certificate authority of somebody else, without any constraint.
pub(crate) struct Issuing {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Issuing {
    /// Makes a root with a name.
    pub(crate) fn root(name: &str) -> Self {
        let (params, key) = (authority(name), key());
        let pem = params.self_signed(&key).expect("a root signs itself").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Takes the authority in a folder of qecho's or mkcert's, key and all, as a
    /// thief would.
    pub(crate) fn stolen(folder: &Path) -> Self {
        let key = fs::read_to_string(folder.join("rootCA-key.pem")).expect("there is its key");
        let key = KeyPair::from_pem(&key).expect("it is a key");
        Self::of(&folder.join("rootCA.pem"), key)
    }

    /// Takes an authority that somebody else made.
    pub(crate) fn of(certificate: &Path, key: KeyPair) -> Self {
        let pem = fs::read_to_string(certificate).expect("there is a certificate");
        let issuer = Issuer::from_ca_cert_pem(&pem, key).expect("it is an authority");
        Self { issuer, pem }
    }

    /// Writes the authority into a folder, with its key, as qecho and mkcert do.
    pub(crate) fn write_to(&self, folder: &tempfile::TempDir) -> PathBuf {
        let key = self.issuer.key().serialize_pem();
        file(folder, "rootCA-key.pem", &key);
        file(folder, "rootCA.pem", &self.pem)
    }

    /// Makes an authority below this one.
    pub(crate) fn intermediate(&self, params: CertificateParams) -> Self {
        let key = key();
        let pem = self.sign(&params, &key).pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Signs a leaf; `above` are the certificates sent behind it.
    pub(crate) fn leaf(&self, params: &CertificateParams, above: &[&Self]) -> Arc<Identity> {
        let key = key();
        let certificate = self.sign(params, &key);
        let chain = above
            .iter()
            .fold(certificate.pem(), |pem, next| pem + &next.pem);
        load(&chain, &key.serialize_pem())
    }

    /// Signs a certificate for a key.
    pub(crate) fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Certificate {
        params
            .signed_by(key, &self.issuer)
            .expect("an authority signs")
    }
}

/// Returns what stands in a CA's certificate.
pub(crate) fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Returns what stands in a good server certificate, valid from yesterday until
/// tomorrow.
pub(crate) fn server(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names are names");
    params.distinguished_name.push(DnType::CommonName, "server");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = OffsetDateTime::from(now() - DAY);
    params.not_after = OffsetDateTime::from(now() + DAY);
    params
}

/// Makes a certificate that vouches for itself.
pub(crate) fn self_signed(params: &CertificateParams) -> (String, Arc<Identity>) {
    let key = key();
    let pem = params.self_signed(&key).expect("a key signs itself").pem();
    let identity = load(&pem, &key.serialize_pem());
    (pem, identity)
}

/// Makes a server's automatic leaf whose authority nobody knows.
pub(crate) fn automatic(clock: Clock) -> Arc<AutomaticLeaf> {
    let authority = Arc::new(Authority::ephemeral(clock()).expect("keys can be made"));
    Arc::new(AutomaticLeaf::ephemeral(authority, clock).expect("keys can be made"))
}

/// Makes a server's automatic leaf, with its key and its authority in a folder.
pub(crate) fn automatic_in(folder: &Path) -> Arc<AutomaticLeaf> {
    let (authority, _) =
        Authority::open_or_create(folder, None, now()).expect("the folder is usable");
    let leaf = AutomaticLeaf::open_or_create(Arc::new(authority), folder, clock());
    Arc::new(leaf.expect("the folder is usable"))
}

/// Returns an error as a program prints it: with its causes.
pub(crate) fn printed(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Returns how a hint ends that shows an untrusted server's pin.
pub(crate) fn accept(pin: Pin) -> String {
    format!("accept exactly this key, if the server prints this very pin, with --pin {pin}")
}

/// Makes a P-256 key.
pub(crate) fn key() -> KeyPair {
    KeyPair::generate().expect("a key can be made")
}

/// Writes a file into a folder.
pub(crate) fn file(folder: &tempfile::TempDir, name: &str, content: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, content).expect("a temporary folder takes files");
    path
}

fn load(chain: &str, key: &str) -> Arc<Identity> {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let certificate = file(&folder, "certificate.pem", chain);
    let key = file(&folder, "key.pem", key);
    Arc::new(Identity::load(&certificate, &key).expect("they belong together"))
}
