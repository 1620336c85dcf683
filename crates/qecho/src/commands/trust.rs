//! Trust and identity of a client, from what was typed.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use qecho_cert::{Identity, LocalAuthority, TrustSettings, TrustVerifier, folder};

use crate::args::DialArguments;

/// Makes the verifier that decides about the server's certificate.
pub(super) fn verifier(arguments: &DialArguments) -> anyhow::Result<Arc<TrustVerifier>> {
    TrustVerifier::new(TrustSettings {
        ca_files: arguments.ca.clone(),
        pin: arguments.pin,
        insecure: arguments.insecure,
        local_authorities: LocalAuthority::of_this_machine(&folder::process_variable),
    })
    .context("cannot decide whom to trust")
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
