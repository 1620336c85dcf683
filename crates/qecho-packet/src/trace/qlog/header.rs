//! The record that begins a file (main schema §5).

use super::{
    Form, qvis,
    record::Records,
    value::{hex, object},
};
use crate::{Side, wire::ConnectionId};

/// Writes the header of a connection's file, or of the endpoint's. A connection is known by its
/// number and by its original destination connection ID, which is empty if nobody has seen how
/// it began.
pub(super) fn write(
    program: &str,
    side: Side,
    connection: Option<(u64, ConnectionId)>,
    records: &mut Records,
) {
    let side = side_name(side);
    let original = connection.map(|(_, original)| original);
    let original = original.filter(|original| !original.is_empty());
    let title = match (original, connection) {
        (Some(original), _) => format!("{program}: connection {original}, seen by the {side}"),
        (None, Some((number, _))) => {
            format!(
                "{program}: connection {number}, whose beginning is missing, seen by the {side}"
            )
        }
        (None, None) => format!("{program}: what belongs to no connection, seen by the {side}"),
    };
    if records.form() == Form::Qvis {
        let group_id = original.map(|original| original.to_string());
        records.push(&qvis::header(&title, program, side, group_id));
        return;
    }
    records.push(&object! {
        file_schema: "urn:ietf:params:qlog:file:sequential",
        serialization_format: "application/qlog+json-seq",
        title: title,
        trace: object! {
            vantage_point: object! { name: program, r#type: side },
            common_fields: object! {
                // The connection ID by which the draft advises to group (§7.3).
                group_id?: original.as_deref().map(hex),
                time_format: "relative_to_epoch",
                // wall_clock_time is for an unknown epoch alone (§7.1).
                reference_time: object! {
                    clock_type: "system", epoch: "1970-01-01T00:00:00.000Z",
                },
            },
            // Drafts of the QUIC events carry their number (§2.1), those of the
            // main schema none.
            event_schemas: [
                "urn:ietf:params:qlog:events:quic-13",
                "urn:ietf:params:qlog:events:loglevel",
            ],
        },
    });
}

/// Returns the name of a side, as qlog has it.
pub(super) fn side_name(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Server => "server",
    }
}
