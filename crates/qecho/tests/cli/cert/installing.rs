//! `qecho cert install` and `uninstall`: for real on Debian and in NSS, as printed
//! commands elsewhere. No store of the machine is touched.

use std::{fs, path::PathBuf};

use super::{among_mounts_of_its_own, asked, openssl_in, steal};
use crate::{cmd::Cmd, env::TestEnv};

/// Makes a home with a profile of Firefox and a store of Chromium.
fn profiles(env: &TestEnv, real: bool) -> [PathBuf; 2] {
    [".mozilla/firefox/a b.default", ".pki/nssdb"].map(|place| {
        let folder = env.home().join(place);
        fs::create_dir_all(&folder).expect("the home takes folders");
        if real {
            certutil(env, &["-N", "--empty-password"], &folder);
        } else {
            fs::write(folder.join("cert9.db"), "").expect("the home takes files");
        }
        folder
    })
}

/// Asks NSS's own tool about a store; tells whether it is content, and what it says.
fn certutil(env: &TestEnv, arguments: &[&str], store: &std::path::Path) -> (bool, String) {
    let mut command = env.command("certutil");
    command.args(arguments).arg("-d");
    asked(command.arg(format!("sql:{}", store.display())))
}

#[test]
fn the_commands_for_each_system_are_these() {
    let env = TestEnv::new();
    profiles(&env, false);
    let made = env.qecho("cert ca new --format json").run().last_event();
    let ca = made["ca"].as_str().expect("a text");
    let ask = format!("x509 -noout -fingerprint -in {ca}");
    let (_, sha1) = openssl_in(&env.home(), ask);
    let (_, sha1) = sha1.trim().split_once('=').expect("it was asked for");
    let sha1 = sha1.replace(':', "").to_lowercase();
    let home = env.home().display().to_string();
    for (system, golden) in [
        ("debian", include_str!("golden/debian.txt")),
        ("fedora", include_str!("golden/fedora.txt")),
        ("arch", include_str!("golden/arch.txt")),
        ("opensuse", include_str!("golden/opensuse.txt")),
        ("macos", include_str!("golden/macos.txt")),
        ("windows", include_str!("golden/windows.txt")),
    ] {
        let mut printed = String::new();
        for command in ["install", "uninstall"] {
            let dry = format!("cert {command} --dry-run --system {system}");
            let done = env.qecho(&dry).run();
            assert_eq!(done.exits(0).stderr, "");
            printed += &format!("{command}:\n{}", done.stdout);
        }
        let printed = printed
            .replace(&home, "HOME")
            .replace(&made["sha256"].as_str().expect("a text")[..16], "ID")
            .replace(&sha1, "SHA1");
        // The store that all users share is not of this home.
        let mine = |line: &&str| !line.contains("/etc/pki/nssdb");
        let printed: Vec<_> = printed.lines().filter(mine).collect();
        assert_eq!(printed, golden.lines().collect::<Vec<_>>(), "{system}");
    }
}

