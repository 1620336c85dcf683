//! Certificates that are not trusted: each is told in plain words, with one thing to do.

use qecho_cert::Pin;
use qecho_peer::{endpoint::ServerConfig, simulated::SimulatedServer};
use qecho_probe::doctor::Cause;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, KeyPair, NameConstraints, SanType, date_time_ymd,
};

use crate::{
    servers::{
        ADDRESS, TRUSTED, authority, chosen_door, config_of, config_with, examine, examine_target,
        good_config, good_params, one, target, verifier,
    },
    sick::has,
};

/// Returns the settings of a server whose certificate of the trusted CA is changed.
fn changed(change: impl FnOnce(&mut CertificateParams)) -> ServerConfig {
    let mut params = good_params();
    change(&mut params);
    config_of(&params)
}

fn of_unknown_authority() -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let signed = good_params().signed_by(&key, &authority("Unknown CA"));
    config_with(vec![signed.unwrap().der().clone()], &key)
}

fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let mut params = good_params();
    change(&mut params);
    config_with(vec![params.self_signed(&key).unwrap().der().clone()], &key)
}

/// Returns the settings of a server whose CA may sign for other names only.
fn of_constrained_authority() -> ServerConfig {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("example.org".into())],
        excluded_subtrees: Vec::new(),
    });
    let issuer = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &TRUSTED);
    let issuer = issuer.unwrap();
    let key = KeyPair::generate().unwrap();
    let own = good_params().signed_by(&key, &issuer).unwrap();
    let above: &rcgen::Certificate = issuer.as_ref();
    config_with(vec![own.der().clone(), above.der().clone()], &key)
}

/// Returns the settings of a server that does not hold the key of its certificate.
fn with_another_key() -> ServerConfig {
    let chain = good_config().tls.chain;
    config_with(chain, &KeyPair::generate().unwrap())
}

fn malformed() -> ServerConfig {
    config_with(
        vec![vec![0x30, 3, 2, 1, 1].into()],
        &KeyPair::generate().unwrap(),
    )
}

fn critical_extension(params: &mut CertificateParams) {
    let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4, 5], vec![5, 0]);
    extension.set_criticality(true);
    params.custom_extensions.push(extension);
}

/// Checks that a server is refused for what its certificate is, and what is said of it.
#[track_caller]
fn is_told(config: ServerConfig, why: &str, advice: &str) {
    let report = examine(&mut one(SimulatedServer::new(config)));
    has(&report, Cause::CertificateRefused);
    let verdict = report.verdict().unwrap();
    assert!(verdict.sentence.contains(why), "{why}: {verdict:?}");
    assert!(verdict.advice.contains(advice), "{why}: {verdict:?}");
}

#[test]
fn a_certificate_that_is_not_good_for_the_server_is_told_with_what_to_do() {
    let year = |year| date_time_ymd(year, 2, 1);
    let expired = changed(|it| it.not_after = year(2020));
    is_told(
        expired,
        "the certificate expired on 2020-02-01",
        "Check the clock",
    );
    let early = changed(|it| it.not_before = year(2090));
    is_told(early, "is not valid until 2090-02-01", "Check the clock");
    let other = SanType::DnsName("other.example".try_into().unwrap());
    let other = changed(|it| it.subject_alt_names = vec![other]);
    let why = "not valid for example.com (valid for other.example)";
    is_told(other, why, "Call the server by a name");
    let nameless = changed(|it| it.subject_alt_names.clear());
    is_told(
        nameless,
        "(valid for no name at all)",
        "Call the server by a name",
    );
    let of_client =
        changed(|it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    is_told(
        of_client,
        "not meant for a server",
        "Accept exactly this key",
    );
    let why = "a critical extension that is not understood";
    is_told(changed(critical_extension), why, "Ask whoever runs");
    is_told(
        malformed(),
        "the certificate is malformed",
        "Ask whoever runs",
    );
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_told_with_what_to_do() {
    let is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let why = "issuer is not trusted (CN=Unknown CA)";
    let advice = "Give the server's CA with --ca FILE";
    is_told(of_unknown_authority(), why, advice);
    let advice = "if that issuer is an intermediate CA, let the server show";
    is_told(of_unknown_authority(), why, advice);
    let why = "the certificate is self-signed";
    is_told(self_signed(|_| {}), why, "Accept exactly this key");
    is_told(
        self_signed(|it| it.is_ca = is_ca),
        why,
        "Accept exactly this key",
    );
    let why = "this is a CA's own certificate";
    is_told(
        changed(|it| it.is_ca = is_ca),
        why,
        "basicConstraints CA:FALSE",
    );
    let why = "issuer may not sign for its names (example.com)";
    is_told(of_constrained_authority(), why, "--ca FILE");
    let why = "did not prove that it holds the certificate's key";
    is_told(with_another_key(), why, "Somebody may be in between");
}

#[test]
fn a_pin_that_differs_is_told_with_the_one_that_the_server_has() {
    let config = good_config();
    let own = Pin::of_certificate(&config.tls.chain[0]).unwrap();
    let asked: Pin = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
    for (pin, cause) in [(asked, Some(Cause::CertificateRefused)), (own, None)] {
        let mut target = target(&[ADDRESS], vec![chosen_door()]);
        target.verifier = verifier(Some(pin));
        let mut world = one(SimulatedServer::new(config.clone()));
        let report = examine_target(&mut world, &target);
        assert_eq!(report.cause(), cause, "{report:#?}");
        if let Some(verdict) = report.verdict() {
            let words = format!("the server's key has pin {own}, but {asked} was asked for");
            assert!(verdict.sentence.contains(&words), "{verdict:?}");
            assert!(verdict.advice.contains(&own.to_string()), "{verdict:?}");
        }
    }
}
