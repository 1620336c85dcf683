//! `qecho cert show`.

use std::time::SystemTime;

use anyhow::Context;
use qecho_cert::{CertificateDetails, TrustVerifier, read_chain};
use rustls::pki_types::{CertificateDer, ServerName};

use super::{super::show, server, verifier};
use crate::{
    args::{ShowArguments, SubjectArgument},
    exit::{ExitStatus, Failure},
    render::{self, cert::Verdict},
};

/// More names than this of a certificate are not judged.
const NAMES_JUDGED_MAX: usize = 8;

/// Shows all that a certificate says, and whether this machine trusts it.
pub(super) fn run(arguments: &ShowArguments) -> Result<ExitStatus, Failure> {
    let (chain, called) = match &arguments.subject {
        SubjectArgument::File(path) => {
            let chain = read_chain(path)
                .map_err(|error| anyhow::Error::new(error).context("cannot show a certificate"))?;
            (chain, None)
        }
        SubjectArgument::Server(server) => {
            let chain = server::chain(server, &arguments.alpn, arguments.timeout)?;
            (chain, Some(server.name()))
        }
    };
    let all = chain
        .iter()
        .map(CertificateDetails::readable)
        .collect::<Result<Vec<_>, _>>()
        .context("cannot show a certificate")?;
    let leaf = &all[0];
    let names = match called {
        Some(name) => vec![name],
        None if leaf.is_authority => Vec::new(),
        None => leaf.callable_names().take(NAMES_JUDGED_MAX).collect(),
    };
    let verdicts = judge(&*verifier(&[])?, &chain, names);
    let now = SystemTime::now().into();
    for (position, details) in all.iter().enumerate() {
        let shown = render::cert::ShownCertificate {
            position,
            count: all.len(),
            details,
            verdicts: if position == 0 { &verdicts } else { &[] },
            now,
        };
        show(&shown, arguments.format)?;
    }
    Ok(ExitStatus::Done)
}

fn judge(
    verifier: &TrustVerifier,
    chain: &[CertificateDer<'_>],
    names: Vec<String>,
) -> Vec<Verdict> {
    let now = SystemTime::now();
    let judge = |name: String| {
        let host = ServerName::try_from(name.as_str()).ok()?;
        let outcome = verifier.verify_chain(chain, &host, now);
        Some(Verdict {
            outcome: match outcome {
                Ok(anchor) => Ok(anchor.to_string()),
                Err(failure) => Err(failure.to_string()),
            },
            name,
        })
    };
    names.into_iter().filter_map(judge).collect()
}