#[test]
fn on_debian_other_programs_trust_a_leaf_between_install_and_uninstall() {
    let env = TestEnv::new();
    let script = r#"
        cp -a /etc/ssl/certs certs
        mount -t tmpfs none /etc/ssl/certs
        cp -a certs/. /etc/ssl/certs
        mount -t tmpfs none /usr/local/share/ca-certificates
        mount -t tmpfs none /etc/ca-certificates/update.d
        "$QECHO" cert new localhost >/dev/null 2>&1
        mkfifo said
        openssl s_server -accept 127.0.0.1:0 -www -cert localhost.pem -key localhost-key.pem \
            >said 2>&1 </dev/null &
        server=$!
        trap 'kill $server' EXIT
        exec 3<said
        while read -r word port <&3; do
            test "$word" != ACCEPT || break
        done
        port=${port##*:}
        trusted() {
            curl -s -o /dev/null "https://localhost:$port" && echo curl trusts || echo curl does not
            python3 -c "import ssl, socket
context = ssl.create_default_context(cafile='/etc/ssl/certs/ca-certificates.crt')
context.wrap_socket(socket.create_connection(('localhost', $port)), server_hostname='localhost')" \
                2>/dev/null && echo python trusts || echo python does not
        }
        state() {
            find /etc/ssl/certs /usr/local/share/ca-certificates ! -type d -printf '%p %l\n' | sort
            sha256sum /etc/ssl/certs/ca-certificates.crt
        }
        update-ca-certificates --fresh >/dev/null 2>&1
        state >before
        trusted
        "$QECHO" cert install --store system
        trusted
        "$QECHO" cert ca show | grep installed
        "$QECHO" cert verify localhost.pem localhost
        "$QECHO" cert install --store system
        "$QECHO" cert install --store system --dry-run
        "$QECHO" cert uninstall --store system
        trusted
        "$QECHO" cert uninstall --store system --format json
        state >after
        diff before after && echo no trace
    "#;
    let done = among_mounts_of_its_own(&env, script);
    done.exits(0).complains("as root: update-ca-certificates");
    let lines: Vec<_> = done.stdout.lines().collect();
    let expected = [
        "curl does not",
        "python does not",
        "the system's store trusts the CA now",
        "curl trusts",
        "python trusts",
        "installed    in the system's store",
        "ok: good for localhost until ",
        "the system's store trusts the CA already",
        "the system's store has forgotten the CA",
        "curl does not",
        "python does not",
        r#"{"event":"store","time":""#,
        "no trace",
    ];
    assert_eq!(lines.len(), expected.len(), "{done:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}: {done:#?}");
    }
}

#[test]
fn nss_trusts_a_leaf_between_install_and_uninstall() {
    let env = TestEnv::new();
    let stores = profiles(&env, true);
    env.qecho("cert new localhost").ok();
    let leaf = ["-A", "-t", ",,", "-n", "leaf", "-i", "localhost.pem"];
    let state = |store: &PathBuf| {
        let (good, _) = certutil(&env, &["-V", "-u", "V", "-n", "leaf"], store);
        (good, certutil(&env, &["-L"], store).1)
    };
    for store in &stores {
        assert!(certutil(&env, &leaf, store).0);
    }
    let before: Vec<_> = stores.iter().map(state).collect();
    let run = |command: &str| {
        let done = env.qecho(format!("cert {command} --store nss")).ok();
        let mine = |line: &&str| !line.starts_with("/etc/");
        let lines = done.stdout.lines().filter(mine);
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let [firefox, chromium] = [&stores[0], &stores[1]].map(|store| store.display().to_string());
    for (words, times) in [("trusts the CA now", 1), ("trusts the CA already", 2)] {
        let expected = [&chromium, &firefox].map(|store| format!("{store} {words}"));
        assert_eq!(run("install"), expected);
        for store in &stores {
            let (good, list) = state(store);
            assert!(good, "{list}");
            assert_eq!(list.matches("C,,").count(), 1, "{times}: {list}");
        }
    }
    for words in ["has forgotten the CA", "does not know the CA"] {
        let expected = [&chromium, &firefox].map(|store| format!("{store} {words}"));
        assert_eq!(run("uninstall"), expected);
        let after: Vec<_> = stores.iter().map(state).collect();
        assert_eq!(after, before);
        assert!(!after[0].0);
    }
}

#[test]
fn nss_holds_a_limited_authority_to_its_limits() {
    let env = TestEnv::new();
    let [store, _] = profiles(&env, true);
    env.server("").ends_well();
    let loopback = "--ca-root qecho --store nss";
    env.qecho(format!("cert install {loopback}")).ok();
    // What a thief does with the key.
    for (name, good) in [("localhost", true), ("example.com", false)] {
        steal(&env, name);
        let add = ["-A", "-t", ",,", "-n", name, "-i", &format!("{name}.pem")];
        assert!(certutil(&env, &add, &store).0);
        let (accepted, said) = certutil(&env, &["-V", "-u", "V", "-n", name], &store);
        assert_eq!(accepted, good, "{name}: {said}");
    }
}

#[test]
fn the_commands_are_told_in_json_too() {
    let env = TestEnv::new();
    let made = env.qecho("cert ca new --format json").run().last_event();
    let dry = "cert install --dry-run --store system --system arch --format json";
    let told = env.qecho(dry).ok().events();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0]["program"], "install");
    assert_eq!(told[0]["arguments"][2], made["ca"]);
    assert_eq!(told[0]["as_root"], true);
    assert_eq!(told[1]["program"], "update-ca-trust");
}

