//! Clients that are tested: one that a command starts, whoever comes, or all that choose by name.

use std::{
    cell::RefCell,
    io::{self, Write},
    net::IpAddr,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::SeqCst},
    time::{Duration, SystemTime},
};

use anyhow::{Context, anyhow};
use qecho_cert::Authority;
use qecho_echo::{PORT, dial::Alpn};
use qecho_io::{BindError, Listen};
use qecho_probe::{
    conform::{ClientProber, Event, Matrix, Outcome},
    visiting::{
        self, Caller, ClientCommand, NamedVisit, Places, ServerFor, VisitingClient, VisitorsByName,
    },
};
use qecho_terminal::prose::Prose;

use super::{Session, rows};
use crate::{
    args::{ConformArguments, Format},
    commands::{command_line, listen_hint, server::certificate::local_authority},
    exit::{ExitStatus, Failure},
    render::json,
    stderr::say,
};

/// Time in which a command must connect: some start a container first.
const ARRIVAL: Duration = Duration::from_secs(20);
/// Time for whoever comes by himself: a year.
const PATIENT: Duration = Duration::from_secs(365 * 24 * 3600);

impl Session<'_> {
    /// Tries the client of a command, or whoever comes.
    pub(super) fn judge_client(&self) -> Result<(Matrix, Option<Failure>), Failure> {
        let (arguments, stopping) = (self.arguments, self.stopping);
        let rows = rows(&self.selection.clone().with_crashing(true))?;
        let (server_for, ca) = served(arguments)?;
        let is_awaited = arguments.command.is_empty();
        let port = if is_awaited { PORT } else { 0 };
        let listen = arguments.listen.unwrap_or(Listen::Loopback { port });
        let client = VisitingClient::bind(listen, server_for, arguments.timeout, stopping.flag());
        let client = client.map_err(explain)?;
        let addresses = client.addresses();
        let place = listen.on_port(addresses[0].port());
        let words = command_line::of_words(arguments.command.iter().map(String::as_str));
        let command = Some(&*words).filter(|_| !is_awaited);
        say(visiting::announcement(command, rows.len(), &place, &ca));
        if is_awaited {
            let json =
                |out: &mut dyn Write| visiting::json_serving(&addresses, &ca, &json::now(), out);
            show(arguments.format, |_| Ok(()), json)?;
        }
        let alpn = match &arguments.dial.alpn {
            Alpn::Name(name) => &**name,
            _ => &[],
        };
        let places = Places::at(listen, &*ca, alpn);
        let invitation = ClientCommand::new(arguments.command.clone(), places);
        let has_place = invitation.has_place();
        let invitation = Rc::new(RefCell::new(invitation));
        let client = match is_awaited {
            true => client
                .with_arrival_timeout(PATIENT)
                .with_again(|| say(visiting::ANOTHER_VISIT)),
            false => client
                .with_arrival_timeout(ARRIVAL.max(arguments.timeout))
                .with_invitation(Rc::clone(&invitation)),
        };
        if !is_awaited && !has_place {
            say("warning: neither {host} nor {port} is in the command: where will it connect?");
        }
        let observer = client.observer();
        let prober = ClientProber::new(client);
        let total = rows.len();
        let mut tell = |event: &Event<'_>| match event {
            // That is said once, as the end of it all.
            Event::Lost { remaining, .. } if *remaining == total => true,
            event if is_awaited => {
                say(visiting::words_for_visitor(event));
                true
            }
            _ => false,
        };
        let target = (prober, observer);
        let report = self.try_rows(
            command.unwrap_or("the client"),
            &rows,
            target,
            "",
            &mut tell,
        )?;
        let is_lost = report.outcome() == Outcome::NothingReached && !stopping.is_stopped();
        let lost = report.lost.as_ref().filter(|_| is_lost);
        let failure = lost.map(|why| match invitation.borrow_mut().take_start_failure() {
            Some(_) => Failure::from(anyhow!("{why}"))
                .hint("the client and its arguments stand after --: -- CLIENT {host} {port}"),
            None => Failure::negative(anyhow!("no requirement was reached: {why}")).hint(format!(
                "the client has to connect to {place}, and to trust the CA in {ca}{}",
                offer_words(&arguments.dial.alpn)
            )),
        });
        Ok((Matrix::new(vec![report]), failure))
    }

    /// Serves clients that choose by name, until a signal comes.
    pub(super) fn serve_by_name(&self) -> Result<ExitStatus, Failure> {
        let (arguments, stopping) = (self.arguments, self.stopping);
        let rows = rows(&self.selection.clone().with_crashing(true))?;
        let (server_for, ca) = served(arguments)?;
        let listen = arguments.listen.unwrap_or(Listen::Loopback { port: PORT });
        let runner = self.runner("visitors");
        let is_stopped = stopping.flag();
        let visitors = VisitorsByName::bind(
            listen,
            rows,
            server_for,
            arguments.timeout,
            runner,
            Arc::clone(&is_stopped),
        );
        let visitors = visitors.map_err(explain)?;
        let addresses = visitors.addresses();
        let banner = visitors.announcement(&listen.on_port(addresses[0].port()), &ca);
        show(
            arguments.format,
            |out| writeln!(out, "{banner}"),
            |out| visiting::json_serving(&addresses, &ca, &json::now(), out),
        )?;
        let written = Mutex::new(Ok(()));
        let tell = |visit: NamedVisit| {
            let json = |out: &mut dyn Write| visit.json(&json::now(), out);
            if let Err(error) = show(arguments.format, |out| visit.text(out), json) {
                *written.lock().unwrap_or_else(PoisonError::into_inner) = Err(error);
                is_stopped.store(true, SeqCst);
            }
        };
        visitors.serve(&tell).context("cannot wait for packets")?;
        written
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)?;
        Ok(ExitStatus::Done)
    }
}

