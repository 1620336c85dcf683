//! Authorities on this machine that are trusted for loopback names.

use std::path::PathBuf;

use rustls_pki_types::CertificateDer;

use crate::authority::Authority;
use crate::folder::{self, Environment};

/// An authority that is trusted for loopback names and for no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAuthority {
    pub(super) name: String,
    pub(super) source: CertificateSource,
}

/// Location of an authority's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CertificateSource {
    /// This folder or file, if it is there.
    Path(PathBuf),
    Memory(CertificateDer<'static>),
}

impl LocalAuthority {
    /// Names an authority (such as `mkcert`) and its folder, in which `rootCA.pem` is
    /// looked for, or its PEM file. It need not exist.
    pub fn at(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            source: CertificateSource::Path(path.into()),
        }
    }

    /// Names an authority that this program has opened or made.
    pub fn in_memory(name: impl Into<String>, authority: &Authority) -> Self {
        let certificate = authority.certificate_der().clone();
        Self {
            name: name.into(),
            source: CertificateSource::Memory(certificate),
        }
    }

    /// Returns the authorities that this machine may have: qecho's (that of the automatic
    /// leaf and that of `qecho cert`) and mkcert's.
    pub fn of_this_machine(variables: Environment<'_>) -> Vec<Self> {
        let places = [
            ("qecho", folder::data_folder(variables)),
            ("qecho cert", folder::user_authority_folder(variables)),
            ("mkcert", folder::mkcert_folder(variables)),
        ];
        let known = |(name, folder): (&str, Option<PathBuf>)| Some(Self::at(name, folder?));
        places.into_iter().filter_map(known).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_three_places_for_an_authority() {
        let variables = |name: &str| match name {
            "QECHO_HOME" => Some("/q".into()),
            "CAROOT" => Some("/ca".into()),
            _ => None,
        };
        let places = [
            LocalAuthority::at("qecho", "/q"),
            LocalAuthority::at("qecho cert", "/q/ca"),
            LocalAuthority::at("mkcert", "/ca"),
        ];
        assert_eq!(LocalAuthority::of_this_machine(&variables), places);
        assert_eq!(LocalAuthority::of_this_machine(&|_| None), []);
    }
}
