//! `qecho cert install` and `uninstall` where mkcert has been before, or a store that
//! took half of what it was told.

use std::fs;

use super::{among_mounts_of_its_own, mkcert_in, oracle};
use crate::{cmd::Cmd, env::TestEnv};

/// Folder of Chromium's store, below the home.
const STORE: &str = ".pki/nssdb";

#[test]
fn what_mkcert_has_put_into_a_browser_is_known_and_goes_without_a_trace() {
    let env = TestEnv::new();
    let store = env.home().join(STORE);
    fs::create_dir_all(&store).expect("the home takes folders");
    let database = format!("sql:{}", store.display());
    let certutil = |arguments: &[&str]| {
        let mut command = env.command("certutil");
        let output = oracle(command.args(arguments).args(["-d", &database]));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    certutil(&["-N", "--empty-password"]);
    let before = certutil(&["-L"]);
    let mut install = env.command("mkcert");
    oracle(install.arg("-install").env("TRUST_STORES", "nss"));
    let there = certutil(&["-L"]);
    assert!(there.contains("mkcert development CA"), "{there}");
    let run = |command: &str, words: &str| {
        let command = format!("cert {command} --ca-root mkcert --store nss");
        let done = env.qecho(&command).run();
        let line = format!("{} {words}\n", store.display());
        done.exits(0).prints(&line);
    };
    run("install", "trusts the CA already");
    assert_eq!(certutil(&["-L"]), there);
    run("uninstall", "has forgotten the CA");
    assert_eq!(certutil(&["-L"]), before);
    run("uninstall", "does not know the CA");
    run("install", "trusts the CA now");
    run("uninstall", "has forgotten the CA");
    assert_eq!(certutil(&["-L"]), before);
}

#[test]
fn what_mkcert_has_put_into_debians_store_goes_without_a_trace() {
    let env = TestEnv::new();
    let script = r#"
        cp -a /etc/ssl/certs certs
        mount -t tmpfs none /etc/ssl/certs
        cp -a certs/. /etc/ssl/certs
        mount -t tmpfs none /usr/local/share/ca-certificates
        mount -t tmpfs none /etc/ca-certificates/update.d
        state() {
            find /etc/ssl/certs /usr/local/share/ca-certificates ! -type d -printf '%p %l\n' | sort
            sha256sum /etc/ssl/certs/ca-certificates.crt
        }
        update-ca-certificates --fresh >/dev/null 2>&1
        state >before
        TRUST_STORES=system mkcert -install >/dev/null 2>&1
        for command in install uninstall uninstall; do
            "$QECHO" cert $command --store system --ca-root mkcert
        done
        state >after
        diff before after && echo no trace
    "#;
    let done = among_mounts_of_its_own(&env, script);
    done.exits(0).prints(
        "the system's store trusts the CA already\n\
         the system's store has forgotten the CA\n\
         the system's store does not know the CA\n\
         no trace\n",
    );
}

#[test]
fn a_profile_that_keeps_the_authority_without_trust_is_not_said_to_trust_it() {
    let env = TestEnv::new();
    let store = env.home().join(STORE);
    fs::create_dir_all(&store).expect("the home takes folders");
    fs::write(env.home().join("password"), "secret 1234\n").expect("the home takes files");
    let database = format!("sql:{}", store.display());
    oracle(
        env.command("certutil")
            .args(["-N", "-f", "password", "-d", &database]),
    );
    mkcert_in(&env, &env.home(), &["a.test"]);
    // Twice: the tool that fails for want of the password leaves the CA there, untrusted.
    for _ in 0..2 {
        let mut command = env.command("setsid");
        command.args(["-w", env!("CARGO_BIN_EXE_qecho")]);
        command.args(["cert", "install", "--ca-root", "mkcert", "--store", "nss"]);
        let done = Cmd::new(command).run();
        done.fails(2, "it has a password of its own", Some("--dry-run prints"));
    }
    env.qecho("cert uninstall --ca-root mkcert --store nss")
        .ok();
    let mut list = env.command("certutil");
    let list = oracle(list.args(["-L", "-d", &database]));
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(!list.contains("qecho_"), "{list}");
}
