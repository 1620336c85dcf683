//! Servers with keys and certificates that hardly anybody has: the true reason of a refusal,
//! and no refusal where the key alone counts and can be verified.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use qecho_cert::{CertificateDetails, Pin, TrustSettings, read_chain};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};
use tempfile::TempDir;

use crate::issue::{Issuing, accept, file, key, server};
use crate::process::openssl;
use crate::wire::{DAY, meet, meet_at, now, trusting_anybody, trusting_ca, trusting_file};

const ACCEPTED: &str = "accepted are ECDSA P-256, P-384 and P-521, Ed25519, and RSA from 2048 to \
                        8192 bits";
const NO_HELP: &str = "the server needs another key: nothing that is signed with this one can be \
                       checked, so --insecure and --pin do not help";
const UNPROVEN: &str = "the server did not prove that it holds the certificate's key";
const RSA_PSS: &str = "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048";
const RSA_1024: &str = "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024";
const P_256: &str = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256";
/// `rsa_pss_pss_sha256` (RFC 8446 §4.2.3).
const RSA_PSS_PSS_SHA256: SignatureScheme = SignatureScheme::Unknown(0x0809);

#[test]
fn an_rsa_pss_key_is_named_and_is_enough_where_the_key_alone_counts() {
    let folder = tempfile::tempdir().unwrap();
    let unusual = Unusual::signed_in(&folder, RSA_PSS);
    // As OpenSSL and GnuTLS sign, and as aioquic does.
    for scheme in [RSA_PSS_PSS_SHA256, SignatureScheme::RSA_PSS_SHA256] {
        let identity = unusual.identity(scheme);
        let met = meet(trusting_anybody(), "localhost", Arc::clone(&identity) as _);
        met.accepted_by("nobody (--insecure)");
        let pinned = TrustSettings::default().with_pin(unusual.pin());
        let met = meet(pinned, "localhost", Arc::clone(&identity) as _);
        met.accepted_by(&format!("pin {}", unusual.pin().abbreviated()));
        let met = meet_in_a_month(trusting_ca(unusual.ca.clone()), identity);
        let reason = format!("the certificate's key is an RSA-PSS key of 2048 bits; {ACCEPTED}");
        assert_eq!(met.0, reason);
        let hint = format!("the server needs another key, or {}", accept(unusual.pin()));
        assert_eq!(met.1, hint);
    }
}

#[test]
fn an_rsa_pss_certificate_without_its_key_convinces_nobody() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let stolen = Unusual::signed_in(&folders[0], RSA_PSS);
    let other = Unusual::signed_in(&folders[1], RSA_PSS);
    let impostor = Arc::new(Shown(Arc::new(CertifiedKey::new(
        read_chain(&stolen.certificate).unwrap(),
        Arc::new(OpenSslKey(other.key, RSA_PSS_PSS_SHA256)),
    ))));
    let pinned = TrustSettings::default()
        .with_pin(Pin::of_certificate(&read_chain(&stolen.certificate).unwrap()[0]).unwrap());
    for settings in [trusting_anybody(), pinned] {
        meet(settings, "localhost", Arc::clone(&impostor) as _).refused_because(UNPROVEN);
    }
}

#[test]
fn an_rsa_key_that_is_too_small_is_named_whoever_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let unusual = Unusual::signed_in(&folder, RSA_1024);
    let reason = format!("the certificate's key is RSA of 1024 bits; {ACCEPTED}");
    for settings in [
        trusting_anybody(),
        TrustSettings::default().with_pin(unusual.pin()),
        TrustSettings::default(),
        trusting_ca(unusual.ca.clone()),
    ] {
        let identity = unusual.identity(SignatureScheme::RSA_PSS_SHA256);
        let met = meet_in_a_month(settings, identity);
        assert_eq!(met, (reason.clone(), NO_HELP.to_owned()));
    }
}

