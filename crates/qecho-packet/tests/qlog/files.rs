//! The files: their names, who may read them, and what goes wrong.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use qecho_packet::{
    Side,
    trace::{
        Connection, EventKind, Sink,
        qlog::{FILES_OPEN_MAX, Qlog},
    },
};
use qecho_testkit::schema::check_file;
use tempfile::TempDir;

use super::sample;

fn folder() -> TempDir {
    TempDir::new().expect("there is room")
}

fn start(directory: &Path) -> Qlog {
    Qlog::new(directory.into(), "qecho test", Side::Client).expect("the folder can be had")
}

fn tell(qlog: &mut Qlog, connection: Option<&Connection>, kind: EventKind<'_>) {
    let taken = qlog.take(&sample::event(0, connection, kind));
    taken.expect("a sink never fails");
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("the folder can be listed");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry.expect("the folder can be listed").file_name();
        name.into_string().expect("our names are text")
    };
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    let metadata = fs::metadata(path).expect("it is there");
    metadata.permissions().mode() & 0o777
}

fn count_events(path: &Path) -> usize {
    let file = fs::read(path).expect("it is there");
    check_file(&file).expect("it is valid").len() - 1
}

#[test]
fn a_folder_is_made_and_nobody_else_may_look_in() {
    let parent = folder();
    let directory = parent.path().join("deep/qlog");
    let mut qlog = start(&directory);
    let connection = sample::connection(1, Side::Client);
    tell(&mut qlog, Some(&connection), EventKind::Began);
    assert_eq!(mode(&directory), 0o700);
    let file = directory.join("8394c8f03e515701_client.sqlog");
    assert_eq!(mode(&file), 0o600);
}

#[test]
fn a_file_is_no_folder() {
    let parent = folder();
    let path = parent.path().join("file");
    fs::write(&path, "mine").expect("there is room");
    assert!(Qlog::new(path, "qecho test", Side::Client).is_err());
}

#[test]
fn each_side_of_each_connection_has_its_own_file() {
    let directory = folder();
    let mut qlog = start(directory.path());
    for side in [Side::Client, Side::Server] {
        for number in [1, 2] {
            let connection = sample::connection(number, side);
            tell(&mut qlog, Some(&connection), EventKind::Began);
            tell(&mut qlog.clone(), Some(&connection), EventKind::Forgotten);
        }
    }
    tell(&mut qlog, None, EventKind::EventsDropped { count: 1 });
    let wanted = [
        "8394c8f03e515701_client.sqlog",
        "8394c8f03e515701_server.sqlog",
        "8394c8f03e515702_client.sqlog",
        "8394c8f03e515702_server.sqlog",
        "endpoint_client.sqlog",
    ];
    assert_eq!(names(directory.path()), wanted);
    assert_eq!(qlog.report().files, 5);
}

#[test]
fn what_is_there_already_stays_as_it_is() {
    let directory = folder();
    let elsewhere = directory.path().join("elsewhere");
    let taken = directory.path().join("8394c8f03e515701_client.sqlog");
    let link = directory.path().join("8394c8f03e515701_client_2.sqlog");
    fs::write(&taken, "mine").expect("there is room");
    symlink(&elsewhere, &link).expect("there is room");
    let mut qlog = start(directory.path());
    let connection = sample::connection(1, Side::Client);
    tell(&mut qlog, Some(&connection), EventKind::Began);
    assert_eq!(fs::read(&taken).expect("it is there"), b"mine");
    assert!(!elsewhere.exists());
    let third = directory.path().join("8394c8f03e515701_client_3.sqlog");
    assert_eq!(count_events(&third), 1);
}

#[test]
fn files_that_were_closed_meanwhile_go_on() {
    let directory = folder();
    let mut qlog = start(directory.path());
    let many = 2 * FILES_OPEN_MAX as u64;
    let connection = |number: u64| {
        let original = sample::id(&number.to_be_bytes());
        Connection {
            original_destination: original,
            ..sample::connection(number, Side::Client)
        }
    };
    let opened = || {
        let Ok(open) = fs::read_dir("/proc/self/fd") else {
            return 0;
        };
        let targets = open
            .flatten()
            .filter_map(|fd| fs::read_link(fd.path()).ok());
        targets
            .filter(|target| target.starts_with(directory.path()))
            .count()
    };
    for _ in 0..3 {
        for number in 0..many {
            tell(&mut qlog, Some(&connection(number)), EventKind::Began);
        }
        assert!(opened() <= FILES_OPEN_MAX);
    }
    assert_eq!(qlog.report().events_lost, 0);
    for name in names(directory.path()) {
        assert_eq!(count_events(&directory.path().join(name)), 3);
    }
    for number in 0..many {
        tell(&mut qlog, Some(&connection(number)), EventKind::Forgotten);
    }
    assert_eq!(opened(), 0);
}

#[test]
fn a_closed_file_that_was_exchanged_is_not_touched() {
    let directory = folder();
    let mut qlog = start(directory.path());
    let first = sample::connection(1, Side::Client);
    tell(&mut qlog, Some(&first), EventKind::Began);
    for number in 0..FILES_OPEN_MAX as u64 {
        let other = Connection {
            number: 1000 + number,
            ..sample::connection(2, Side::Client)
        };
        tell(&mut qlog, Some(&other), EventKind::Began);
    }
    let path = directory.path().join("8394c8f03e515701_client.sqlog");
    fs::write(directory.path().join("new"), "mine").expect("there is room");
    fs::rename(directory.path().join("new"), &path).expect("both are there");
    tell(&mut qlog, Some(&first), EventKind::Forgotten);
    assert_eq!(fs::read(&path).expect("it is there"), b"mine");
    let report = qlog.report();
    assert_eq!(report.events_lost, 1);
    assert_eq!(report.failure.expect("it is noted").path, path);
}

#[test]
fn a_folder_that_vanishes_is_noted_once_and_stops_nothing() {
    let directory = folder();
    let path = directory.path().join("qlog");
    let mut qlog = start(&path);
    fs::remove_dir(&path).expect("it is empty");
    let connection = sample::connection(1, Side::Client);
    tell(&mut qlog, Some(&connection), EventKind::Began);
    tell(&mut qlog, Some(&connection), EventKind::Forgotten);
    let report = qlog.report();
    assert_eq!((report.files, report.events_lost), (0, 2));
    let failure = report.failure.expect("it is noted");
    let file = path.join("8394c8f03e515701_client.sqlog");
    let words = format!("cannot write {}", file.display());
    assert_eq!(failure.to_string(), words);

    fs::create_dir(&path).expect("there is room");
    tell(&mut qlog, Some(&connection), EventKind::Began);
    assert_eq!(count_events(&file), 1);
    assert_eq!(qlog.report().events_lost, 2);
}
