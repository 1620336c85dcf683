//! Files with certificates and keys, in the forms that people have: PEM with any text and
//! line ends around it, in UTF-8 or as PowerShell writes it in UTF-16, or DER.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use rcgen::{KeyPair, SignatureAlgorithm};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::identity::IdentityError;

/// All public CAs together take less.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Characters of base64 in a line of PEM (RFC 7468 §2).
const LINE_CHARACTERS: usize = 64;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Form of a file in which there is something else than what was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileForm {
    /// OpenSSL's `TRUSTED CERTIFICATE`: what it is trusted for would be lost.
    #[error(
        "a TRUSTED CERTIFICATE with OpenSSL's own settings; write it without them by \
         openssl x509 -in FILE -out NEW"
    )]
    TrustedCertificate,
    /// PKCS #7.
    #[error("PKCS #7; take the certificates out by openssl pkcs7 -print_certs -in FILE -out NEW")]
    Pkcs7,
    /// PKCS #12.
    #[error("PKCS #12; take certificate and key out by openssl pkcs12 -nodes -in FILE -out NEW")]
    Pkcs12,
    /// PKCS #10.
    #[error("a certificate request, which a CA has to sign first")]
    Request,
    /// OpenSSH's own form.
    #[error("an OpenSSH key; write it as PEM by ssh-keygen -p -m PKCS8 -f FILE")]
    OpenSshKey,
    /// A public key alone.
    #[error("a public key, but the private one is needed")]
    PublicKey,
}

/// Reads all certificates of a PEM file, or the one of a DER file; at least one.
///
/// # Errors
/// The file cannot be read, is neither, or has no certificate in it.
pub fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let content = read(path)?;
    // Its certificate would be passed over, and the next one taken for the first.
    if has_label(&content, "TRUSTED CERTIFICATE") {
        return Err(IdentityError::Form(
            path.into(),
            FileForm::TrustedCertificate,
        ));
    }
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&content)
        .collect::<Result<_, _>>()
        .map_err(|cause| IdentityError::MalformedPem(path.into(), cause))?;
    if !chain.is_empty() {
        return Ok(chain);
    }
    if X509Certificate::from_der(&content).is_ok_and(|(rest, _)| rest.is_empty()) {
        return Ok(vec![content.into()]);
    }
    Err(match form(&content, &CERTIFICATE_FORMS) {
        Some(form) => IdentityError::Form(path.into(), form),
        None => IdentityError::NoCertificate(path.into()),
    })
}

/// Reads the first private key of a PEM file, or that of a DER file: PKCS #8, SEC1 or PKCS #1.
pub(crate) fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, IdentityError> {
    let content = read(path)?;
    let cause = match PrivateKeyDer::from_pem_slice(&content) {
        Ok(key) => return Ok(key),
        Err(cause) => cause,
    };
    // The header of the old style of encryption is no base64.
    if is_encrypted(&content) {
        return Err(IdentityError::EncryptedKey(path.into()));
    }
    if !matches!(cause, pem::Error::NoItemsFound) {
        return Err(IdentityError::MalformedPem(path.into(), cause));
    }
    if let Some(form) = form(&content, &KEY_FORMS) {
        return Err(IdentityError::Form(path.into(), form));
    }
    PrivateKeyDer::try_from(content).map_err(|_| IdentityError::NoKey(path.into()))
}

/// Reads a private key with which certificates can be signed, or made.
pub(crate) fn read_key_pair(path: &Path) -> Result<KeyPair, IdentityError> {
    let unusable = || {
        let cause = rustls::Error::General("no algorithm takes the key".to_owned());
        IdentityError::UnusableKey(path.into(), cause)
    };
    let key = KeyPair::try_from(&read_key(path)?).map_err(|_| unusable())?;
    // It is written and used as PKCS #8, whatever it was read as.
    let pkcs8 = pkcs8(&key).ok_or_else(unusable)?;
    KeyPair::try_from(&pkcs8).map_err(|_| unusable())
}

/// Returns a key in PKCS #8; `None` for a key that is none.
fn pkcs8(key: &KeyPair) -> Option<PrivatePkcs8KeyDer<'static>> {
    let der = key.serialized_der();
    Some(match PrivateKeyDer::try_from(der).ok()? {
        PrivateKeyDer::Pkcs8(key) => key.clone_key(),
        PrivateKeyDer::Pkcs1(key) => {
            let key = rsa::KeyPair::from_der(key.secret_pkcs1_der()).ok()?;
            AsDer::<Pkcs8V1Der<'_>>::as_der(&key)
                .ok()?
                .as_ref()
                .to_vec()
                .into()
        }
        PrivateKeyDer::Sec1(sec1) => {
            let algorithm = ecdsa(key.algorithm())?;
            let key = EcdsaKeyPair::from_private_key_der(algorithm, sec1.secret_sec1_der());
            key.ok()?.to_pkcs8v1().ok()?.as_ref().to_vec().into()
        }
        _ => return None,
    })
}

fn ecdsa(algorithm: &SignatureAlgorithm) -> Option<&'static EcdsaSigningAlgorithm> {
    [
        (
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &ECDSA_P256_SHA256_ASN1_SIGNING,
        ),
        (
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &ECDSA_P384_SHA384_ASN1_SIGNING,
        ),
        (
            &rcgen::PKCS_ECDSA_P521_SHA512,
            &ECDSA_P521_SHA512_ASN1_SIGNING,
        ),
    ]
    .into_iter()
    .find_map(|(known, signing)| (known == algorithm).then_some(signing))
}

