//! Identities from files, in all the forms people have.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use qecho_cert::{Identity, IdentityError, ServerIdentity, read_chain};
use time::OffsetDateTime;

use crate::issue::{Issuing, file, key, printed, self_signed, server};
use crate::process::{openssl, tool};
use crate::wire::{DAY, now};

const NOT_ACCEPTED: &str = "the key in KEY is of a kind or size that is not accepted \
                            (ECDSA P-256/P-384/P-521, Ed25519, RSA from 2048 bits)";

#[test]
fn an_identity_tells_its_names_its_expiry_and_its_pin() {
    let (pem, identity) = self_signed(&server(&["a.example", "192.0.2.1", "2001:db8::1"]));
    assert_eq!(identity.names(), ["a.example", "192.0.2.1", "2001:db8::1"]);
    assert_eq!(identity.expires(), OffsetDateTime::from(now() + DAY));
    assert_eq!(identity.authority_path(), None);
    assert!(identity.pin().to_string().starts_with("sha256:"));
    assert!(!format!("{identity:?}").contains(&pem[30..60]));
}

#[test]
fn an_expired_certificate_loads_and_says_so() {
    let mut params = server(&["localhost"]);
    params.not_after = OffsetDateTime::from(now() - DAY / 2);
    let (_, identity) = self_signed(&params);
    assert!(identity.expires() < now());
}

#[test]
fn certificate_and_key_may_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let key = key();
    let certificate = server(&["localhost"]).self_signed(&key).unwrap();
    let both = file(
        &folder,
        "both.pem",
        &(key.serialize_pem() + &certificate.pem()),
    );
    Identity::load(&both, &both).unwrap();
}

#[test]
fn keys_of_every_common_form_load() {
    let folder = tempfile::tempdir().unwrap();
    for (head, arguments) in [
        ("-----BEGIN PRIVATE KEY-----", "genpkey -algorithm ed25519"),
        (
            "-----BEGIN EC PARAMETERS-----",
            "ecparam -name prime256v1 -genkey",
        ),
        (
            "-----BEGIN RSA PRIVATE KEY-----",
            "genrsa -traditional 2048",
        ),
        ("-----BEGIN PRIVATE KEY-----", "genrsa 2048"),
    ] {
        let (done, said) = tool(Command::new("openssl").args(arguments.split(' ')));
        assert!(done, "{said}");
        let pem = &said[said.find("-----BEGIN").unwrap()..];
        assert!(pem.starts_with(head), "{pem}");
        let key = file(&folder, "key.pem", pem);
        let certificate = folder.path().join("certificate.pem");
        openssl(
            "req -x509 -days 2 -subj /CN=server -addext subjectAltName=DNS:localhost",
            &[("-key", &key), ("-out", &certificate)],
        );
        let identity = Identity::load(&certificate, &key).unwrap();
        assert_eq!(identity.names(), ["localhost"]);
    }
}

#[test]
fn a_key_of_another_certificate_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = for_localhost(&folder);
    let key = file(&folder, "key.pem", &key().serialize_pem());
    let error = Identity::load(&certificate, &key).unwrap_err();
    assert!(matches!(error, IdentityError::KeyMismatch { .. }));
    assert_eq!(
        printed(&error),
        format!(
            "the key in {} does not fit the certificate in {}",
            key.display(),
            certificate.display()
        )
    );
}

#[test]
fn a_key_that_is_too_short_or_of_another_kind_is_told_what_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = for_localhost(&folder);
    let key = folder.path().join("KEY");
    for arguments in [
        "genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:1024",
        "genpkey -algorithm ed448",
    ] {
        openssl(arguments, &[("-out", &key)]);
        let error = printed(&Identity::load(&certificate, &key).unwrap_err());
        assert_eq!(
            error.replace(&key.display().to_string(), "KEY"),
            NOT_ACCEPTED
        );
    }
}

#[test]
fn an_encrypted_key_of_either_style_is_told_how_to_decrypt() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = for_localhost(&folder);
    let key = folder.path().join("KEY");
    for style in ["", "-traditional "] {
        let arguments = format!("genrsa {style}-aes128 -passout pass:secret");
        openssl(&arguments, &[("-out", &key)]);
        let error = Identity::load(&certificate, &key).unwrap_err();
        assert!(
            matches!(error, IdentityError::EncryptedKey { .. }),
            "{error}"
        );
    }
}

