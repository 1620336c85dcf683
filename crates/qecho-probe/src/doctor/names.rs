//! The rung of names: addresses, and what the web server announces.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use serde_json::json;

use super::{Cause, Finding, Rung, RungReport, RungResult, ladder::Climb};

/// The port of web servers.
pub(super) const WEB_PORT: u16 = 443;
/// Addresses at which a web server is asked.
const ASKED_MAX: usize = 2;

/// Announced ports that are tried, and announced places elsewhere that are told: a web server is
/// not to decide how long that takes.
const PLACES_MAX: usize = 2;
/// Bytes of an announced host and port: a name has 253 at most.
const AUTHORITY_BYTES_MAX: usize = 253 + ":65535".len();

/// Where a web server says that HTTP/3 is (RFC 7838).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Announced {
    /// Ports of the same host.
    pub(crate) ports: Vec<u16>,
    /// Other hosts, with their ports.
    pub(crate) elsewhere: Vec<String>,
    /// Whether there are more than are kept.
    has_more: bool,
}

/// Reason for which a web server does not tell what it announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotAnnounced {
    /// Whether it speaks older versions of TLS than 1.3 only.
    pub(crate) is_tls_old: bool,
    words: String,
}

impl Announced {
    /// Reads the values of Alt-Svc fields; what is malformed announces nothing.
    pub(crate) fn read(values: &[String]) -> Self {
        let mut announced = Self::default();
        let services = values.iter().flat_map(|value| services(value));
        for authority in services.filter_map(|service| authority_of_h3(service)) {
            let is_odd = authority.len() > AUTHORITY_BYTES_MAX;
            if is_odd || !authority.bytes().all(|byte| byte.is_ascii_graphic()) {
                continue;
            }
            let is_more = match authority.rsplit_once(':') {
                Some(("", port)) => match port.parse() {
                    Ok(port @ 1..) => keep(&mut announced.ports, port),
                    _ => false,
                },
                Some(_) => keep(&mut announced.elsewhere, authority.into()),
                None => false,
            };
            announced.has_more |= is_more;
        }
        announced
    }

    /// Tells whether HTTP/3 is announced anywhere.
    pub(crate) fn is_any(&self) -> bool {
        !self.ports.is_empty() || !self.elsewhere.is_empty()
    }

    /// Lists the places, for people.
    fn places(&self) -> String {
        let own = self.ports.iter().map(|port| format!("UDP port {port}"));
        let more = self.has_more.then(|| "other places".to_owned());
        let all = own.chain(self.elsewhere.iter().cloned()).chain(more);
        all.collect::<Vec<_>>().join(", ")
    }
}

/// Keeps a place that is new, as long as there is room; tells whether there was none.
fn keep<T: PartialEq>(places: &mut Vec<T>, place: T) -> bool {
    if places.contains(&place) {
        return false;
    }
    let has_room = places.len() < PLACES_MAX;
    if has_room {
        places.push(place);
    }
    !has_room
}

/// Splits a value at the commas that are not within quotation marks.
fn services(value: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    value.split(move |character| {
        is_quoted ^= character == '"';
        character == ',' && !is_quoted
    })
}

/// Returns the host and port of a service, if it is HTTP/3.
fn authority_of_h3(service: &str) -> Option<&str> {
    let rest = service.trim().strip_prefix("h3=\"")?;
    rest.split_once('"').map(|(authority, _)| authority)
}

/// Climbs the rung.
pub(crate) fn climb(climb: &mut Climb<'_>) -> RungReport {
    let mut report = RungReport::new(Rung::Names, RungResult::Passed);
    let Some(target) = climb.target else {
        return report;
    };
    let addresses = target.addresses.clone();
    if let Some(finding) = judge(&target.host, &addresses) {
        report.result = RungResult::Failed;
        report.say(format!("{} has no address", target.host));
        climb.report.findings.push(finding);
        return report;
    }
    let addresses = addresses.unwrap_or_default();
    let is_name = target.host.parse::<IpAddr>().is_err();
    let listed: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
    report.fact("addresses", listed.clone());
    match is_name {
        true => report.say(format!("{} has {}", target.host, listed.join(", "))),
        false => report.say(format!("{} is an address", target.host)),
    }
    let tried = climb.addresses().len();
    if tried < addresses.len() {
        let untried = format!("addresses of {} beyond the first {tried}", target.host);
        climb.report.untried.push(untried);
    }
    for (address, why) in &climb.unroutable {
        let untried = format!("{address}, to which this host has no route ({why})");
        climb.report.untried.push(untried);
    }
    if climb.doors().iter().all(|door| !door.is_chosen) {
        ask(climb, &mut report);
    }
    report
}

