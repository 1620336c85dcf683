//! Servers with keys that hardly anybody has: a server in the test's own process shows them,
//! for which OpenSSL signs.

use std::{path::PathBuf, process::Command, sync::Arc};

use qecho_cert::read_chain;
use qecho_echo::server::Echo;
use qecho_io::ServerConfig;
use rustls::{
    Error, SignatureAlgorithm, SignatureScheme,
    server::{ClientHello, ResolvesServerCert},
    sign::{CertifiedKey, Signer, SigningKey},
};

use crate::env::TestEnv;

/// A key file, with which OpenSSL signs as RSA-PSS demands, and its certificate.
#[derive(Clone, Debug)]
struct RsaKey {
    path: PathBuf,
    certificate: PathBuf,
}

impl RsaKey {
    fn made_by(env: &TestEnv, arguments: &str) -> Self {
        let key = Self {
            path: env.path("rsa-key.pem"),
            certificate: env.path("rsa.pem"),
        };
        let openssl = |arguments: &str, input: Option<&PathBuf>, out: &PathBuf| {
            let mut command = Command::new("openssl");
            command.args(arguments.split(' '));
            if let Some(input) = input {
                command.arg("-key").arg(input);
            }
            let output = command.arg("-out").arg(out).output();
            let output = output.expect("OpenSSL is there: `cargo xtask setup`");
            assert!(output.status.success(), "{output:?}");
        };
        openssl(arguments, None, &key.path);
        openssl(
            "req -x509 -days 9 -subj /CN=unusual -addext subjectAltName=IP:127.0.0.1",
            Some(&key.path),
            &key.certificate,
        );
        key
    }

    /// Runs commands against a server with the key; `@` in them is its address.
    fn serve(&self, env: &TestEnv) -> impl Fn(&str) -> crate::cmd::Output {
        let chain = read_chain(&self.certificate).expect("it was made");
        let shown = CertifiedKey::new(chain, Arc::new(self.clone()));
        let server = ServerConfig::new(Arc::new(Shown(Arc::new(shown))))
            .start(|_| Echo::default())
            .expect("loopback has free ports");
        move |command| {
            let address = server.addresses()[0].to_string();
            env.qecho(command.replace('@', &address)).run()
        }
    }
}

#[test]
fn the_certificate_of_a_small_key_is_shown_though_nothing_it_signs_can_be_checked() {
    let env = TestEnv::new();
    let key = RsaKey::made_by(&env, "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024");
    let ask = key.serve(&env);
    let small = "the certificate's key is RSA of 1024 bits; accepted are";
    let shown = ask("cert show @");
    shown
        .exits(0)
        .complains(&format!("warning: cannot trust {}", "127.0.0.1:"));
    shown.complains(small).prints("key          RSA 1024\n");
    assert_eq!(
        ask("cert show @ --format json").events()[0]["key_type"],
        "RSA 1024"
    );
    for command in [
        "client @ -m a",
        "client @ -m a --insecure",
        "ping @ -n 1 --insecure",
    ] {
        let hint = "so --insecure and --pin do not help";
        ask(command).exits(1).complains(small).complains(hint);
    }
}

#[test]
fn a_server_with_an_rsa_pss_key_is_reached_by_its_pin_or_without_trust() {
    let env = TestEnv::new();
    let key = RsaKey::made_by(
        &env,
        "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048",
    );
    let ask = key.serve(&env);
    let shown = ask("cert show @");
    shown.exits(0).prints("key          RSA-PSS 2048\n");
    let pin = ask("cert show @ --format json").events()[0]["spki_sha256"].clone();
    let pin = pin.as_str().expect("it is a text");
    ask(&format!("client @ -m hello --pin sha256:{pin}")).exits(0);
    ask("client @ -m hello --insecure").exits(0);
    ask("bench @ -d 100ms --insecure").exits(0);
    let authority = key.certificate.display().to_string();
    let refused = ask(&format!("client @ -m hello --ca {authority}"));
    refused
        .exits(1)
        .complains(&format!("with --pin sha256:{pin}"));
}

#[test]
fn a_certificate_with_a_malformed_extension_is_shown_as_far_as_it_can_be_read() {
    let env = TestEnv::new();
    for (extension, name) in [
        ("subjectAltName=DER:3003020101", "subject alternative names"),
        ("extendedKeyUsage=DER:0500", "extended key usage"),
    ] {
        let mut command = Command::new("openssl");
        let make = "req -x509 -newkey ed25519 -nodes -subj /CN=odd -keyout key -out odd.pem";
        command.args(make.split(' ')).args(["-addext", extension]);
        let output = command.current_dir(env.home()).output();
        let output = output.expect("OpenSSL is there: `cargo xtask setup`");
        assert!(output.status.success(), "{output:?}");
        let shown = env.qecho("cert show odd.pem").ok();
        shown.prints("subject      CN=odd\n");
        shown.prints(&format!("malformed    {name}\n"));
        let json = env.qecho("cert show odd.pem --format json").ok();
        assert_eq!(json.events()[0]["malformed"][0], name);
        // It is trusted no more than before.
        let verified = env.qecho("cert verify odd.pem localhost").run();
        verified
            .exits(2)
            .complains("cannot use the certificate in odd.pem");
    }
}

/// A server that shows what it has.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

impl SigningKey for RsaKey {
    fn choose_scheme(&self, _offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(self.clone()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

impl Signer for RsaKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let path = folder.path().join("message");
        std::fs::write(&path, message).expect("the folder takes files");
        let mut command = Command::new("openssl");
        command.args(["dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss"]);
        command.args(["-sigopt", "rsa_pss_saltlen:32", "-sign"]);
        let output = command.arg(&self.path).arg(&path).output();
        let output = output.expect("OpenSSL is there: `cargo xtask setup`");
        assert!(output.status.success(), "{output:?}");
        Ok(output.stdout)
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::RSA_PSS_SHA256
    }
}
