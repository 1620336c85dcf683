//! A word about what is going to be sent to whom, before it is.

use qecho_echo::PORT;
use qecho_probe::doctor::{Options, Target};

use crate::{args::HTTPS, stderr::say};

/// Addresses that are named; of more it is said how many there are.
const ADDRESSES_NAMED_MAX: usize = 4;

/// Says what is sent, for how long, and to whom.
pub(super) fn announce(target: Option<&Target>, options: &Options) {
    match target {
        None => say("looking at this machine alone: nothing is sent to anybody"),
        Some(target) => say(words(target, options)),
    }
}

fn words(target: &Target, options: &Options) -> String {
    let (name, addresses) = (
        &target.host,
        target.addresses.as_deref().unwrap_or_default(),
    );
    if addresses.is_empty() {
        return format!("{name} has no address that this machine knows: nothing is sent to it");
    }
    let extent = match (options.is_quick, options.tries_silences) {
        (true, _) => "some 120 datagrams in 3 s",
        (_, true) => "a few hundred datagrams, with silences for several minutes,",
        _ => "a few hundred datagrams in 30 s",
    };
    let named = addresses.iter().take(ADDRESSES_NAMED_MAX);
    let mut places: Vec<_> = named.map(ToString::to_string).collect();
    if let more @ 1.. = addresses.len().saturating_sub(ADDRESSES_NAMED_MAX) {
        places.push(format!("{more} more"));
    }
    let places = match places[..] == [name.clone()] {
        true => String::new(),
        false => format!(" ({})", places.join(", ")),
    };
    let ports = match target.doors.first() {
        Some(door) if door.is_chosen => format!("UDP port {}", door.port),
        _ => format!("UDP ports {HTTPS} and {PORT}"),
    };
    format!("sending {extent} to {name}{places}, {ports}; TCP is tried beside them")
}

#[cfg(test)]
mod tests {
    use qecho_cert::{TrustSettings, TrustVerifier};
    use qecho_probe::doctor::Door;

    use super::*;

    fn said(host: &str, addresses: &[&str], is_chosen: bool, options: &Options) -> String {
        let settings = TrustSettings::default().with_insecure(true);
        let verifier = TrustVerifier::new(settings).expect("it trusts anybody");
        let addresses = addresses.iter().map(|text| text.parse().expect("address"));
        let doors = vec![Door::new(4433, None, is_chosen)];
        let addresses = Ok(addresses.collect());
        let target = Target::new(host, host, addresses, doors, verifier);
        words(&target, options)
    }

    #[test]
    fn it_is_said_how_much_is_sent_and_where_to() {
        let whole = Options::default();
        assert_eq!(
            said("a.test", &["192.0.2.1", "2001:db8::1"], false, &whole),
            "sending a few hundred datagrams in 30 s to a.test (192.0.2.1, 2001:db8::1), UDP ports 443 \
             and 4433; TCP is tried beside them"
        );
        let mut quick = Options::default();
        quick.is_quick = true;
        assert_eq!(
            said("192.0.2.1", &["192.0.2.1"], true, &quick),
            "sending some 120 datagrams in 3 s to 192.0.2.1, UDP port 4433; TCP is tried beside them"
        );
        let mut silences = Options::default();
        silences.tries_silences = true;
        let many = [
            "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6",
        ];
        let many = said("a.test", &many, false, &silences);
        assert!(many.contains("10.0.0.4, 2 more)"), "{many}");
        assert!(many.contains("silences"), "{many}");
        assert!(said("a.test", &[], false, &whole).contains("nothing is sent"));
    }
}