#[test]
fn a_certificate_of_version_1_is_named_and_its_key_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let unusual = Unusual::in_folder(&folder, P_256, "");
    let identity = unusual.identity(SignatureScheme::ECDSA_NISTP256_SHA256);
    meet(trusting_anybody(), "localhost", Arc::clone(&identity) as _)
        .accepted_by("nobody (--insecure)");
    let pinned = TrustSettings::default().with_pin(unusual.pin());
    meet(pinned, "localhost", Arc::clone(&identity) as _)
        .accepted_by(&format!("pin {}", unusual.pin().abbreviated()));
    for settings in [trusting_ca(unusual.ca.clone()), TrustSettings::default()] {
        let met = meet_in_a_month(settings, Arc::clone(&identity));
        assert_eq!(
            met.0,
            "the certificate is of X.509 version 1, which names no host; version 3 does"
        );
        assert!(met.1.ends_with(&accept(unusual.pin())), "{}", met.1);
    }
    // Of a stolen one the key is missed.
    let stolen = Unusual {
        key: file(&folder, "other", &key().serialize_pem()),
        ..unusual
    };
    let impostor = stolen.identity(SignatureScheme::ECDSA_NISTP256_SHA256);
    meet(trusting_anybody(), "localhost", impostor).refused_because(UNPROVEN);
}

#[test]
fn the_small_key_of_a_ca_is_not_told_as_another_key() {
    let folder = tempfile::tempdir().unwrap();
    let unusual = Unusual::of_ca(&folder, P_256, "subjectAltName=DNS:localhost\n", RSA_1024);
    let identity = unusual.identity(SignatureScheme::ECDSA_NISTP256_SHA256);
    let met = meet_in_a_month(trusting_ca(unusual.ca.clone()), identity);
    assert_eq!(
        met.0,
        format!("the key of the certificate's CA is RSA of 1024 bits; {ACCEPTED}")
    );
}

#[test]
fn types_of_keys_are_told_apart_by_more_than_their_size() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, shown) in [
        (RSA_PSS, "RSA-PSS 2048"),
        (RSA_1024, "RSA 1024"),
        (P_256, "ECDSA P-256"),
        (
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1",
            "of another kind",
        ),
        (
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521",
            "ECDSA P-521",
        ),
        ("genpkey -algorithm ED448", "Ed448"),
    ] {
        let unusual = Unusual::signed_in(&folder, arguments);
        let chain = read_chain(&unusual.certificate).unwrap();
        let details = CertificateDetails::of(&chain[0]).unwrap();
        assert_eq!(details.key_type.to_string(), shown);
    }
}

#[test]
fn a_chain_that_begins_with_a_ca_is_told_whoever_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let root = Issuing::root("root");
    let own = key();
    let leaf = root.sign(&server(&["localhost"]), &own).pem();
    let chain = file(&folder, "chain", &(root.pem.clone() + &leaf));
    let key = file(&folder, "key", &own.serialize_pem());
    let unusual = Unusual {
        ca: chain.clone(),
        certificate: chain,
        key,
    };
    let chain = read_chain(&unusual.certificate).unwrap();
    for settings in [
        trusting_file(&folder, &root.pem),
        trusting_anybody(),
        TrustSettings::default(),
        TrustSettings::default().with_pin(Pin::of_certificate(&chain[1]).unwrap()),
    ] {
        let identity = unusual.identity(SignatureScheme::ECDSA_NISTP256_SHA256);
        let hint = meet(settings, "localhost", identity).refused_because(
            "the server shows its certificates in the wrong order: a CA's is the first, its own \
             is number 2",
        );
        assert!(hint.contains("begin with certificate 2"), "{hint}");
    }
}

#[test]
fn a_fingerprint_in_place_of_a_pin_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let unusual = Unusual::signed_in(&folder, P_256);
    let chain = read_chain(&unusual.certificate).unwrap();
    let fingerprint = CertificateDetails::of(&chain[0]).unwrap().sha256;
    let asked: Pin = format!("sha256:{fingerprint}").parse().unwrap();
    let identity = unusual.identity(SignatureScheme::ECDSA_NISTP256_SHA256);
    let met = meet(
        TrustSettings::default().with_pin(asked),
        "localhost",
        identity,
    );
    let hint = met.refused_because(&format!(
        "{asked} is the fingerprint of the server's certificate, not the pin of its key"
    ));
    assert_eq!(
        hint,
        format!("a pin is of the key alone: use --pin {}", unusual.pin())
    );
}

