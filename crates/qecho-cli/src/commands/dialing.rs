//! Words and hints for connections that did not come about.

use std::net::{Ipv6Addr, SocketAddr};

use anyhow::{Error, anyhow};
use qecho_cert::{HostPort, TrustVerifier};
use qecho_echo::dial::{Alpn, DialFailure, Silence};
use qecho_packet::{
    close::{self, CloseReason},
    text,
};

use crate::exit::Failure;

/// Finds the words for a failure, and what to do.
pub(super) fn explain(
    server: &HostPort,
    alpn: &Alpn,
    verifier: &TrustVerifier,
    shows_certificate: bool,
    failure: &DialFailure,
) -> (Error, Option<String>) {
    let cannot = |reason: &dyn std::fmt::Display| anyhow!("cannot connect to {server}: {reason}");
    match failure.most_telling() {
        DialFailure::Unreachable { .. } => {
            let routes = "check the address, and this host's route there, its MTU and its firewall";
            let hint = port_hint(&server.host).unwrap_or_else(|| routes.into());
            (cannot(failure), Some(hint))
        }
        DialFailure::NobodyListens { .. } => (cannot(failure), Some(is_running(server))),
        DialFailure::NoAnswer {
            address, silence, ..
        } => (
            cannot(failure),
            Some(silence_hint(server, *address, *silence)),
        ),
        DialFailure::Handshake { reason, .. } => {
            if let Some(distrust) = verifier.failure()
                && matches!(reason, CloseReason::Violation { .. })
            {
                let error = anyhow!("cannot trust {server}: {distrust}");
                return (error, Some(distrust.hint()));
            }
            let hint = match reason.transport_code() {
                Some(close::NO_APPLICATION_PROTOCOL) => Some(alpn_hint(alpn)),
                _ if refused_hint(reason, shows_certificate).is_some() => {
                    refused_hint(reason, shows_certificate)
                }
                Some(close::CRYPTO_BUFFER_EXCEEDED) => Some(
                    "certificates of more than 64 kB together do not fit into a handshake".into(),
                ),
                Some(close::CONNECTION_REFUSED | close::APPLICATION_ERROR) => {
                    Some("the server is full or shutting down; try again later".into())
                }
                _ => None,
            };
            (cannot(failure), hint)
        }
        _ => (cannot(failure), None),
    }
}

/// Finds what to do if an IPv6 address may have been meant as an address and a port.
fn port_hint(host: &str) -> Option<String> {
    host.parse::<Ipv6Addr>().ok()?;
    let (address, port) = host.rsplit_once(':')?;
    let (address, port) = (address.parse::<Ipv6Addr>().ok()?, port.parse::<u16>().ok()?);
    Some(format!(
        "{host} is an IPv6 address; a port goes behind brackets, as in [{address}]:{port}"
    ))
}

fn is_running(server: &HostPort) -> String {
    format!("is a server running there, on UDP port {}?", server.port)
}

/// Finds what to do if no handshake came about in time.
fn silence_hint(server: &HostPort, address: SocketAddr, silence: Silence) -> String {
    match silence {
        Silence::NotQuic => format!("is {} the right UDP port?", server.port),
        Silence::OnlyVersions => {
            "it may ignore clients without the protocol that it speaks (--alpn NAME), or whose \
             name or version is another"
                .into()
        }
        Silence::Begun => format!(
            "does the path to {} carry UDP payloads of 1,200 bytes and more, both ways?",
            address.ip()
        ),
        Silence::From(other) => format!(
            "connect to {other}, or let the server listen on {} itself",
            address.ip()
        ),
        _ => is_running(server),
    }
}

/// Finds what to do if the server has refused our certificate, or wanted one.
pub(super) fn refused_hint(reason: &CloseReason, shows_certificate: bool) -> Option<String> {
    let CloseReason::Peer { code, .. } = reason else {
        return None;
    };
    match (*code, shows_certificate) {
        (close::CERTIFICATE_REQUIRED, _) => Some(
            "the server lets in clients with a certificate alone; show one by --cert FILE --key FILE"
                .into(),
        ),
        (code, true) if close::CERTIFICATE_REFUSED.contains(&code) => {
            Some("show a certificate that the server's --client-ca has signed for clients".into())
        }
        _ => None,
    }
}

fn alpn_hint(alpn: &Alpn) -> String {
    match alpn {
        Alpn::Auto => "the server wants another protocol; name it by --alpn NAME".into(),
        Alpn::None => "the server wants a protocol to be named; try --alpn auto".into(),
        Alpn::Name(name) => format!(
            "the server does not agree to {}; try --alpn auto",
            text::name(&String::from_utf8_lossy(name))
        ),
    }
}

/// Returns the failure of a command without a certificate of its own.
pub(super) fn failure(
    server: &HostPort,
    alpn: &Alpn,
    verifier: &TrustVerifier,
    dial: &DialFailure,
) -> Failure {
    let (error, hint) = explain(server, alpn, verifier, false, dial);
    let failure = match dial {
        DialFailure::Impossible { .. } => Failure::from(error),
        _ => Failure::negative(error),
    };
    failure.maybe_hint(hint)
}