#[test]
fn a_chain_in_the_wrong_order_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let (root, key) = (Issuing::root("root"), key());
    let leaf = root.sign(&server(&["localhost"]), &key).pem();
    let certificate = file(&folder, "certificate.pem", &(root.pem + &leaf));
    let key = file(&folder, "key.pem", &key.serialize_pem());
    let error = Identity::load(&certificate, &key).unwrap_err();
    assert!(matches!(error, IdentityError::ChainOrder(_, 2)), "{error}");
}

#[test]
fn certificates_and_keys_of_every_form_load_as_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let pin = |certificate: &Path, key: &Path| Identity::load(certificate, key).unwrap().pin();
    for arguments in ["ecparam -name secp384r1 -genkey", "genpkey -algorithm RSA"] {
        let (key, certificate) = (path("key"), path("certificate"));
        openssl(arguments, &[("-out", &key)]);
        openssl(
            "req -x509 -days 2 -subj /CN=server -addext subjectAltName=DNS:localhost",
            &[("-key", &key), ("-out", &certificate)],
        );
        let expected = pin(&certificate, &key);
        // PKCS #8 and, for want of a label, whatever the DER says.
        let ders = [path("certificate.der"), path("key.der")];
        openssl(
            "x509 -outform der",
            &[("-in", &certificate), ("-out", &ders[0])],
        );
        openssl("pkey -outform der", &[("-in", &key), ("-out", &ders[1])]);
        assert_eq!(pin(&ders[0], &ders[1]), expected);
        // Exports carry attributes, and text in front.
        let (bundle, bag) = (path("bundle"), path("bag"));
        openssl(
            "pkcs12 -export -passout pass:abcd",
            &[("-in", &certificate), ("-inkey", &key), ("-out", &bundle)],
        );
        openssl(
            "pkcs12 -noenc -passin pass:abcd",
            &[("-in", &bundle), ("-out", &bag)],
        );
        assert!(fs::read_to_string(&bag).unwrap().contains("Bag Attributes"));
        assert_eq!(pin(&bag, &bag), expected);
        for rewrite in [with_mark, in_utf16] {
            let [certificate, key] = [&certificate, &key].map(|from| {
                let to = from.with_extension("rewritten");
                fs::write(&to, rewrite(&fs::read_to_string(from).unwrap())).unwrap();
                to
            });
            assert_eq!(pin(&certificate, &key), expected);
        }
    }
}

/// As Windows' editors write it.
fn with_mark(text: &str) -> Vec<u8> {
    format!("\u{feff}{}", text.replace('\n', "\r\n")).into_bytes()
}