/// Asks the web server for what it announces.
fn ask(climb: &mut Climb<'_>, report: &mut RungReport) {
    let Some(target) = climb.target else {
        return;
    };
    let addresses: Vec<_> = climb.routes.iter().map(|(address, _)| *address).collect();
    for address in addresses.into_iter().take(ASKED_MAX) {
        climb.tries("what the web server announces");
        let remote = SocketAddr::new(address, WEB_PORT);
        let patience = climb.options.patience;
        let values = climb
            .world
            .alternative_services(remote, &target.server_name, patience);
        let is_answered = values.is_ok();
        let announced = values.map(|values| Announced::read(&values));
        climb.announced = Some(announced.map_err(|error| NotAnnounced {
            is_tls_old: error.kind() == io::ErrorKind::Unsupported,
            words: match error.kind() {
                io::ErrorKind::ConnectionRefused => {
                    format!("nobody listens on TCP port {WEB_PORT}")
                }
                io::ErrorKind::TimedOut => "no answer".into(),
                _ => error.to_string(),
            },
        }));
        if is_answered || climb.world.is_stopped() {
            break;
        }
    }
    let line = match &climb.announced {
        Some(Ok(announced)) if announced.is_any() => {
            format!("the web server announces HTTP/3 on {}", announced.places())
        }
        Some(Ok(_)) => "the web server answers by TCP and announces no HTTP/3".into(),
        Some(Err(why)) if why.is_tls_old => {
            let untried = "what the web server announces, as it takes no TLS 1.3: if it is HTTP/3, \
                           name its port";
            climb.report.untried.push(untried.into());
            "untried: the web server takes no TLS 1.3 from here, without which this program cannot \
             ask it for HTTP/3"
                .into()
        }
        Some(Err(why)) => format!("no web server tells whether there is HTTP/3: {}", why.words),
        None => return,
    };
    report.say(line);
    let ports = climb.announced.as_ref().and_then(|it| it.as_ref().ok());
    report.fact("h3_ports", json!(ports.map(|it| it.ports.clone())));
}

fn judge(host: &str, addresses: &Result<Vec<IpAddr>, String>) -> Option<Finding> {
    let why = match addresses {
        Ok(addresses) if !addresses.is_empty() => return None,
        Ok(_) => "the system knows no address of it".into(),
        Err(why) => why.clone(),
    };
    let sentence = format!("The name {host} has no address.");
    let advice = "Check how the name is written, and which resolver this host asks.";
    Some(Finding::new(Cause::NoAddress, sentence, advice).with_evidence([why]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_addresses_is_said_to_have_none() {
        let causes = |addresses| judge("example.com", &addresses).map(|finding| finding.cause);
        assert_eq!(causes(Err("no such host".into())), Some(Cause::NoAddress));
        assert_eq!(causes(Ok(Vec::new())), Some(Cause::NoAddress));
        assert_eq!(causes(Ok(vec![IpAddr::from([192, 0, 2, 1])])), None);
    }

    #[test]
    fn a_web_server_that_announces_thousands_of_places_does_not_have_them_all_tried() {
        let places = (1..=9_000).map(|port| format!("h3=\":{port}\", h3=\"a{port}.test:443\""));
        let announced = Announced::read(&[places.collect::<Vec<_>>().join(", ")]);
        assert_eq!(announced.ports, [1, 2]);
        assert_eq!(announced.elsewhere, ["a1.test:443", "a2.test:443"]);
        assert!(announced.has_more);
        let long = format!("h3=\"{}:443\"", "a".repeat(300));
        assert!(!Announced::read(&[long]).is_any());
    }

    #[test]
    fn ports_of_http_3_are_found_among_what_a_web_server_announces() {
        for (value, ports, elsewhere) in [
            ("h3=\":443\"; ma=86400", &[443][..], &[][..]),
            (
                "h2=\":443\", h3=\":8443\"; ma=1, h3-29=\":443\"",
                &[8_443],
                &[],
            ),
            (
                "h3=\"a.example:443\", h3=\":443\"",
                &[443],
                &["a.example:443"],
            ),
            ("clear", &[], &[]),
            ("h2=\"a,h3=b:1\"", &[], &[]),
            ("h3=\":99999\", h3=\":\", h3=\"", &[], &[]),
            ("h3=\":0\", h3=\"a\u{7}b:1\"", &[], &[]),
            (
                "h3=\":443\", h3=\":9\", h3=\":443\", h3=\":10\"",
                &[443, 9],
                &[],
            ),
            ("", &[], &[]),
        ] {
            let announced = Announced::read(&[value.into()]);
            assert_eq!(announced.ports, ports, "{value}");
            assert_eq!(announced.elsewhere, elsewhere, "{value}");
            assert_eq!(
                announced.is_any(),
                !ports.is_empty() || !elsewhere.is_empty()
            );
        }
    }
}