/// Returns certificates in PEM.
pub(crate) fn pem_of(chain: &[CertificateDer<'_>]) -> String {
    let mut text = String::new();
    for certificate in chain {
        text += "-----BEGIN CERTIFICATE-----\n";
        let encoded = BASE64_STANDARD.encode(certificate);
        for line in encoded.as_bytes().chunks(LINE_CHARACTERS) {
            text.extend(line.iter().copied().map(char::from));
            text.push('\n');
        }
        text += "-----END CERTIFICATE-----\n";
    }
    text
}

/// Returns `None` for what could not be read because it is not there.
pub(crate) fn if_there<T>(read: Result<T, IdentityError>) -> Result<Option<T>, IdentityError> {
    use io::ErrorKind::{NotADirectory, NotFound};
    match read {
        Err(IdentityError::Read(_, source))
            if matches!(source.kind(), NotFound | NotADirectory) =>
        {
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// Labels of PEM, and first bytes of DER behind the outer SEQUENCE, of forms in which there
/// may be certificates.
const CERTIFICATE_FORMS: [(FileForm, &[&str], &[u8]); 3] = [
    (FileForm::Pkcs7, &["PKCS7", "CMS"], OID_PKCS7),
    (FileForm::Pkcs12, &[], PKCS12_VERSION),
    (
        FileForm::Request,
        &["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"],
        &[],
    ),
];

/// The same of those in which there may be keys.
const KEY_FORMS: [(FileForm, &[&str], &[u8]); 3] = [
    (FileForm::OpenSshKey, &["OPENSSH PRIVATE KEY"], &[]),
    (FileForm::PublicKey, &["PUBLIC KEY", "RSA PUBLIC KEY"], &[]),
    (FileForm::Pkcs12, &[], PKCS12_VERSION),
];

/// RFC 2315 §14.
const OID_PKCS7: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07";
/// RFC 7292 §4: version 3, and a SEQUENCE.
const PKCS12_VERSION: &[u8] = b"\x02\x01\x03\x30";
/// RFC 8018 §A: the algorithms by which a PKCS #8 key is encrypted.
const OID_PKCS5: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05";
/// RFC 7292 §C: the same, of older programs.
const OID_PKCS12_ENCRYPTION: &[u8] = b"\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01";

fn form(content: &[u8], forms: &[(FileForm, &[&str], &[u8])]) -> Option<FileForm> {
    let inner = sequence(content);
    let found = forms.iter().find(|(_, labels, der)| {
        let begins_so = |inner: &[u8]| !der.is_empty() && inner.starts_with(der);
        labels.iter().any(|label| has_label(content, label)) || inner.is_some_and(begins_so)
    });
    found.map(|(form, _, _)| *form)
}

// PKCS #8, and RFC 1421 before it.
fn is_encrypted(content: &[u8]) -> bool {
    let algorithm = sequence(content).and_then(sequence);
    has_label(content, "ENCRYPTED PRIVATE KEY")
        || ["Proc-Type: 4,ENCRYPTED", "DEK-Info:"]
            .iter()
            .any(|mark| holds(content, mark.as_bytes()))
        || [OID_PKCS5, OID_PKCS12_ENCRYPTION]
            .iter()
            .any(|oid| algorithm.is_some_and(|algorithm| algorithm.starts_with(oid)))
}

/// Returns what is in a SEQUENCE of DER that stands first.
fn sequence(der: &[u8]) -> Option<&[u8]> {
    match der {
        [0x30, length, rest @ ..] if *length < 0x80 => Some(rest),
        [0x30, length, rest @ ..] => rest.get(usize::from(length & 0x7f)..),
        _ => None,
    }
}

fn has_label(content: &[u8], label: &str) -> bool {
    holds(content, format!("-----BEGIN {label}-----").as_bytes())
}

fn holds(content: &[u8], mark: &[u8]) -> bool {
    content.windows(mark.len()).any(|window| window == mark)
}

/// Reads a file; text is UTF-8 without byte order marks then.
fn read(path: &Path) -> Result<Vec<u8>, IdentityError> {
    let content = read_bounded(path).map_err(|source| IdentityError::Read(path.into(), source))?;
    Ok(plain(content))
}

/// Returns text without byte order marks, which hide the line behind them: one stands at the
/// beginning, more where files were joined. What is no text stays as it is.
fn plain(content: Vec<u8>) -> Vec<u8> {
    let utf16 = |unit: fn([u8; 2]) -> u16| {
        let units = content[2..]
            .chunks_exact(2)
            .map(|pair| unit([pair[0], pair[1]]));
        let text: String = char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .filter(|unit| *unit != '\u{feff}')
            .collect();
        text.into_bytes()
    };
    match &content[..] {
        [0xff, 0xfe, ..] => utf16(u16::from_le_bytes),
        [0xfe, 0xff, ..] => utf16(u16::from_be_bytes),
        [0x30, ..] => content,
        _ => match holds(&content, BYTE_ORDER_MARK) {
            true => {
                let text = String::from_utf8_lossy(&content);
                text.replace('\u{feff}', "").into_bytes()
            }
            false => content,
        },
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut content)?;
    match content.len() as u64 > FILE_BYTES_MAX {
        true => Err(io::Error::other("it is too large for a certificate or key")),
        false => Ok(content),
    }
}