#[test]
fn what_is_missing_is_named() {
    let env = TestEnv::new();
    let none = env.qecho("cert install --dry-run").run();
    none.fails(2, "cannot use the CA", Some("`qecho cert ca new`"));
    let mkcert = env.qecho("cert install --dry-run --ca-root mkcert").run();
    mkcert.fails(2, "cannot use the CA", Some("mkcert makes it"));
    env.qecho("cert ca new").ok();
    profiles(&env, true);
    let nowhere = env.path("nowhere");
    let bare = env.qecho("cert install --store nss").env("PATH", &nowhere);
    let done = bare.run();
    done.fails(2, "certutil is not there (package", Some("--dry-run"));
    done.complains("cannot change ");
    let lonely = env.qecho("cert install --system debian").run();
    lonely.exits(2).complains("--dry-run");
    let unknown = env.qecho("cert install --dry-run --system plan9").run();
    unknown.exits(2).complains("it is none of debian, fedora");
}

#[test]
fn without_root_and_sudo_the_system_store_is_left_alone() {
    let env = TestEnv::new();
    env.qecho("cert ca new").ok();
    let unshare = std::env::split_paths(&std::env::var_os("PATH").expect("there is a path"))
        .map(|folder| folder.join("unshare"))
        .find(|file| file.is_file())
        .expect("util-linux is everywhere");
    // In a user namespace in which nobody is anybody, root is none either.
    let mut command = env.command(unshare);
    command
        .args(["--user", env!("CARGO_BIN_EXE_qecho")])
        .args(["cert", "install", "--store", "system"])
        .env("PATH", env.path("nowhere"));
    let done = Cmd::new(command).run();
    let reason = "cannot change the system's store: it takes root, and sudo is not there";
    done.fails(2, reason, Some("--dry-run prints the commands"));
}

#[test]
fn a_profile_that_firefox_has_elsewhere_is_found_and_an_old_one_skipped() {
    let env = TestEnv::new();
    let listed = env.home().join(".mozilla/firefox");
    let (moved, old) = (env.path("moved"), listed.join("before.2018"));
    for folder in [&moved, &old] {
        fs::create_dir_all(folder).expect("it takes folders");
    }
    certutil(&env, &["-N", "--empty-password"], &moved);
    fs::write(old.join("cert8.db"), "").expect("it takes files");
    let list = format!("[Profile0]\nIsRelative=0\nPath={}\n", moved.display());
    fs::write(listed.join("profiles.ini"), list).expect("it takes files");
    env.qecho("cert ca new").ok();
    let skipped = format!(
        "skipped {}, a browser's store from before 2018",
        old.display()
    );
    for (command, words, is_there) in [
        ("install", "trusts the CA now", true),
        ("uninstall", "has forgotten the CA", false),
    ] {
        let done = env.qecho(format!("cert {command} --store nss")).run();
        done.exits(0).complains(&skipped);
        done.prints(&format!("{} {words}\n", moved.display()));
        let (_, list) = certutil(&env, &["-L"], &moved);
        assert_eq!(list.contains("qecho_"), is_there, "{list}");
    }
}
