//! Whom the client trusts, from what was typed.

use std::sync::Arc;

use anyhow::Context;
use qecho_cert::{LocalAuthority, TrustSettings, TrustVerifier, folder};

use crate::args::TrustArguments;

/// Makes the verifier that decides about the server's certificate.
pub(super) fn verifier(arguments: &TrustArguments) -> anyhow::Result<Arc<TrustVerifier>> {
    TrustVerifier::new(TrustSettings {
        ca_files: arguments.ca.clone(),
        pin: arguments.pin,
        insecure: arguments.insecure,
        local_authorities: LocalAuthority::of_this_machine(&folder::process_variable),
    })
    .context("cannot decide whom to trust")
}
