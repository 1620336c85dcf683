//! Trust and identity of a client, from what was typed.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use qecho_cert::{Identity, LocalAuthority, TrustSettings, TrustVerifier, folder};

use crate::args::DialArguments;

/// Makes the verifier that decides about the server's certificate.
pub(super) fn verifier(arguments: &DialArguments) -> anyhow::Result<Arc<TrustVerifier>> {
    let local = LocalAuthority::of_this_machine(&folder::process_variable);
    let settings = TrustSettings::default()
        .with_ca_files(arguments.ca.clone())
        .with_pin(arguments.pin)
        .with_insecure(arguments.insecure)
        .with_local_authorities(local);
    TrustVerifier::new(settings).context("cannot decide whom to trust")
}

/// Loads what the client shows to a server that asks for a certificate.
pub(super) fn identity(
    certificate: Option<&Path>,
    key: Option<&Path>,
) -> anyhow::Result<Option<Arc<Identity>>> {
    let (Some(certificate), Some(key)) = (certificate, key) else {
        return Ok(None);
    };
    let identity = Identity::load(certificate, key).context("cannot use this certificate")?;
    Ok(Some(Arc::new(identity)))
}

/// Returns the name of the anchor that has verified the server, once one has.
pub(super) fn anchor(verifier: &TrustVerifier) -> String {
    let anchor = verifier.verified_by();
    anchor.map_or_else(String::new, |anchor| anchor.to_string())
}