#[test]
fn an_address_that_is_there_as_a_dns_name_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for (address, names) in [
        ("127.0.0.1", "DNS:127.0.0.1"),
        ("::1", "DNS:a.test,DNS:::1"),
    ] {
        let names = format!("subjectAltName={names}\nbasicConstraints=CA:FALSE\n");
        let unusual = Unusual::in_folder(&folder, P_256, &names);
        let identity = unusual.identity(SignatureScheme::ECDSA_NISTP256_SHA256);
        let met = meet_at(
            now() + 30 * DAY,
            trusting_ca(unusual.ca.clone()),
            address,
            identity,
        );
        let hint = met.refused_because(&format!(
            "the certificate has {address} as a DNS name; an address has to be in it as an IP \
             address"
        ));
        assert!(
            hint.contains(&format!("subjectAltName=IP:{address}, or")),
            "{hint}"
        );
    }
}

/// Files of a server's certificate and key, and of the CA that has signed it.
struct Unusual {
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Unusual {
    /// Has OpenSSL make a key, and a certificate for localhost.
    fn signed_in(folder: &TempDir, key: &str) -> Self {
        let names = "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n";
        Self::in_folder(folder, key, names)
    }

    /// Has OpenSSL make a key, and a certificate with extensions: without any it is of
    /// version 1.
    fn in_folder(folder: &TempDir, key: &str, extensions: &str) -> Self {
        Self::of_ca(folder, key, extensions, P_256)
    }

    /// The same, signed by a CA with such a key.
    fn of_ca(folder: &TempDir, key: &str, extensions: &str, ca_key: &str) -> Self {
        let path = |name: &str| folder.path().join(name);
        let of_ca = path("ca.key");
        openssl(ca_key, &[("-out", &of_ca)]);
        let ca = path("ca");
        openssl(
            "req -x509 -days 36500 -subj /CN=unusual",
            &[("-key", &of_ca), ("-out", &ca)],
        );
        let made = Self {
            ca,
            certificate: path("certificate"),
            key: path("key"),
        };
        openssl(key, &[("-out", &made.key)]);
        let request = path("request");
        openssl(
            "req -new -subj /CN=localhost",
            &[("-key", &made.key), ("-out", &request)],
        );
        let extensions = file(folder, "extensions", extensions);
        openssl(
            "x509 -req -days 36500 -set_serial 2",
            &[
                ("-in", &request),
                ("-CA", &made.ca),
                ("-CAkey", &of_ca),
                ("-extfile", &extensions),
                ("-out", &made.certificate),
            ],
        );
        made
    }

    fn pin(&self) -> Pin {
        let chain = read_chain(&self.certificate).expect("it was made");
        Pin::of_certificate(&chain[0]).expect("it has a key")
    }

    /// Returns a server that shows the certificate and signs by a scheme.
    fn identity(&self, scheme: SignatureScheme) -> Arc<Shown> {
        let chain = read_chain(&self.certificate).expect("it was made");
        let key = Arc::new(OpenSslKey(self.key.clone(), scheme));
        Arc::new(Shown(Arc::new(CertifiedKey::new(chain, key))))
    }
}

/// Lets a client meet a server when the certificates of today are valid; returns the reason
/// of its refusal and the hint.
fn meet_in_a_month(settings: TrustSettings, identity: Arc<Shown>) -> (String, String) {
    meet_at(now() + 30 * DAY, settings, "localhost", identity).refused()
}

/// A server that shows what it has.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A key file with which OpenSSL signs, by one scheme.
#[derive(Clone, Debug)]
struct OpenSslKey(PathBuf, SignatureScheme);

impl SigningKey for OpenSslKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&self.1)
            .then(|| Box::new(self.clone()) as _)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::Anonymous
    }
}

impl Signer for OpenSslKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let path = folder.path().join("message");
        std::fs::write(&path, message).expect("the folder takes files");
        let mut command = Command::new("openssl");
        command.args(["dgst", "-sha256", "-sign"]).arg(&self.0);
        if self.1 != SignatureScheme::ECDSA_NISTP256_SHA256 {
            command.args([
                "-sigopt",
                "rsa_padding_mode:pss",
                "-sigopt",
                "rsa_pss_saltlen:32",
            ]);
        }
        Ok(signature(command.arg(&path), &path))
    }

    fn scheme(&self) -> SignatureScheme {
        self.1
    }
}

fn signature(command: &mut Command, message: &Path) -> Vec<u8> {
    let output = command.output().expect("OpenSSL runs");
    assert!(output.status.success(), "{}: {output:?}", message.display());
    output.stdout
}
