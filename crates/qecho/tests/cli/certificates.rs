//! Certificates that are not qecho's own, good and bad.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rcgen::{Issuer, date_time_ymd};

use crate::env::TestEnv;

/// The files of a certificate authority and of a server that it vouches for.
pub(crate) struct Files {
    pub(crate) ca: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Files {
    /// Returns the options by which a server shows this certificate.
    pub(crate) fn options(&self) -> String {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        format!("--cert {certificate} --key {key}")
    }
}

/// Whether a certificate may be used today.
pub(crate) enum Validity {
    Now,
    Expired,
}

/// Makes a certificate for one name, signed by an authority made for it.
pub(crate) fn certificate_for(env: &TestEnv, name: &str, validity: &Validity) -> Files {
    let (ca_key, key) = (key(), key());
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority
        .distinguished_name
        .push(DnType::CommonName, "somebody's CA");
    let ca = authority
        .self_signed(&ca_key)
        .expect("a root signs itself")
        .pem();
    let mut leaf = CertificateParams::new([name.to_owned()]).expect("it is a name");
    leaf.distinguished_name.push(DnType::CommonName, "server");
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.not_before = date_time_ymd(2020, 1, 1);
    leaf.not_after = match validity {
        Validity::Now => date_time_ymd(2100, 1, 1),
        Validity::Expired => date_time_ymd(2020, 2, 1),
    };
    let issuer = Issuer::new(authority, ca_key);
    let certificate = leaf
        .signed_by(&key, &issuer)
        .expect("an authority signs")
        .pem();
    Files {
        ca: env.file("ca.pem", &ca),
        certificate: env.file("certificate.pem", &certificate),
        key: env.file("key.pem", &key.serialize_pem()),
    }
}

pub(crate) fn key() -> KeyPair {
    KeyPair::generate().expect("a key can be made")
}
