//! Networks of a test's own between real programs: each is sick in one way, or healthy and ugly.
//!
//! Every test shows that its network does what its name says, by plain datagrams and by commands of
//! qecho, so that whoever is to find out what is wrong there can be tried on it.

mod namespaces;
mod sick;
mod ugly;

use self::namespaces::Network;

/// A network, and how to see that it is one.
struct Scenario {
    /// Name for people.
    name: &'static str,
    /// Rules of nftables for what passes the router.
    forward: &'static str,
    /// What the router is to do, as a shell script.
    router: &'static str,
    /// The same for the client's host.
    client: &'static str,
    /// Arguments of the `qecho server` in it.
    server: &'static str,
    /// Command line of another stack's server, which takes the place of it at 198.51.100.2.
    stack: &'static str,
    /// Who vouches for the server.
    vouched: Vouched,
    /// Roles of `datagrams.py` that other programs have on the server's host.
    beside: &'static [&'static str],
    /// Conditions of a `qecho relay` at 203.0.113.1, if there is one.
    relay: &'static str,
    /// The server, as who looks for a cause names it.
    target: &'static str,
    /// What else is to be typed for that.
    arguments: &'static str,
    /// Name of the cause that is to be found there, if anything is wrong.
    cause: Option<&'static str>,
    /// Shows that it does what its name says.
    shows: fn(&mut Network),
}

/// How the server's certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vouched {
    /// Good, and of a CA that the client trusts.
    Well,
    /// Of such a CA, and it was good until 2020.
    UntilLongAgo,
    /// Good, and of a CA that the client does not know.
    ByAStranger,
}

/// A network in which nothing is wrong.
const WELL: Scenario = Scenario {
    name: "all is well",
    forward: "",
    router: "",
    client: "",
    server: "",
    stack: "",
    vouched: Vouched::Well,
    beside: &[],
    relay: "",
    target: "server.test",
    arguments: "",
    cause: None,
    shows: |network| {
        let told = network.near("198.51.100.2 5000 --count 3 --size 1400 --answer 1400");
        assert_eq!(told.answered, [0, 1, 2], "{told:?}");
        assert_eq!((told.up, told.down), (vec![2; 3], vec![2; 3]));
        let told = network.near("2001:db8:2::2 5000 --count 3");
        assert_eq!(told.answered, [0, 1, 2], "{told:?}");
        network.answers("server.test");
    },
};

/// Makes a test of each scenario, and a list of all.
macro_rules! scenarios {
    ($($test:ident: $scenario:expr,)*) => {
        /// The networks of this page.
        pub(in crate::networks) const ALL: &[crate::networks::Scenario] = &[$($scenario,)*];

        $(
            #[test]
            fn $test() {
                let scenario: crate::networks::Scenario = $scenario;
                let mut network = crate::networks::namespaces::Network::new(&scenario);
                network.answer_plainly();
                (scenario.shows)(&mut network);
            }
        )*

        /// `qecho doctor` in each of them.
        mod verdicts {
            #[allow(unused_imports, reason = "each page names other things")]
            use super::*;

            $(
                #[test]
                fn $test() {
                    let scenario: crate::networks::Scenario = $scenario;
                    let network = crate::networks::namespaces::Network::new(&scenario);
                    network.is_diagnosed(&scenario);
                }
            )*
        }
    };
}
use scenarios;

#[test]
fn each_network_has_a_name_of_its_own_and_a_cause_that_there_is() {
    let sick = || {
        let sick = sick::ALL.iter().chain(sick::ENDS).chain(sick::MOVED);
        sick.chain(sick::RELAYED).chain(sick::UNREACHED)
    };
    let all = || sick().chain(ugly::ALL);
    let mut names: Vec<_> = all().map(|scenario| scenario.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all().count());
    assert!(sick().all(|scenario| scenario.cause.is_some()));
    assert!(ugly::ALL.iter().all(|scenario| scenario.cause.is_none()));
    let known: Vec<_> = qecho_probe::doctor::Cause::ALL
        .iter()
        .map(|cause| cause.name())
        .collect();
    for scenario in all() {
        let is_known = namespaces::HOSTS.contains(scenario.target);
        let is_router = scenario.target == namespaces::ROUTER_ADDRESS;
        let is_asked_for = scenario.beside.contains(&namespaces::NAMES);
        assert!(is_known || is_router || is_asked_for, "{}", scenario.name);
        let is_patient = scenario.arguments == "--nat";
        assert_eq!(is_patient, scenario.cause == Some("nat-forgets"));
    }
    for cause in all().filter_map(|scenario| scenario.cause) {
        assert!(known.contains(&cause), "{cause}");
    }
}
