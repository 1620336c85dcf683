use super::*;
use crate::doctor::{Door, world::Unreachable};

const FIRST: &str = "192.0.2.1";

fn tried(address: &str, reply: Reply) -> Tried {
    Tried {
        address: SocketAddr::new(address.parse().expect("an address"), WEB_PORT),
        again: (reply != Reply::Quic).then(|| reply.clone()),
        reply,
        tcp: None,
        web: None,
    }
}

fn seen(tried: Vec<Tried>) -> Seen {
    Seen {
        host: "example.com".into(),
        door: Door::new(WEB_PORT, None, true),
        tried,
        others: Vec::new(),
        is_announced: None,
        is_tls_old: false,
    }
}

fn causes(seen: &Seen) -> Vec<Cause> {
    judge(seen).iter().map(|finding| finding.cause).collect()
}

#[test]
fn each_reply_of_the_only_address_has_its_cause() {
    let from = SocketAddr::new(FIRST.parse().expect("an address"), 1);
    for (reply, expected) in [
        (Reply::Quic, None),
        (Reply::Refused(None), Some(Cause::UdpRefused)),
        (Reply::Prohibited(None), Some(Cause::UdpFiltered)),
        (
            Reply::Unreachable(None, Unreachable::Host),
            Some(Cause::UdpFiltered),
        ),
        (Reply::Forbidden("no".into()), Some(Cause::UdpFiltered)),
        (Reply::NotSent("no".into()), Some(Cause::LocalDrops)),
        (Reply::Elsewhere(from), Some(Cause::AnswersElsewhere)),
        (Reply::Junk(3), Some(Cause::NotQuic)),
        (Reply::Silent, Some(Cause::UdpFiltered)),
    ] {
        let seen = seen(vec![tried(FIRST, reply)]);
        assert_eq!(causes(&seen), Vec::from_iter(expected), "{seen:?}");
    }
}

#[test]
fn whoever_refuses_the_port_is_told_from_the_host_itself() {
    for (from, words, is_sure) in [
        (None, "ICMP says that nobody listens", false),
        (Some(FIRST), "192.0.2.1 says that nobody listens", false),
        (Some("192.0.2.77"), "192.0.2.77, a router or firewall", true),
    ] {
        let from = from.map(|from| from.parse().expect("an address"));
        let findings = judge(&seen(vec![tried(FIRST, Reply::Refused(from))]));
        assert_eq!(findings[0].cause, Cause::UdpRefused);
        assert!(findings[0].sentence.contains(words), "{findings:?}");
        assert_eq!(findings[0].or_else.is_none(), is_sure, "{findings:?}");
    }
}

#[test]
fn what_was_not_the_same_twice_is_no_cause() {
    for again in [None, Some(Reply::Refused(None)), Some(Reply::Quic)] {
        let mut one = tried(FIRST, Reply::Silent);
        one.again = again;
        let seen = seen(vec![one]);
        assert!(causes(&seen).is_empty(), "{seen:?}");
    }
}

#[test]
fn a_web_server_without_http_3_explains_silence_only_where_nobody_chose_the_port() {
    for (is_chosen, is_announced, reply, expected) in [
        (false, Some(false), Reply::Silent, Cause::H3NotAnnounced),
        (
            false,
            Some(false),
            Reply::Refused(None),
            Cause::H3NotAnnounced,
        ),
        (false, Some(true), Reply::Silent, Cause::UdpFiltered),
        (false, None, Reply::Silent, Cause::UdpFiltered),
        (true, Some(false), Reply::Silent, Cause::UdpFiltered),
        (false, Some(false), Reply::Junk(2), Cause::NotQuic),
    ] {
        let mut seen = seen(vec![tried(FIRST, reply)]);
        seen.door.is_chosen = is_chosen;
        seen.is_announced = is_announced;
        assert_eq!(causes(&seen), [expected], "{seen:?}");
    }
}

#[test]
fn a_web_server_that_cannot_be_asked_has_promised_nothing() {
    for (tcp, is_chosen, expected) in [
        (TcpAnswer::Open, false, Cause::H3NotAnnounced),
        (TcpAnswer::Open, true, Cause::UdpFiltered),
        (TcpAnswer::Refused, false, Cause::UdpFiltered),
        (TcpAnswer::Silent, false, Cause::UdpFiltered),
    ] {
        let mut one = tried(FIRST, Reply::Silent);
        one.tcp = Some(tcp);
        let mut seen = seen(vec![one]);
        seen.door.is_chosen = is_chosen;
        let findings = judge(&seen);
        assert_eq!(findings[0].cause, expected, "{seen:?}");
        let other = findings[0].or_else.as_ref().map(|it| it.0);
        assert_ne!(other, None, "{findings:?}");
        assert!(!findings[0].sentence.contains("offers no HTTP/3"));
    }
}

#[test]
fn addresses_beside_others_that_work_are_dead_and_whole_families_broken() {
    let (quic, silent) = (|| Reply::Quic, || Reply::Silent);
    for (addresses, expected) in [
        (vec![(FIRST, quic()), ("192.0.2.2", quic())], vec![]),
        (
            vec![(FIRST, quic()), ("192.0.2.2", silent())],
            vec![Cause::AddressDead],
        ),
        (
            vec![(FIRST, quic()), ("2001:db8::1", silent())],
            vec![Cause::FamilyBroken],
        ),
        (
            vec![(FIRST, silent()), ("2001:db8::1", quic())],
            vec![Cause::FamilyBroken],
        ),
        (
            vec![
                (FIRST, quic()),
                ("2001:db8::1", silent()),
                ("2001:db8::2", quic()),
            ],
            vec![Cause::AddressDead],
        ),
        (
            vec![
                (FIRST, Reply::Refused(None)),
                ("2001:db8::1", silent()),
                ("2001:db8::2", silent()),
            ],
            vec![Cause::UdpRefused],
        ),
    ] {
        let addresses = addresses.into_iter();
        let seen = seen(
            addresses
                .map(|(address, reply)| tried(address, reply))
                .collect(),
        );
        assert_eq!(causes(&seen), expected, "{seen:?}");
    }
}

#[test]
fn silence_is_called_as_surely_as_it_is_known() {
    for (tcp, words) in [
        (TcpAnswer::Open, "answers on TCP port"),
        (TcpAnswer::Refused, "is there"),
        (TcpAnswer::Silent, "its host is down"),
    ] {
        let mut one = tried(FIRST, Reply::Silent);
        one.tcp = Some(tcp);
        let findings = judge(&seen(vec![one]));
        assert!(findings[0].sentence.contains(words), "{findings:?}");
        assert_eq!(
            findings[0].or_else.as_ref().map(|it| it.0),
            Some(Cause::UdpRefused)
        );
    }
}

#[test]
fn a_host_without_any_route_is_told_so() {
    let unroutable = [(FIRST.parse().expect("an address"), "unreachable".into())];
    let finding = no_route("example.com", &unroutable);
    assert_eq!(finding.cause, Cause::NoRoute);
    assert_eq!(finding.evidence, ["192.0.2.1: unreachable"]);
}
