//! Assigns events to files, and bounds how many of these are open.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    FILES_MAX, FILES_OPEN_MAX, Failure, Form, QlogReport,
    file::TraceFile,
    header::{self, side_name},
    record::Records,
    state::QlogState,
};
use crate::{
    Side,
    trace::{Connection, Event, EventKind},
    wire::ConnectionId,
};

/// All files of a folder.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    program: String,
    /// Vantage point of events that belong to no connection.
    side: Side,
    traces: HashMap<Key, OpenTrace>,
    /// The traces whose files are open, in the order in which they were opened.
    open: VecDeque<Key>,
    /// Files that were begun, or could not be.
    begun: u64,
    report: QlogReport,
    records: Records,
}

/// Key of a trace; each thread of a program counts its own connections, so their
/// numbers do not suffice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    /// Number and original destination connection ID; `None` for what belongs
    /// to no connection.
    connection: Option<(u64, ConnectionId)>,
    side: Side,
}

#[derive(Debug)]
struct OpenTrace {
    journal: QlogState,
    /// `None` if there could be none.
    file: Option<TraceFile>,
}

impl Files {
    pub(super) fn new(directory: PathBuf, program: &str, side: Side) -> Self {
        Self {
            directory,
            program: program.to_owned(),
            side,
            traces: HashMap::new(),
            open: VecDeque::new(),
            begun: 0,
            report: QlogReport::default(),
            records: Records::new(Form::Current),
        }
    }

    /// Writes the files that are still to begin in this form.
    pub(super) fn set_form(&mut self, form: Form) {
        self.records = Records::new(form);
    }

    pub(super) fn report(&self) -> QlogReport {
        self.report.clone()
    }

    /// Writes an event, or counts it as lost.
    pub(super) fn take(&mut self, event: &Event<'_>) {
        let key = self.key(event.connection);
        if !self.find_or_begin(key, event) || !self.write(key, event) {
            self.report.events_lost += 1;
        }
        if matches!(event.kind, EventKind::Forgotten) && key.connection.is_some() {
            self.traces.remove(&key);
            self.open.retain(|open| *open != key);
        }
    }

    fn key(&self, connection: Option<&Connection>) -> Key {
        Key {
            connection: connection
                .map(|connection| (connection.number, connection.original_destination)),
            side: connection.map_or(self.side, |connection| connection.side),
        }
    }

    /// Tells whether there is a trace of this key, maybe a new one.
    fn find_or_begin(&mut self, key: Key, event: &Event<'_>) -> bool {
        let vacant = match self.traces.entry(key) {
            Entry::Occupied(_) => return true,
            Entry::Vacant(vacant) => vacant,
        };
        // The file of what belongs to no connection is one, and never refused.
        if key.connection.is_some() && self.begun >= FILES_MAX {
            if matches!(event.kind, EventKind::Began) {
                self.report.connections_left_out += 1;
            }
            return false;
        }
        self.begun += 1;
        let file = match TraceFile::create(&self.directory, &stem(&key)) {
            Ok(file) => Some(file),
            Err((path, source)) => {
                note_failure(&mut self.report, &path, source);
                None
            }
        };
        if file.is_some() {
            self.report.files += 1;
            self.open.push_back(key);
        }
        let journal = QlogState::new(event.connection);
        vacant.insert(OpenTrace { journal, file });
        if self.open.len() > FILES_OPEN_MAX {
            self.close_oldest();
        }
        true
    }

    /// Tells whether the event was written.
    fn write(&mut self, key: Key, event: &Event<'_>) -> bool {
        let Some(OpenTrace { journal, file }) = self.traces.get_mut(&key) else {
            return false;
        };
        let Some(file) = file else {
            return false;
        };
        self.records.clear();
        if file.is_empty() {
            header::write(&self.program, key.side, key.connection, &mut self.records);
        }
        journal.note(event, &mut self.records);
        if self.records.is_empty() {
            return true;
        }
        let was_open = file.is_open();
        let written = file.append(self.records.bytes());
        let reopened = !was_open && file.is_open();
        let written = match written {
            Ok(()) => true,
            Err(source) => {
                note_failure(&mut self.report, file.path(), source);
                false
            }
        };
        if reopened {
            self.open.push_back(key);
            if self.open.len() > FILES_OPEN_MAX {
                self.close_oldest();
            }
        }
        written
    }

    /// Closes the file that was opened first.
    fn close_oldest(&mut self) {
        let trace = self
            .open
            .pop_front()
            .and_then(|key| self.traces.get_mut(&key));
        if let Some(file) = trace.and_then(|trace| trace.file.as_mut()) {
            file.close();
        }
    }
}

/// Notes the first failure; the others are counted by the events they cost.
fn note_failure(report: &mut QlogReport, path: &Path, source: io::Error) {
    report.failure.get_or_insert_with(|| {
        Arc::new(Failure {
            path: path.to_owned(),
            source,
        })
    });
}

/// The name of a trace's file, without what makes it the only one.
fn stem(key: &Key) -> String {
    let side = side_name(key.side);
    match key.connection {
        // Nobody has seen how it began.
        Some((number, original)) if original.is_empty() => format!("connection{number}_{side}"),
        Some((_, original)) => format!("{original}_{side}"),
        None => format!("endpoint_{side}"),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use serde_json::Value;

    use super::*;

    /// A connection of which nobody has seen how it began.
    fn connection() -> Connection {
        let address = "192.0.2.1:4433".parse().expect("it is an address");
        Connection {
            number: 1,
            side: Side::Server,
            local: address,
            remote: address,
            original_destination: ConnectionId::default(),
        }
    }

    #[test]
    fn a_connection_whose_beginning_nobody_saw_has_no_empty_name() {
        for form in [Form::Current, Form::Qvis] {
            let directory = tempfile::tempdir().expect("there is room");
            let mut files = Files::new(directory.path().into(), "qecho test", Side::Server);
            files.set_form(form);
            files.take(&Event {
                at: Duration::ZERO,
                connection: Some(&connection()),
                kind: EventKind::Began,
            });
            let path = directory.path().join("connection1_server.sqlog");
            let text = fs::read_to_string(path).expect("it was written");
            let header = text.lines().next().expect("it has a header");
            let header: Value =
                serde_json::from_str(header.trim_start_matches('\u{1e}')).expect("it is JSON");
            let common = &header["trace"]["common_fields"];
            assert!(common.is_object());
            assert_eq!((common.get("group_id"), common.get("ODCID")), (None, None));
            assert!(
                header
                    .to_string()
                    .contains("connection 1, whose beginning is missing")
            );
        }
    }

    #[test]
    fn connections_beyond_the_limit_are_counted_and_have_no_file() {
        let directory = tempfile::tempdir().expect("there is room");
        let mut files = Files::new(directory.path().into(), "qecho test", Side::Server);
        let connection = connection();
        let mut tell = |connection: Option<&Connection>, kind: EventKind<'_>| {
            files.begun = FILES_MAX;
            let at = Duration::ZERO;
            files.take(&Event {
                at,
                connection,
                kind,
            });
        };
        tell(Some(&connection), EventKind::Began);
        tell(Some(&connection), EventKind::Forgotten);
        tell(None, EventKind::EventsDropped { count: 1 });
        let report = files.report();
        assert_eq!(report.connections_left_out, 1);
        assert_eq!(report.events_lost, 2);
        // What belongs to no connection has its file nevertheless.
        assert_eq!(report.files, 1);
        assert!(report.failure.is_none());
    }
}