/// Writes to stdout in one form or the other.
pub(super) fn show(
    format: Format,
    text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    json: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match format {
        Format::Json => json(&mut out)?,
        Format::Text => {
            let mut out = Prose::new(&mut out);
            text(&mut out)?;
            out.flush()?;
        }
    }
    out.flush()
}

/// Returns how clients are served, and the path of the CA's file.
fn served(arguments: &ConformArguments) -> Result<(ServerFor, String), Failure> {
    let (authority, _) = local_authority()?;
    let path = authority.certificate_path();
    let ca = path.map_or_else(String::new, |path| path.display().to_string());
    let alpn = arguments.dial.alpn.clone();
    let address = match arguments.listen {
        Some(Listen::Address(address)) if !address.ip().is_unspecified() => Some(address.ip()),
        _ => None,
    };
    let is_signed = |ip: &IpAddr| {
        let issued = authority.issue_for_loopback(None, Some(*ip), SystemTime::now());
        issued.is_ok()
    };
    let signed = address.filter(is_signed);
    if let (Some(address), None) = (address, signed) {
        say(format_args!(
            "warning: the local CA may sign for localhost alone, not for {address}: let the client \
             ask for the server name localhost"
        ));
    }
    let serve = move |caller: &Caller, authority: &Authority| -> anyhow::Result<_> {
        let protocols = match &alpn {
            Alpn::Auto => caller.protocols.first().cloned().into_iter().collect(),
            Alpn::None => Vec::new(),
            Alpn::Name(name) => vec![name.clone()],
        };
        let name = caller.server_name.as_deref();
        let issued = authority.issue_for_loopback(name, signed, SystemTime::now())?;
        let chain = vec![issued.certificate().clone()];
        Ok(visiting::server(chain, &issued.key_der(), protocols)?)
    };
    let usual =
        serve(&Caller::default(), &authority).context("cannot make a certificate for localhost")?;
    // What could be signed once can be signed again, or clients refuse what is old.
    let server_for =
        move |caller: &Caller| serve(caller, &authority).unwrap_or_else(|_| usual.clone());
    Ok((Arc::new(server_for), ca))
}

/// Says what a client has to offer beside that.
fn offer_words(alpn: &Alpn) -> String {
    match alpn {
        Alpn::Auto => String::new(),
        Alpn::None => ", and to offer no protocol, as --alpn none agrees to none".into(),
        Alpn::Name(name) => {
            let name = String::from_utf8_lossy(name);
            format!(
                ", and to offer the protocol {}, or none",
                name.escape_debug()
            )
        }
    }
}

/// Refuses a command that asks for a protocol which nobody has named.
pub(super) fn check_protocol(arguments: &ConformArguments) -> Result<(), Failure> {
    let mut words = arguments.command.iter();
    let is_asked = words.any(|word| word.contains("{alpn}"));
    if is_asked && !matches!(arguments.dial.alpn, Alpn::Name(_)) {
        let error = anyhow!("{{alpn}} in the command stands for --alpn NAME, which is not given");
        return Err(Failure::from(error).hint("name the protocol of the client, as --alpn h3"));
    }
    Ok(())
}

fn explain(error: BindError) -> Failure {
    let hint = listen_hint(error.source.kind(), &[]);
    Failure::from(anyhow::Error::new(error)).maybe_hint(hint)
}
