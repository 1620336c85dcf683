//! Keys of CAs and servers in the forms that OpenSSL writes.

use std::fs;

use super::{cert_in, folder, openssl_does, openssl_in, openssl_verifies};
use crate::env::TestEnv;

/// Arguments of OpenSSL that write a key to `rootCA-key.pem`.
const EVERY_FORM: [&str; 8] = [
    "ecparam -name prime256v1 -genkey -out rootCA-key.pem",
    "ecparam -name secp521r1 -genkey -noout -out rootCA-key.pem",
    "genrsa -traditional -out rootCA-key.pem 2048",
    "genrsa -out rootCA-key.pem 2048",
    "genpkey -algorithm ed25519 -out rootCA-key.pem",
    "ec -outform der -in sec1.pem -out rootCA-key.pem",
    "rsa -traditional -outform der -in pkcs1.pem -out rootCA-key.pem",
    "pkey -outform der -in sec1.pem -out rootCA-key.pem",
];

#[test]
fn a_ca_signs_whatever_the_form_of_its_key_is() {
    let env = TestEnv::new();
    let place = folder(&env, "place");
    openssl_does(&place, "ecparam -name secp384r1 -genkey -out sec1.pem");
    openssl_does(&place, "genrsa -traditional -out pkcs1.pem 2048");
    for arguments in EVERY_FORM {
        openssl_does(&place, arguments);
        openssl_does(
            &place,
            "req -x509 -days 30 -subj /CN=ours -key rootCA-key.pem -out rootCA.pem",
        );
        cert_in(
            &env,
            &place,
            &["new", "a.test", "--days", "9", "--ca-root", "."],
        )
        .ok();
        openssl_verifies(&place, &place.join("rootCA.pem"), "a.test.pem");
    }
}

#[test]
fn a_key_of_a_ca_that_cannot_be_used_is_told_with_the_reason() {
    let env = TestEnv::new();
    let place = folder(&env, "place");
    openssl_does(
        &place,
        "req -x509 -newkey ed25519 -nodes -subj /CN=ours -keyout other.pem -out rootCA.pem",
    );
    for (arguments, reason) in [
        (
            "genrsa -aes128 -passout pass:abcd -out rootCA-key.pem 2048",
            "is encrypted; decrypt",
        ),
        (
            "genrsa -traditional -aes128 -passout pass:abcd -out rootCA-key.pem 2048",
            "is encrypted; decrypt",
        ),
        (
            "pkcs8 -topk8 -outform der -passout pass:abcd -in other.pem -out rootCA-key.pem",
            "is encrypted; decrypt",
        ),
        (
            "genrsa -out rootCA-key.pem 1024",
            "is of a kind or size that is not accepted",
        ),
        (
            "genpkey -algorithm ed448 -out rootCA-key.pem",
            "is of a kind or size that is not accepted",
        ),
        (
            "pkey -pubout -in other.pem -out rootCA-key.pem",
            "is a public key",
        ),
    ] {
        openssl_does(&place, arguments);
        let done = cert_in(&env, &place, &["new", "a.test", "--ca-root", "."]).run();
        done.fails(2, reason, None).complains("rootCA-key.pem");
    }
}

#[test]
fn a_key_that_is_kept_is_written_as_what_its_label_says() {
    let env = TestEnv::new();
    let place = folder(&env, "place");
    cert_in(&env, &place, &["ca", "new", "--ca-root", "."]).ok();
    for make in [
        "ecparam -name prime256v1 -genkey -out a.test-key.pem",
        "genrsa -traditional -out a.test-key.pem 2048",
    ] {
        openssl_does(&place, make);
        openssl_does(
            &place,
            "req -new -subj /CN=a.test -key a.test-key.pem -out request",
        );
        fs::write(place.join("names"), "subjectAltName=DNS:a.test\n").expect("it takes files");
        openssl_does(
            &place,
            "x509 -req -days 9 -in request -CA rootCA.pem -CAkey rootCA-key.pem -set_serial 2 \
             -extfile names -out a.test.pem",
        );
        let before = openssl_in(&place, "pkey -pubout -in a.test-key.pem");
        cert_in(
            &env,
            &place,
            &["renew", "a.test.pem", "--ca-root", ".", "--keep-key"],
        )
        .ok();
        assert_eq!(
            openssl_in(&place, "pkey -pubout -in a.test-key.pem"),
            before
        );
        openssl_verifies(&place, &place.join("rootCA.pem"), "a.test.pem");
        let pkcs8 = "pkcs8 -topk8 -nocrypt -inform pem -in a.test-key.pem -outform der -out der";
        openssl_does(&place, pkcs8);
        let strict = openssl_in(&place, "asn1parse -in a.test-key.pem");
        assert!(
            strict.1.contains("OBJECT"),
            "it names its algorithm: {}",
            strict.1
        );
    }
}
