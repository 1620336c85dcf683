//! `qecho cert ca`.

use anyhow::{Context, anyhow};
use qecho_cert::{
    Authority, AuthorityOrigin, CertificateDetails, NameConstraints, PermittedSubtrees,
    store::SystemStore,
};

use super::{open, open_or_create};
use crate::{
    args::{AuthorityNewArguments, AuthorityShowArguments, Format, RootArgument},
    exit::{ExitStatus, Failure},
    render,
    stderr::say,
};

/// Makes the CA, unless there is one.
pub(super) fn make(arguments: &AuthorityNewArguments) -> Result<ExitStatus, Failure> {
    if arguments.root.choice == Some(RootArgument::Mkcert) {
        return Err(Failure::from(anyhow!("mkcert's CA is for mkcert to make"))
            .hint("name a folder of your own by --ca-root DIR"));
    }
    let constraints = match &arguments.name_constraints {
        Some(limits) => NameConstraints::Permitted(limits.clone()),
        None => NameConstraints::Unconstrained,
    };
    let (authority, origin) = open_or_create(&arguments.root, &constraints)?;
    if origin == AuthorityOrigin::Existing {
        let path = authority.certificate_path().unwrap_or("memory".as_ref());
        return Err(Failure::from(anyhow!(
            "there is a CA already, and it is not replaced: {}",
            path.display()
        ))
        .hint("make another in a folder of its own by --ca-root DIR"));
    }
    if arguments
        .name_constraints
        .as_ref()
        .is_some_and(PermittedSubtrees::has_ranges)
    {
        say(
            "clients that verify with BoringSSL, such as quiche's, refuse certificates with \
             IP addresses from this CA: BoringSSL cannot check address ranges",
        );
    }
    describe(&authority, arguments.format)
}

/// Shows the CA.
pub(super) fn show(arguments: &AuthorityShowArguments) -> Result<ExitStatus, Failure> {
    describe(&open(&arguments.root)?, arguments.format)
}

fn describe(authority: &Authority, format: Format) -> Result<ExitStatus, Failure> {
    let details = CertificateDetails::of(authority.certificate_der())
        .context("cannot read the CA's certificate")?;
    let shown = render::cert::ShownAuthority {
        path: authority.certificate_path(),
        details: &details,
        installed: SystemStore::detect(&|path| path.is_dir())
            .and_then(|system| system.trusts(authority.certificate_der())),
    };
    super::super::show(&shown, format)?;
    Ok(ExitStatus::Done)
}
