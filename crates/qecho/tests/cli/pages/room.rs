//! The network and the home in which the commands of one page are tried.

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
};

use qecho_testkit::pages::{self, Block, Step};
use regex::Regex;
use rustix::process::{Pid, Signal, kill_process_group};

use super::{Failure, matching};
use crate::{
    cmd::{Cmd, Process},
    env::TestEnv,
    transcript::{LIMIT, Transcript},
};

/// Line of a page that stands for the reader's Ctrl-C.
const CTRL_C: &str = "^C";

/// Exit code of a program that Ctrl-C ends.
const INTERRUPTED: i32 = 130;

/// Home folder of the pages' reader.
const HOME: &str = "/home/you";

/// Stands behind the output of each command, before its exit code.
const END: char = '\x1e';

/// Stand-in for `cargo run`: starts the program and the examples, which are built already.
const CARGO: &str = r#"#!/bin/sh
example= built=$(dirname "$QECHO")
[ "$1" = run ] || { echo "only cargo run is known here: $*"; exit 2; }
shift
while [ $# -gt 0 ]; do
    case $1 in
        --release|--locked|--quiet) shift ;;
        --example) example=$built/examples/$2; shift 2 ;;
        --) shift; break ;;
        *) echo "not known here: $1"; exit 2 ;;
    esac
done
exec "${example:-$QECHO}" "$@"
"#;

static PIN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("sha256:[0-9a-f]{64}").expect("it is a pattern"));

/// The network and the home of one page.
pub(super) struct Room {
    env: TestEnv,
    /// Has the network for as long as it runs.
    network: Process,
}

/// A shell with all that it has started, which end with this.
struct Shell {
    child: Child,
    /// Stdout, and stderr if they have one pipe.
    output: Transcript,
    errors: Option<Transcript>,
}

impl Room {
    pub(super) fn new() -> Self {
        let env = TestEnv::new();
        let cargo = env.file("cargo", CARGO);
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(cargo, executable).expect("it is ours");
        for folder in ["examples", "interop"] {
            let there = env.home().join(folder);
            std::os::unix::fs::symlink(pages::root().join(folder), there).expect("it is new");
        }
        let mut command = env.command("unshare");
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        let script = "ip link set lo up; ip address add 192.0.2.1/32 dev lo; echo up; exec cat";
        command.args(["--net", "sh", "-euc", script]);
        let network = Cmd::new(command).start();
        network.stdout.says("up");
        Self { env, network }
    }

    /// Runs the commands of a block, and returns what is not as it is shown.
    pub(super) fn try_block(&self, page: &str, block: &Block) -> Vec<Failure> {
        let steps = block.steps();
        let Some(first) = steps.first() else {
            panic!("{page}:{}: nothing is run here", block.line);
        };
        let noted = |name: &str| {
            let notes = block.notes.iter().filter(|(note, _)| note == name);
            notes
                .map(|(_, command)| command.clone())
                .collect::<Vec<_>>()
        };
        for command in noted("before") {
            if let Err(got) = self.does(&command) {
                return vec![Failure::new(page, first, format!("before: {command}"), got)];
            }
        }
        let mut beside: Vec<Shell> = Vec::new();
        for command in noted("beside") {
            let shell = self.shell(&format!("exec {}", with_pin(&command, &beside)), true);
            let is_ready = shell.output.reaches(LIMIT, |text| text.contains('\n'));
            let got = self.shown(&shell.everything());
            beside.push(shell);
            if !is_ready {
                let expected = format!("beside: {command}, with a first line on stdout");
                return vec![Failure::new(page, first, expected, got)];
            }
        }
        let script = steps
            .iter()
            .fold("trap : INT\n".to_owned(), |script, step| {
                let command = with_pin(&step.command, &beside);
                script
                    + &format!(
                        "{command}\n__code=$?; printf '\\036%s\\n' $__code; (exit $__code)\n"
                    )
            });
        let shell = self.shell(&script, false);
        for (number, step) in steps.iter().enumerate() {
            if let Some(end) = step.shown.iter().position(|line| line == CTRL_C) {
                self.interrupt(
                    &shell,
                    number,
                    &whole(&step.shown[..end]),
                    &noted("meanwhile"),
                );
            }
        }
        let ended = |text: &str| text.matches(END).count() >= steps.len();
        shell.output.reaches(LIMIT * steps.len() as u32, ended);
        let output = self.shown(&shell.output.text());
        let each = (0..).zip(&steps);
        each.filter_map(|(number, step)| {
            let next = steps.get(number + 1);
            let (expected, got) = fault(step, next, ran(&output, number))?;
            Some(Failure::new(page, step, expected, got))
        })
        .collect()
    }

    /// Presses Ctrl-C once a command has written what a page shows before, and others have been
    /// run beside it since its first line.
    fn interrupt(&self, shell: &Shell, number: usize, before: &[String], meanwhile: &[String]) {
        let reaches = |condition: &dyn Fn(&[String]) -> bool| {
            shell.output.reaches(LIMIT, |text| {
                let text = self.shown(text);
                // A line that is not whole may become another.
                let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
                condition(&ran(whole, number).0)
            })
        };
        reaches(&|lines| !lines.is_empty());
        for command in meanwhile {
            // What it should have brought about will be missing.
            _ = self.does(command);
        }
        reaches(&|lines| matching::begins(before, lines));
        shell.signal(Signal::INT);
    }

