//! Completion scripts: bash with one of them, as a person at a terminal has it.

use std::path::Path;

use crate::{
    cmd::Cmd,
    env::TestEnv,
    terminal::{CTRL_D, Terminal},
};

/// Erases the line that is typed.
const CTRL_U: &[u8] = b"\x15";

/// Starts bash with the script, in a folder with one file.
fn bash(env: &TestEnv) -> Terminal {
    let program = Path::new(env!("CARGO_BIN_EXE_qecho"));
    let folder = program.parent().expect("a program is in a folder");
    let settings = format!(
        "PATH={}:$PATH\nsource <(qecho completions bash)\nPS1='ready> '\n\
         bind 'set enable-bracketed-paste off'\nbind 'set page-completions off'\n",
        folder.display()
    );
    let settings = env.file("bashrc", &settings);
    std::fs::write(env.home().join("captured.pcapng"), "").expect("the folder takes files");
    let mut command = env.command("bash");
    command
        .args(["--noprofile", "--rcfile"])
        .arg(settings)
        .arg("-i");
    let terminal = Terminal::start(Cmd::new(command).env("INPUTRC", "/dev/null"));
    terminal.screen.says("ready> ");
    terminal
}

#[test]
fn bash_completes_commands_options_values_and_files() {
    let env = TestEnv::new();
    let bash = bash(&env);
    for (typed, rest) in [
        ("qecho cli", "ent "),
        ("qecho cert veri", "fy "),
        ("qecho cert ca sh", "ow "),
        ("qecho ping localhost --inter", "val "),
        ("qecho client localhost --over data", "gram "),
        ("qecho client localhost --over=stream-", "per-message "),
        ("qecho client localhost --pcap capt", "ured.pcapng "),
        ("qecho client localhost --pcap=capt", "ured.pcapng "),
        ("qecho bench localhost --format=c", "sv "),
        ("qecho server --trace=ha", "ndshake "),
        ("qecho client localhost --qlog-form qv", "is "),
        ("qecho server --memory-max=of", "f "),
        ("qecho client localhost --udp-payload-max ro", "ute "),
        ("qecho completions el", "vish "),
    ] {
        bash.types(typed.as_bytes());
        bash.types(b"\t");
        bash.screen.says(&format!("{typed}{rest}"));
        bash.types(CTRL_U);
    }
    bash.types(b"qecho demo --trace=\t\t");
    bash.screen.says("frames");
    for detail in ["handshake", "packets", "story"] {
        bash.screen.says(detail);
    }
    bash.types(CTRL_U);
    bash.types(CTRL_D);
    bash.exits(0);
}

#[test]
fn the_detail_of_a_trace_is_offered_behind_its_sign_alone() {
    let env = TestEnv::new();
    let program = env!("CARGO_BIN_EXE_qecho");
    let script = format!(
        r#"source <({program} completions bash)
        offers() {{
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            _qecho_joined qecho "${{@: -1}}" "${{@: -2:1}}"
            echo "$3: ${{COMPREPLY[*]}}"
        }}
        complete -p qecho
        offers qecho demo --trace ""
        offers qecho demo --trace = pa"#
    );
    let mut command = env.command("bash");
    command.args(["--norc", "-c", &script]);
    let done = Cmd::new(command).ok();
    done.prints("-F _qecho_joined qecho");
    let offered: Vec<_> = done.stdout.lines().skip(1).collect();
    assert!(!offered[0].contains("packets"), "{done:#?}");
    assert!(offered[0].contains("--pcap"), "{done:#?}");
    assert_eq!(offered[1], "--trace: packets");
}

#[test]
fn every_shell_has_its_script_and_a_reader_that_leaves_is_no_failure() {
    let env = TestEnv::new();
    for (shell, words) in [
        ("bash", "complete -F _qecho"),
        ("zsh", "#compdef qecho"),
        ("fish", "complete -c qecho"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion:arg-completer[qecho]"),
    ] {
        let done = env.qecho(format!("completions {shell}")).ok();
        done.prints(words).prints("per-address");
        assert!(!done.stdout.contains("man-pages"), "{shell}");
        let help = env.qecho("completions --help").ok();
        help.prints(&format!("qecho completions {shell} "));
    }
    let zsh = env.qecho("completions zsh").ok();
    zsh.prints("'--trace=-[").prints("(auto none)");
    let fish = env.qecho("completions fish").ok();
    fish.prints("_using_subcommand completions\" -f -a \"bash elvish fish powershell zsh\"");
    let help = |line: &&str| line.contains("_using_subcommand help; and not");
    let help = fish.stdout.lines().find(help).expect("help is completed");
    assert!(help.contains(" completions\" -f -a "), "{help}");
    let (running, stdout) = env.qecho("completions bash").start_unread();
    drop(stdout);
    let done = running.done();
    assert_eq!((done.status.code(), &done.stderr[..]), (Some(0), ""));
    env.qecho("completions tcsh")
        .run()
        .exits(2)
        .complains("bash");
}
