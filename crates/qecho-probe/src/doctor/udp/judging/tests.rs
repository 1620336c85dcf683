use super::*;
use crate::doctor::Door;

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

fn seen(tried: Vec<Tried>) -> PortResults {
    PortResults {
        host: "example.com".into(),
        door: Door::new(WEB_PORT, None, true),
        tried,
        others: Vec::new(),
        is_announced: None,
        is_tls_old: false,
    }
}

fn causes(seen: &PortResults) -> Vec<Cause> {
    judge(seen).iter().map(|finding| finding.cause).collect()
}

fn refused_by(from: IcmpSender) -> Reply {
    Reply::Unreachable(from, Unreachable::Port)
}

const UNKNOWN: IcmpSender = IcmpSender::Unknown;

#[test]
fn each_reply_of_the_only_address_has_its_cause() {
    let from = SocketAddr::new(FIRST.parse().expect("an address"), 1);
    let not_sent = |why| Reply::NotSent(why, "no".into());
    for (reply, expected) in [
        (Reply::Quic, None),
        (not_sent(SendFailure::Forbidden), Some(Cause::UdpFiltered)),
        (not_sent(SendFailure::NoRoute), Some(Cause::NoRoute)),
        (not_sent(SendFailure::Other), Some(Cause::LocalDrops)),
        (Reply::Elsewhere(from), Some(Cause::AnswersElsewhere)),
        (Reply::Junk(3), Some(Cause::NotQuic)),
        (
            Reply::TooLarge(UNKNOWN, Some(1_000)),
            Some(Cause::RouteTooSmall),
        ),
        (Reply::Silent, Some(Cause::UdpFiltered)),
    ] {
        let seen = seen(vec![tried(FIRST, reply)]);
        assert_eq!(causes(&seen), Vec::from_iter(expected), "{seen:?}");
    }
}

const HERE: IcmpSender = IcmpSender::ThisHost;

/// Returns the host that was asked, and a router, as senders of ICMP.
fn itself_and_router() -> (IcmpSender, IcmpSender) {
    let ip = |address: &str| address.parse().expect("an address");
    (
        IcmpSender::Target(ip(FIRST)),
        IcmpSender::Other(ip("203.0.113.7")),
    )
}

/// Checks the cause that an ICMP message has, and words of its sentence.
#[track_caller]
fn is_named(from: IcmpSender, why: Unreachable, tcp: TcpAnswer, expected: (Cause, &str)) {
    let mut one = tried(FIRST, Reply::Unreachable(from, why));
    (one.tcp, one.web) = (Some(TcpAnswer::Silent), Some(tcp));
    let findings = judge(&seen(vec![one]));
    assert_eq!(findings[0].cause, expected.0, "{findings:?}");
    assert!(findings[0].sentence.contains(expected.1), "{findings:?}");
}

#[test]
fn each_icmp_message_that_refuses_has_its_cause_and_words_by_its_sender() {
    use Unreachable::{Host, Network, Other, Port, Prohibited, Protocol};
    let (itself, router) = itself_and_router();
    let own = "This host's own firewall";
    for (from, why, words) in [
        (router, Prohibited, "203.0.113.7 forbids UDP"),
        (itself, Prohibited, "The firewall of 192.0.2.1 forbids UDP"),
        (HERE, Prohibited, own),
        (HERE, Port, own),
        (router, Protocol, "UDP is not taken there"),
        (router, Other(12, 0), "ICMP type 12, code 0"),
        // TCP gets there.
        (router, Host, "203.0.113.7 refuses UDP"),
        (router, Network, "says that there is no route"),
    ] {
        let expected = (Cause::UdpFiltered, words);
        is_named(from, why, TcpAnswer::Refused, expected);
    }
    for (from, words) in [
        (router, "203.0.113.7, a router"),
        (itself, "192.0.2.1 says that nobody"),
        (UNKNOWN, "ICMP says that nobody"),
    ] {
        is_named(from, Port, TcpAnswer::Silent, (Cause::UdpRefused, words));
    }
}

