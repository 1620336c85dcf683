//! `qecho cert renew`.

use std::{io, time::SystemTime};

use anyhow::anyhow;
use qecho_cert::{Authority, AuthorityError, RenewableCertificate, RenewalKey, folder, read_chain};

use super::{explain, new, open, root_folder};
use crate::{
    args::{RenewArguments, RootArgument, RootArguments},
    exit::{ExitStatus, Failure},
    stderr::say,
};

/// Makes a certificate anew.
pub(super) fn run(arguments: &RenewArguments) -> Result<ExitStatus, Failure> {
    let old = RenewableCertificate::load(&arguments.file, arguments.key_file.as_deref())
        .map_err(|error| anyhow::Error::new(error).context("cannot renew the certificate"))?;
    let authority = match &arguments.root {
        Some(_) => open(&RootArguments {
            choice: arguments.root.clone(),
        })?,
        None => signer(&old)?,
    };
    let life = match arguments.life.days.is_some() || arguments.life.short_lived {
        true => Some(new::validity(&arguments.life)),
        false => None,
    };
    let key = match arguments.keep_key {
        true => RenewalKey::Reuse,
        false => RenewalKey::New,
    };
    let owner = folder::owner(&folder::process_variable);
    let files = old.files().clone();
    let pin = old.details().pin;
    let issued = old
        .renew(&authority, key, life, owner.as_deref(), SystemTime::now())
        .map_err(|error| new::explain_issue(&authority, error))?;
    new::write(&files, &issued, |kind| {
        let may_not = kind == io::ErrorKind::PermissionDenied;
        may_not.then_some("it is made anew where it is: whoever may write there can do it")
    })?;
    if key == RenewalKey::New {
        say(format_args!("the key is new: {pin} is no longer its pin"));
    }
    let replaced = (key == RenewalKey::New).then_some(pin);
    new::report(&authority, &issued, &files, replaced, arguments.format)
}

/// Finds the CA of this machine that signed a certificate.
fn signer(old: &RenewableCertificate) -> Result<Authority, Failure> {
    for choice in [None, Some(RootArgument::Mkcert)] {
        let root = RootArguments { choice };
        let Ok(folder) = root_folder(&root) else {
            continue;
        };
        let Ok(chain) = read_chain(&folder.join("rootCA.pem")) else {
            continue;
        };
        if old.is_signed_by(&chain[0]) {
            return match Authority::open(&folder, SystemTime::now()) {
                Ok(authority) => Ok(authority),
                Err(error @ AuthorityError::Expired { .. }) => {
                    Err(explain(&root, error).hint("sign by another CA with --ca-root DIR"))
                }
                Err(error) => Err(explain(&root, error)),
            };
        }
    }
    let issuer = &old.details().issuer;
    Err(Failure::from(anyhow!(
        "no CA of this machine has signed the certificate (its issuer is {issuer})"
    ))
    .hint("name the folder of the one that shall by --ca-root DIR, or `qecho cert new` makes another certificate"))
}