/// As PowerShell's `>` writes it.
fn in_utf16(text: &str) -> Vec<u8> {
    let text = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn every_certificate_counts_where_files_with_marks_were_joined() {
    let folder = tempfile::tempdir().unwrap();
    let root = Issuing::root("root");
    let leaf = root.sign(&server(&["localhost"]), &key()).pem();
    let joined = file(
        &folder,
        "joined",
        &format!("\u{feff}{leaf}\u{feff}{}", root.pem),
    );
    assert_eq!(read_chain(&joined).unwrap().len(), 2);
}

#[test]
fn a_file_of_another_form_is_told_with_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let certificate = for_localhost(&folder);
    let key = file(&folder, "key", &key().serialize_pem());
    let (other, public) = (path("FILE"), path("PUBLIC"));
    let told = |certificate: &Path, key: &Path| {
        let error = printed(&Identity::load(certificate, key).unwrap_err());
        error.replace(&format!("{}/", folder.path().display()), "")
    };
    for (arguments, reason) in [
        ("x509 -trustout -in CERT", "FILE is a TRUSTED CERTIFICATE"),
        ("crl2pkcs7 -nocrl -certfile CERT", "FILE is PKCS #7; take"),
        (
            "crl2pkcs7 -nocrl -outform der -certfile CERT",
            "FILE is PKCS #7; take",
        ),
        (
            "pkcs12 -export -nokeys -passout pass:abcd -in CERT",
            "FILE is PKCS #12; take",
        ),
        (
            "req -new -subj /CN=a -key KEY",
            "FILE is a certificate request",
        ),
    ] {
        let arguments = arguments.replace("CERT", &certificate.display().to_string());
        let arguments = arguments.replace("KEY", &key.display().to_string());
        openssl(&arguments, &[("-out", &other)]);
        let told = told(&other, &key);
        assert!(told.starts_with(reason), "{told}");
    }
    openssl("pkey -pubout", &[("-in", &key), ("-out", &public)]);
    let a_public_key = "PUBLIC is a public key, but the private one is needed";
    assert_eq!(told(&certificate, &public), a_public_key);
    let ssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    let ssh = file(&folder, "SSH", ssh);
    let told_of_ssh = told(&certificate, &ssh);
    assert!(
        told_of_ssh.starts_with("SSH is an OpenSSH key; write it as PEM"),
        "{told_of_ssh}"
    );
    for style in ["", "-v1 PBE-SHA1-3DES "] {
        let arguments = format!("pkcs8 -topk8 -passout pass:abcd -outform der {style}");
        openssl(&arguments, &[("-in", &key), ("-out", &other)]);
        let told = told(&certificate, &other);
        assert!(told.starts_with("the key in FILE is encrypted"), "{told}");
    }
}

#[test]
fn a_certificate_of_version_1_is_not_told_as_another_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let key = file(&folder, "key", &key().serialize_pem());
    openssl(
        "req -new -subj /CN=a",
        &[("-key", &key), ("-out", &path("request"))],
    );
    openssl(
        "x509 -req",
        &[
            ("-in", &path("request")),
            ("-signkey", &key),
            ("-out", &path("certificate")),
        ],
    );
    let error = Identity::load(&path("certificate"), &key).unwrap_err();
    assert!(matches!(error, IdentityError::Version(_, 1)), "{error}");
}

#[test]
fn a_file_that_is_not_what_it_should_be_is_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let key = key();
    let certificate = server(&["localhost"]).self_signed(&key).unwrap().pem();
    let key = key.serialize_pem();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let broken_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old_style = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
                     DEK-Info: AES-128-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n";
    let no_base64 = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    let no_certificate = "there is no certificate in CERT";
    let bad_certificate = "cannot use the certificate in CERT: not a well-formed X.509 certificate";
    let bad_pem = "CERT is no valid PEM file (damaged between BEGIN and END?)";
    let bad_key_pem = "KEY is no valid PEM file (damaged between BEGIN and END?)";
    let no_key = "there is no private key in KEY";
    let is_encrypted =
        "the key in KEY is encrypted; decrypt it first, for instance with openssl pkey";
    let (good, good_key) = (&*certificate, &*key);
    for (certificate, key, reason) in [
        (good_key, good_key, no_certificate),
        ("\x30\x03\x02\x01\x01", good_key, no_certificate),
        (broken, good_key, bad_certificate),
        (&(certificate.clone() + broken), good_key, bad_certificate),
        ("-----BEGIN CERTIFICATE-----\nAAAA", good_key, bad_pem),
        (no_base64, good_key, bad_pem),
        (good, good, no_key),
        (good, broken_key, NOT_ACCEPTED),
        (good, encrypted, is_encrypted),
        (good, old_style, is_encrypted),
        (good, "-----BEGIN PRIVATE KEY-----\n?", bad_key_pem),
    ] {
        let certificate = file(&folder, "CERT", certificate);
        let key = file(&folder, "KEY", key);
        let error = printed(&Identity::load(&certificate, &key).unwrap_err());
        assert_eq!(
            error.replace(&format!("{}/", folder.path().display()), ""),
            reason
        );
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let missing = Path::new("/nonexistent/certificate.pem");
    let error = Identity::load(missing, missing).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read /nonexistent/certificate.pem"
    );
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.starts_with("No such file"), "{cause}");
}

fn for_localhost(folder: &tempfile::TempDir) -> PathBuf {
    let (pem, _) = self_signed(&server(&["localhost"]));
    file(folder, "certificate.pem", &pem)
}