#[test]
fn each_icmp_message_of_a_way_that_ends_has_its_words_by_its_sender() {
    use Unreachable::{HopLimit, Host, Network, Scope};
    let (_, router) = itself_and_router();
    for (from, why, words) in [
        (
            HERE,
            Host,
            "Nobody on this host's link answers for 192.0.2.1",
        ),
        (
            router,
            Host,
            "203.0.113.7 says that the host is unreachable",
        ),
        (router, Network, "203.0.113.7 says that there is no route"),
        (router, HopLimit, "go in a circle, until 203.0.113.7"),
        (router, Scope, "valid on its own link"),
    ] {
        let expected = (Cause::HostUnreachable, words);
        is_named(from, why, TcpAnswer::Silent, expected);
    }
}

#[test]
fn a_sender_of_icmp_is_compared_with_both_ends() {
    let ip = |address: &str| address.parse::<IpAddr>().expect("an address");
    let (target, source) = (ip(FIRST), Some(ip("192.0.2.9")));
    for (from, source, expected) in [
        (None, source, UNKNOWN),
        (Some(FIRST), source, IcmpSender::Target(target)),
        (Some("::ffff:192.0.2.1"), source, IcmpSender::Target(target)),
        (Some(FIRST), Some(target), IcmpSender::Target(target)),
        (Some("192.0.2.9"), source, IcmpSender::ThisHost),
        (Some("192.0.2.9"), None, IcmpSender::Other(ip("192.0.2.9"))),
        (
            Some("192.0.2.8"),
            source,
            IcmpSender::Other(ip("192.0.2.8")),
        ),
    ] {
        assert_eq!(IcmpSender::new(from.map(ip), target, source), expected);
    }
}

#[test]
fn only_another_one_than_the_host_is_sure_to_refuse_its_port() {
    let other = IcmpSender::Other("192.0.2.77".parse().expect("an address"));
    for (from, is_sure) in [(UNKNOWN, false), (other, true)] {
        let findings = judge(&seen(vec![tried(FIRST, refused_by(from))]));
        assert_eq!(findings[0].or_else.is_none(), is_sure, "{findings:?}");
    }
}

#[test]
fn what_was_not_the_same_twice_is_no_cause() {
    let no_room = Reply::NotSent(SendFailure::Other, "no room".into());
    for again in [None, Some(Reply::Junk(1)), Some(no_room), Some(Reply::Quic)] {
        let mut one = tried(FIRST, Reply::Silent);
        one.again = again;
        let seen = seen(vec![one]);
        assert!(causes(&seen).is_empty(), "{seen:?}");
    }
}

#[test]
fn silence_before_or_after_an_icmp_message_is_no_contradiction_as_their_rate_is_limited() {
    let prohibited = Reply::Unreachable(UNKNOWN, Unreachable::Prohibited);
    for (one, other, expected) in [
        (Reply::Silent, refused_by(UNKNOWN), Cause::UdpRefused),
        (refused_by(UNKNOWN), Reply::Silent, Cause::UdpRefused),
        (prohibited.clone(), Reply::Silent, Cause::UdpFiltered),
        (
            Reply::Silent,
            Reply::TooLarge(UNKNOWN, None),
            Cause::RouteTooSmall,
        ),
        (prohibited, refused_by(UNKNOWN), Cause::UdpRefused),
    ] {
        let mut first = tried(FIRST, one);
        first.again = Some(other);
        assert_eq!(causes(&seen(vec![first])), [expected]);
    }
}

#[test]
fn a_web_server_without_http_3_explains_silence_only_where_nobody_chose_the_port() {
    for (is_chosen, is_announced, reply, expected) in [
        (false, Some(false), Reply::Silent, Cause::H3NotAnnounced),
        (
            false,
            Some(false),
            refused_by(UNKNOWN),
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
                (FIRST, refused_by(UNKNOWN)),
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
