//! Programs of other make that open a page: Chromium, which trusts what `qecho cert
//! install` has put into its store, curl and Python.

use std::{process::Stdio, time::Duration};

use super::{oracle, steal};
use crate::{
    cmd::{Cmd, Output, Process},
    env::{TestEnv, port},
};

/// A browser starts in a second, and in many on a machine that has much else to do.
const VISIT_LIMIT: Duration = Duration::from_secs(120);
/// The names under which systems have it; they behave the same here.
const BROWSERS: [&str; 3] = ["chromium", "google-chrome", "chromium-browser"];
/// First bytes of OpenSSL's page.
const PAGE: &str = "s_server -accept";
const NO_AUTHORITY: &str = "net::ERR_CERT_AUTHORITY_INVALID";

/// An HTTPS server of other make.
struct Website {
    port: u16,
    _server: Process,
}

impl Website {
    /// Serves a page with the certificate in `NAME.pem`.
    fn serve(env: &TestEnv, name: &str) -> Self {
        let mut command = env.command("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-www"]);
        command.args(["-cert", &format!("{name}.pem")]);
        command.args(["-key", &format!("{name}-key.pem")]);
        let server = Cmd::new(command).start();
        let line = server.stdout.line_with("ACCEPT ");
        Self {
            port: port(&line),
            _server: server,
        }
    }

    /// Lets curl load the page, trusting one CA.
    fn curl(&self, env: &TestEnv, name: &str) -> Output {
        let mut command = env.command("curl");
        command
            .args(["--silent", "--show-error", "--cacert", "qecho/rootCA.pem"])
            .args(["--noproxy", "*", "--resolve"])
            .arg(format!("{name}:{}:127.0.0.1", self.port))
            .arg(format!("https://{name}:{}/", self.port));
        Cmd::new(command).run()
    }

    /// Lets Python's `ssl` connect, trusting one CA.
    fn python(&self, env: &TestEnv, name: &str) -> Output {
        let mut command = env.command("python3");
        let script = "import socket, ssl, sys
context = ssl.create_default_context(cafile='qecho/rootCA.pem')
connection = socket.create_connection(('127.0.0.1', int(sys.argv[2])))
context.wrap_socket(connection, server_hostname=sys.argv[1])";
        command.args(["-c", script, name, &self.port.to_string()]);
        Cmd::new(command).run()
    }

    /// Lets a browser that was never started before load the page.
    fn visit(&self, env: &TestEnv, name: &str) -> Output {
        let profile = tempfile::tempdir().expect("there is room for a folder");
        let mut command = env.command(browser());
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu"])
            .args(["--disable-quic", "--no-first-run", "--disable-sync"])
            .args(["--disable-background-networking"])
            // Containers have little shared memory.
            .args(["--disable-component-update", "--disable-dev-shm-usage"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            // Every name leads here, and none to a name server.
            .arg("--host-resolver-rules=MAP * 127.0.0.1")
            .arg("--dump-dom")
            .arg(format!("https://{name}:{}/", self.port));
        Cmd::new(command).start().done_within(VISIT_LIMIT)
    }
}

/// Finds the browser of this machine.
fn browser() -> &'static str {
    let is_here = |name: &&&str| {
        let mut command = std::process::Command::new(name);
        command.arg("--version").stdout(Stdio::null());
        command.stderr(Stdio::null()).status().is_ok()
    };
    BROWSERS
        .iter()
        .find(is_here)
        .expect("a browser is here, or `cargo xtask setup` installs it")
}

#[track_caller]
fn shows_the_page(visit: &Output) {
    visit.exits(0).prints(PAGE);
}

#[track_caller]
fn shows_no_page(visit: &Output, error: &str) {
    visit.complains(error);
    assert!(!visit.stdout.contains(PAGE), "{visit:#?}");
}

#[test]
fn chromium_shows_a_page_between_install_and_uninstall_and_not_else() {
    let env = TestEnv::new();
    env.qecho("cert new localhost").ok();
    let website = Website::serve(&env, "localhost");
    let early = env.qecho("cert install --store nss").run();
    early.fails(2, "no store of Firefox or Chromium yet", Some("start the"));
    // The first start makes the store, where the second will look for it.
    shows_no_page(&website.visit(&env, "localhost"), NO_AUTHORITY);
    let installed = env.qecho("cert install --store nss").run();
    installed.exits(0).prints("pki/nssdb trusts the CA now");
    shows_the_page(&website.visit(&env, "localhost"));
    let uninstalled = env.qecho("cert uninstall --store nss").ok();
    uninstalled.prints("pki/nssdb has forgotten the CA");
    shows_no_page(&website.visit(&env, "localhost"), NO_AUTHORITY);
}

#[test]
fn chromium_holds_the_loopback_authority_to_its_limits() {
    let env = TestEnv::new();
    env.server("").ends_well();
    let store = env.home().join(".pki/nssdb");
    std::fs::create_dir_all(&store).expect("the home takes folders");
    let mut new = env.command("certutil");
    new.args(["-N", "--empty-password", "-d"]);
    oracle(new.arg(format!("sql:{}", store.display())));
    let install = env.qecho("cert install --store nss --ca-root qecho");
    install.ok().prints("trusts the CA now");
    for name in ["localhost", "example.test"] {
        steal(&env, name);
    }
    let own = Website::serve(&env, "localhost");
    shows_the_page(&own.visit(&env, "localhost"));
    let stolen = Website::serve(&env, "example.test");
    shows_no_page(&stolen.visit(&env, "example.test"), "net::ERR_CERT_");
}

#[test]
fn curl_and_python_hold_the_loopback_authority_to_its_limits() {
    let env = TestEnv::new();
    env.server("").ends_well();
    for name in ["localhost", "example.test"] {
        steal(&env, name);
    }
    let own = Website::serve(&env, "localhost");
    own.curl(&env, "localhost").exits(0).prints(PAGE);
    own.python(&env, "localhost").exits(0);
    let stolen = Website::serve(&env, "example.test");
    for visit in [Website::curl, Website::python] {
        let refused = visit(&stolen, &env, "example.test");
        refused.complains("permitted subtree violation");
        assert!(!refused.status.success(), "{refused:#?}");
    }
}