    /// Runs a command to its end, which must be good; the error is what it wrote.
    fn does(&self, command: &str) -> Result<(), String> {
        let shell = self.shell(&format!("{command}\nprintf '\\036%s\\n' $?"), false);
        shell.output.reaches(LIMIT, |text| text.contains(END));
        let output = shell.output.text();
        match output.ends_with("\x1e0\n") {
            true => Ok(()),
            false => Err(self.shown(&output)),
        }
    }

    /// Starts a shell in the network and the home.
    fn shell(&self, script: &str, apart: bool) -> Shell {
        let built = built();
        let python = pages::root().join("target/python/bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders = vec![self.env.path(""), built.clone(), python];
        folders.extend(std::env::split_paths(&path));
        let path = std::env::join_paths(folders).expect("no folder has a colon");
        let mut command = self.env.command("nsenter");
        command.arg(format!("--target={}", self.network.id()));
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        for variable in ["QECHO_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "CAROOT"] {
            command.env_remove(variable);
        }
        command
            .args(["--net", "sh", "-c", script])
            .env("PATH", path)
            .env("QECHO", built.join("qecho"));
        Shell::start(command, apart)
    }

    /// Returns what was written as the reader sees it.
    fn shown(&self, output: &str) -> String {
        output.replace(&*self.env.home().to_string_lossy(), HOME)
    }
}

/// Returns the folder in which the program is, and below it the examples.
fn built() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_qecho"));
    program.parent().expect("it is in a folder").to_owned()
}

/// Returns a command with the pin that a server beside it has shown in the place of a page's.
fn with_pin(command: &str, beside: &[Shell]) -> String {
    if !PIN.is_match(command) {
        return command.to_owned();
    }
    // The first line of a server, which was waited for, is not the one with its pin.
    let shown = beside.iter().find_map(|shell| {
        shell.output.reaches(LIMIT, |text| PIN.is_match(text));
        let text = shell.output.text();
        Some(PIN.find(&text)?.as_str().to_owned())
    });
    match shown {
        Some(pin) => PIN.replace_all(command, pin).into_owned(),
        None => command.to_owned(),
    }
}

/// Returns the lines of one of several commands, and its exit code if it has ended.
fn ran(output: &str, number: usize) -> (Vec<String>, Option<i32>) {
    let mut rest = output;
    let mut code = None;
    let mut lines = rest;
    for _ in 0..=number {
        let (own, behind) = rest.split_once(END).unwrap_or((rest, ""));
        let (its_code, next) = behind.split_once('\n').unwrap_or((behind, ""));
        (lines, code, rest) = (own, its_code.parse().ok(), next);
    }
    let lines = lines.lines().map(|line| line.trim_end().to_owned());
    (whole(&lines.collect::<Vec<_>>()), code)
}

/// Returns lines without the empty ones at their end, which nobody sees.
fn whole(lines: &[String]) -> Vec<String> {
    let end = lines.iter().rposition(|line| !line.trim().is_empty());
    lines[..end.map_or(0, |end| end + 1)].to_vec()
}

/// Returns what was expected of a command and what was got, if they differ.
fn fault(
    step: &Step,
    next: Option<&Step>,
    (lines, code): (Vec<String>, Option<i32>),
) -> Option<(String, String)> {
    let is_interrupted = step.shown.iter().any(|line| line == CTRL_C);
    let page = step.shown.iter().filter(|line| *line != CTRL_C);
    let page = whole(&page.cloned().collect::<Vec<_>>());
    let got = lines.join("\n");
    if let Some(line) = matching::difference(&page, &lines) {
        let expected = match page.get(line) {
            Some(missing) => format!(
                "{}\n-- of which this is not there: {missing}",
                page.join("\n")
            ),
            None => format!("{}\n-- and nothing more", page.join("\n")),
        };
        return Some((expected, got));
    }
    let asks = next.is_some_and(|next| next.command == "echo $?");
    let tells = page.iter().any(|line| line.starts_with("qecho: "));
    match code {
        Some(0) => None,
        Some(INTERRUPTED) if is_interrupted => None,
        Some(_) if asks || tells => None,
        Some(code) => Some((
            "exit code 0, or `$ echo $?` behind it".into(),
            format!("{got}\n-- exit code {code}"),
        )),
        None => Some(("an end".into(), format!("{got}\n-- and no end"))),
    }
}

impl Shell {
    fn start(mut command: Command, apart: bool) -> Self {
        let (reader, writer) = io::pipe().expect("the system has pipes");
        let other = writer.try_clone().expect("the system has files");
        command.stdin(Stdio::null()).stdout(writer).process_group(0);
        match apart {
            true => command.stderr(Stdio::piped()),
            false => command.stderr(other),
        };
        let mut child = command.spawn().expect("the program starts");
        // It has the pipe's other end, which would keep it open.
        drop(command);
        let errors = child.stderr.take().map(Transcript::collect);
        Self {
            child,
            output: Transcript::collect(reader),
            errors,
        }
    }

    fn everything(&self) -> String {
        let errors = self.errors.as_ref().map(Transcript::text);
        self.output.text() + &errors.unwrap_or_default()
    }

    /// Sends a signal to the shell and all that it has started.
    fn signal(&self, signal: Signal) {
        // All of them may have ended.
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        // It is dead, or was before.
        let _ = self.child.wait();
    }
}
