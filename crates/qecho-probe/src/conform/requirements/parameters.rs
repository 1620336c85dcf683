//! Transport parameters (RFC 9000 §7.3, §7.4, §18).

use qecho_packet::{
    TransportParameters,
    close::{PROTOCOL_VIOLATION, TRANSPORT_PARAMETER_ERROR},
};
use qecho_peer::{
    endpoint::{Parameters, integer_value},
    tls::extension_type::QUIC_TRANSPORT_PARAMETERS,
};

use crate::conform::{
    Expected,
    requirement::{
        Requirement,
        Side::{Client, Server},
        must, rfc, should,
    },
};

pub(super) static ROWS: &[Requirement] = &[
    must("P01", Server, rfc(9000, "7.3"))
        .of_clients("C04")
        .text("A handshake without initial_source_connection_id fails.")
        .stimulus("No initial_source_connection_id")
        .expected("TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            run.refuses_parameters(|all| {
                all.retain(|(id, _)| *id != TransportParameters::INITIAL_SOURCE_CONNECTION_ID)
            })
        }),
    must("P02", Server, rfc(9000, "7.3"))
        .of_clients("C92")
        .text("initial_source_connection_id is the one of the first Initial packet of its sender.")
        .stimulus("initial_source_connection_id of another value")
        .expected("PROTOCOL_VIOLATION, or TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            let other = |all: &mut Parameters| {
                set(
                    all,
                    TransportParameters::INITIAL_SOURCE_CONNECTION_ID,
                    &[0xa5; 8],
                );
            };
            run.parameters(other, VIOLATION_OR_PARAMETER)
        }),
    must("P03", Server, rfc(9000, "18.2"))
        .text("original_destination_connection_id of a client closes the connection.")
        .stimulus("Client that sends original_destination_connection_id")
        .expected("TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            run.refuses_parameters(|all| {
                set(
                    all,
                    TransportParameters::ORIGINAL_DESTINATION_CONNECTION_ID,
                    &[0xa5; 8],
                )
            })
        }),
    must("P04", Server, rfc(9000, "18.2"))
        .text("preferred_address of a client closes the connection.")
        .stimulus("Client that sends preferred_address")
        .expected("TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            run.refuses_parameters(|all| {
                set(
                    all,
                    TransportParameters::PREFERRED_ADDRESS,
                    &PREFERRED_ADDRESS,
                )
            })
        }),
    must("P05", Server, rfc(9000, "18.2"))
        .text("retry_source_connection_id of a client closes the connection.")
        .stimulus("Client that sends retry_source_connection_id")
        .expected("TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            run.refuses_parameters(|all| {
                set(
                    all,
                    TransportParameters::RETRY_SOURCE_CONNECTION_ID,
                    &[0xa5; 8],
                )
            })
        }),
    must("P06", Server, rfc(9000, "18.2"))
        .text("stateless_reset_token of a client closes the connection.")
        .stimulus("Client that sends stateless_reset_token")
        .expected("TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            run.refuses_parameters(|all| {
                set(all, TransportParameters::STATELESS_RESET_TOKEN, &[0xa5; 16])
            })
        }),
    must("P07", Server, rfc(9000, "18.2"))
        .of_clients("C06")
        .also(&[rfc(9000, "7.4")])
        .text("max_udp_payload_size is at least 1200; an invalid value closes the connection.")
        .stimulus("max_udp_payload_size of 1199")
        .expected("TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            run.refuses_parameters(|all| {
                set_integer(all, TransportParameters::MAX_UDP_PAYLOAD_SIZE, 1_199)
            })
        }),
    must("P08", Server, rfc(9000, "18.2"))
        .of_clients("C10")
        .also(&[rfc(9000, "7.4")])
        .text("ack_delay_exponent is at most 20; an invalid value closes the connection.")
        .stimulus("ack_delay_exponent of 21")
        .expected("TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            run.refuses_parameters(|all| {
                set_integer(all, TransportParameters::ACK_DELAY_EXPONENT, 21)
            })
        }),
    must("P09", Server, rfc(9000, "18.2"))
        .of_clients("C93")
        .also(&[rfc(9000, "7.4")])
        .text("max_ack_delay is below 2^14; an invalid value closes the connection.")
        .stimulus("max_ack_delay of 2^14")
        .expected("TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            run.refuses_parameters(|all| {
                set_integer(all, TransportParameters::MAX_ACK_DELAY, 1 << 14)
            })
        }),
    must("P10", Server, rfc(9000, "18.2"))
        .of_clients("C07")
        .text("active_connection_id_limit is at least 2; a lower value closes the connection.")
        .stimulus("active_connection_id_limit of 1")
        .expected("TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            run.refuses_parameters(|all| {
                set_integer(all, TransportParameters::ACTIVE_CONNECTION_ID_LIMIT, 1)
            })
        }),
    must("P11", Server, rfc(9000, "4.6"))
        .of_clients("C94")
        .also(&[rfc(9000, "18.2")])
        .text("Streams beyond 2^60 cannot be numbered: to grant them closes the connection.")
        .stimulus("initial_max_streams_bidi of 2^60+1")
        .expected("TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            run.refuses_parameters(|all| {
                set_integer(
                    all,
                    TransportParameters::INITIAL_MAX_STREAMS_BIDI,
                    (1 << 60) + 1,
                )
            })
        }),
    must("P12", Server, rfc(9000, "4.6"))
        .of_clients("C95")
        .also(&[rfc(9000, "18.2")])
        .text("Streams beyond 2^60 cannot be numbered: to grant them closes the connection.")
        .stimulus("initial_max_streams_uni of 2^60+1")
        .expected("TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            run.refuses_parameters(|all| {
                set_integer(
                    all,
                    TransportParameters::INITIAL_MAX_STREAMS_UNI,
                    (1 << 60) + 1,
                )
            })
        }),
    should("P13", Server, rfc(9000, "7.4"))
        .of_clients("C09")
        .text("A parameter that comes twice closes the connection.")
        .stimulus("One parameter twice")
        .expected("TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            run.refuses_parameters(|all| {
                let first = all[0].clone();
                all.push(first);
            })
        }),
    must("P14", Server, rfc(9000, "7.4"))
        .of_clients("C96")
        .also(&[rfc(9000, "18")])
        .text("Parameters that cannot be read close the connection.")
        .stimulus("List of parameters that is cut off")
        .expected("TRANSPORT_PARAMETER_ERROR, or 0x132 (decode_error)")
        .script(|run| {
            /// An unknown parameter of four bytes, of which one is there.
            const CUT_OFF: [u8; 3] = [0x1f, 4, 0];
            let expected = Expected::close(&[TRANSPORT_PARAMETER_ERROR, DECODE_ERROR]);
            run.extensions(
                |extensions| {
                    for (id, content) in extensions {
                        if *id == QUIC_TRANSPORT_PARAMETERS {
                            content.extend(CUT_OFF);
                        }
                    }
                },
                expected,
            )
        }),
    must("P15", Server, rfc(9000, "7.4.2"))
        .of_clients("C97")
        .text("Parameters that are not known are ignored.")
        .stimulus("Unknown and reserved parameters")
        .expected("the connection lives on")
        .script(|run| {
            let unknown = |all: &mut Parameters| {
                // RFC 9000 §18.1 reserves 31 * N + 27; the last one is merely unknown.
                let ids = [27, 31 * 1_000 + 27, (1 << 62) - 5];
                all.extend(ids.map(|id| (id, vec![0xa5; 5])));
            };
            run.parameters(unknown, Expected::lives_on())
        }),
    must("P16", Server, rfc(9000, "7.4"))
        .of_clients("C98")
        .also(&[rfc(9000, "18.2")])
        .text("disable_active_migration has no value; an invalid value closes the connection.")
        .stimulus("disable_active_migration with a value")
        .expected("TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            run.refuses_parameters(|all| {
                set(all, TransportParameters::DISABLE_ACTIVE_MIGRATION, &[1])
            })
        }),
    must("P17", Server, rfc(9000, "7.4"))
        .of_clients("C99")
        .also(&[rfc(9000, "18.2")])
        .text("An integer parameter has nothing behind its integer; more closes the connection.")
        .stimulus("Integer parameter that is longer than its integer")
        .expected("TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            run.refuses_parameters(|all| {
                let mut value = integer_value(1 << 20);
                value.push(0);
                set(all, TransportParameters::INITIAL_MAX_DATA, &value);
            })
        }),
    must("C02", Client, rfc(9000, "7.3"))
        .text("A handshake without original_destination_connection_id fails.")
        .stimulus("Server that leaves original_destination_connection_id out")
        .expected("TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            run.refuses_parameters(|all| {
                all.retain(|(id, _)| *id != TransportParameters::ORIGINAL_DESTINATION_CONNECTION_ID)
            })
        }),
    must("C03", Client, rfc(9000, "7.3"))
        .text("original_destination_connection_id is the ID to which the client first sent.")
        .stimulus("Server with a wrong original_destination_connection_id")
        .expected("PROTOCOL_VIOLATION, or TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            run.parameters(
                |all| {
                    set(
                        all,
                        TransportParameters::ORIGINAL_DESTINATION_CONNECTION_ID,
                        &[0xa5; 8],
                    )
                },
                VIOLATION_OR_PARAMETER,
            )
        }),
    must("C05", Client, rfc(9000, "7.3"))
        .text("retry_source_connection_id without a Retry closes the connection.")
        .stimulus("retry_source_connection_id without a Retry")
        .expected("PROTOCOL_VIOLATION, or TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            run.parameters(
                |all| {
                    set(
                        all,
                        TransportParameters::RETRY_SOURCE_CONNECTION_ID,
                        &[0xa5; 8],
                    )
                },
                VIOLATION_OR_PARAMETER,
            )
        }),
    must("C08", Client, rfc(9000, "18.2"))
        .text("A preferred address has a connection ID; one without closes the connection.")
        .stimulus("preferred_address with a connection ID of no bytes")
        .expected("TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            run.refuses_parameters(|all| {
                set(
                    all,
                    TransportParameters::PREFERRED_ADDRESS,
                    &[0; 24 + 1 + 16],
                )
            })
        }),
];

const VIOLATION_OR_PARAMETER: Expected =
    Expected::close(&[PROTOCOL_VIOLATION, TRANSPORT_PARAMETER_ERROR]);

/// TLS alert decode_error (RFC 8446 §6).
const DECODE_ERROR: u64 = 0x132;

/// A preferred address without addresses, with a connection ID of 8 bytes (RFC 9000 §18.2).
const PREFERRED_ADDRESS: [u8; 49] = {
    let mut value = [0; 49];
    value[24] = 8;
    value
};

/// Sets a parameter in place of the one that was there, if there was one.
pub(super) fn set(all: &mut Parameters, id: u64, value: &[u8]) {
    all.retain(|(other, _)| *other != id);
    all.push((id, value.to_vec()));
}

/// The same, for an integer.
fn set_integer(all: &mut Parameters, id: u64, value: u64) {
    set(all, id, &integer_value(value));
}
