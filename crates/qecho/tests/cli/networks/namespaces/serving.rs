//! Servers and relays in a network, and the certificates that they show.

use std::fs;

use super::{Network, Place};
use crate::{
    certificates::{Validity, certificate_for},
    cmd::Cmd,
    networks::{Scenario, Vouched},
};

/// Settings of caddy.
const CADDYFILE: &str = "{
 admin off
 auto_https off
}
https://:4433 {
 bind 198.51.100.2
 tls cert.pem key.pem
 respond hello
}
";

/// Waits until somebody has the port.
const AWAIT: &str = r#"
    until ss -Hlun 'sport = :4433' | grep -q 198.51.100.2; do sleep 0.1; done
"#;

impl Network {
    /// Starts the servers.
    pub(super) fn serve(&mut self, scenario: &Scenario) {
        self.certify(scenario.vouched);
        let mut places = vec!["198.51.100.4:4433"];
        match scenario.stack {
            "" => places
                .push("198.51.100.2:4433 --listen 198.51.100.3:4433 --listen [2001:db8:2::2]:4433"),
            other => self.start_stack(other),
        }
        for places in places {
            let arguments = scenario.server;
            let typed = format!(
                "server --format json --listen {places} --cert cert.pem --key key.pem {arguments}"
            );
            let mut command = self.command(Place::Server, env!("CARGO_BIN_EXE_qecho"));
            command.args(typed.split_whitespace());
            self.servers.push(self.env.await_server(Cmd::new(command)));
        }
        for role in scenario.beside {
            self.starts(role);
        }
    }

    /// Starts what answers plain datagrams on port 5000.
    pub(in crate::networks) fn answer_plainly(&mut self) {
        for place in [
            "198.51.100.2",
            "198.51.100.3",
            "198.51.100.4",
            "2001:db8:2::2",
        ] {
            self.starts(&format!("far {place} 5000"));
        }
    }

    /// Makes the servers' certificate.
    fn certify(&mut self, vouched: Vouched) {
        let made = "cert new server.test both.test four.test six.test three.test 198.51.100.2 203.0.113.1 \
                    --cert-file cert.pem --key-file key.pem";
        self.env.qecho(made).ok();
        if vouched == Vouched::Well {
            return;
        }
        let validity = match vouched {
            Vouched::UntilLongAgo => Validity::Expired,
            _ => Validity::Now,
        };
        let files = certificate_for(&self.env, "server.test", &validity);
        for (from, to) in [(&files.certificate, "cert.pem"), (&files.key, "key.pem")] {
            fs::rename(from, self.env.home().join(to)).expect("the folder takes files");
        }
        self.trusted = (vouched == Vouched::UntilLongAgo).then_some(files.ca);
    }

    /// Starts relays on the router's address 203.0.113.1, one of them for plain datagrams.
    pub(super) fn relay(&mut self, conditions: &str) {
        for port in [4433, 5000] {
            let mut command = self.command(Place::Router, env!("CARGO_BIN_EXE_qecho"));
            let (from, to) = ("203.0.113.1", "198.51.100.2");
            let relay = format!("relay --format json --listen {from}:{port} --to {to}:{port}");
            command.args(relay.split_whitespace());
            command.args(conditions.split_whitespace());
            self.servers.push(self.env.await_server(Cmd::new(command)));
        }
    }

    /// Starts another stack's server, and waits until it has its port.
    fn start_stack(&mut self, typed: &str) {
        self.env.file("home/Caddyfile", CADDYFILE);
        let mut words = typed.split_whitespace();
        let program = words.next().expect("a program is named");
        let mut command = self.command(Place::Server, program);
        command.args(words);
        self.running.push(Cmd::new(command).start());
        self.script(Place::Server, AWAIT, &[]);
    }
}
