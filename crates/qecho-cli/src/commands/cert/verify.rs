//! `qecho cert verify`.

use std::time::SystemTime;

use anyhow::{Context, anyhow};
use qecho_cert::{CertificateDetails, RejectionReason, read_chain};
use rustls::pki_types::ServerName;

use super::{super::show, verifier};
use crate::{
    args::VerifyArguments,
    exit::{ExitStatus, Failure},
    render::cert::{JudgedCertificate, Verdict},
};

/// Says whether a client on this machine accepts a certificate for a host.
pub(super) fn run(arguments: &VerifyArguments) -> Result<ExitStatus, Failure> {
    let VerifyArguments { file, host, .. } = arguments;
    let name = ServerName::try_from(host.as_str())
        .map_err(|_| anyhow!("`{host}` is no host name or IP address"))?;
    let chain = read_chain(file)
        .map_err(|error| anyhow::Error::new(error).context("cannot verify the certificate"))?;
    let details = CertificateDetails::of(&chain[0])
        .with_context(|| format!("cannot use the certificate in {}", file.display()))?;
    let outcome = verifier(&arguments.ca)?.verify_chain(&chain, &name, SystemTime::now());
    let verdict = Verdict {
        name: host.clone(),
        outcome: match &outcome {
            Ok(anchor) => Ok(anchor.to_string()),
            Err(failure) => Err(failure.to_string()),
        },
    };
    let judged = JudgedCertificate {
        verdict: &verdict,
        details: &details,
    };
    show(&judged, arguments.format)?;
    let Err(failure) = outcome else {
        return Ok(ExitStatus::Done);
    };
    let refused = Failure::negative(anyhow!(
        "{} is refused for {host}: {failure}",
        file.display()
    ));
    Err(match failure.reason() {
        RejectionReason::UntrustedIssuer { .. } | RejectionReason::IssuerKeyDiffers { .. } => {
            refused.hint(
                "name its CA by --ca FILE, or have this machine trust it by `qecho cert install`",
            )
        }
        _ => refused,
    })
}
