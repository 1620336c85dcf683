//! Streams: their states, limits, flow control and final sizes (RFC 9000 §2 to §4, §19.4 to
//! §19.14).

use crate::conform::requirement::{
    Requirement,
    Side::{Client, Server},
    must, rfc, should,
};

pub(super) static ROWS: &[Requirement] = &[
    must("F04", Server, rfc(9000, "4.6"))
        .also(&[rfc(9000, "19.11")])
        .text("A stream beyond the limit that was granted closes the connection.")
        .stimulus("STREAM on a bidirectional stream beyond the limit")
        .expected("STREAM_LIMIT_ERROR"),
    must("F05", Server, rfc(9000, "4.6"))
        .also(&[rfc(9000, "19.11")])
        .text("A stream beyond the limit that was granted closes the connection.")
        .stimulus("STREAM on a unidirectional stream beyond the limit")
        .expected("STREAM_LIMIT_ERROR"),
    must("F06", Server, rfc(9000, "19.10"))
        .also(&[rfc(9000, "4.1")])
        .text("Data beyond the window of its stream closes the connection.")
        .stimulus("STREAM data beyond the window of the stream")
        .expected("FLOW_CONTROL_ERROR"),
    must("F07", Server, rfc(9000, "19.9"))
        .also(&[rfc(9000, "4.1"), rfc(9000, "4.5")])
        .text("All that streams send, up to their final sizes, counts against the connection.")
        .stimulus("RESET_STREAM whose final size goes beyond the window of the connection")
        .expected("FLOW_CONTROL_ERROR"),
    must("F08", Server, rfc(9000, "19.8"))
        .text("Data on a stream on which only the receiver sends closes the connection.")
        .stimulus("STREAM on a unidirectional stream of the receiver (id 3)")
        .expected("STREAM_STATE_ERROR"),
    must("F09", Server, rfc(9000, "19.8"))
        .text("Data on a stream that the receiver has yet to open closes the connection.")
        .stimulus("STREAM on a bidirectional stream that the receiver never opened (id 41)")
        .expected("STREAM_STATE_ERROR"),
    must("F10", Server, rfc(9000, "19.4"))
        .text("RESET_STREAM for a stream on which only the receiver sends closes the connection.")
        .stimulus("RESET_STREAM for a unidirectional stream of the receiver (id 3)")
        .expected("STREAM_STATE_ERROR"),
    must("F11", Server, rfc(9000, "19.5"))
        .text("STOP_SENDING for a stream on which only the sender sends closes the connection.")
        .stimulus("STOP_SENDING for a unidirectional stream of the sender (id 2)")
        .expected("STREAM_STATE_ERROR, or STREAM_LIMIT_ERROR where no such stream is granted"),
    must("F12", Server, rfc(9000, "19.5"))
        .text("STOP_SENDING for a stream that the receiver has yet to open closes the connection.")
        .stimulus("STOP_SENDING for a stream that the receiver never opened (id 41)")
        .expected("STREAM_STATE_ERROR"),
    must("F13", Server, rfc(9000, "19.10"))
        .text("MAX_STREAM_DATA for a stream yet to be opened by the receiver is an error.")
        .stimulus("MAX_STREAM_DATA for a stream that the receiver never opened (id 41)")
        .expected("STREAM_STATE_ERROR"),
    must("F14", Server, rfc(9000, "19.10"))
        .text("MAX_STREAM_DATA for a stream on which only the sender sends is an error.")
        .stimulus("MAX_STREAM_DATA for a unidirectional stream of the sender (id 2)")
        .expected("STREAM_STATE_ERROR, or STREAM_LIMIT_ERROR where no such stream is granted"),
    must("F15", Server, rfc(9000, "19.13"))
        .text("STREAM_DATA_BLOCKED for a stream on which only the receiver sends is an error.")
        .stimulus("STREAM_DATA_BLOCKED for a unidirectional stream of the receiver (id 3)")
        .expected("STREAM_STATE_ERROR"),
    must("F16", Server, rfc(9000, "19.11"))
        .also(&[rfc(9000, "4.6")])
        .text("Streams beyond 2^60 cannot be numbered: to grant them closes the connection.")
        .stimulus("MAX_STREAMS of 2^60+1 for bidirectional streams")
        .expected("FRAME_ENCODING_ERROR"),
    must("F17", Server, rfc(9000, "19.11"))
        .also(&[rfc(9000, "4.6")])
        .text("Streams beyond 2^60 cannot be numbered: to grant them closes the connection.")
        .stimulus("MAX_STREAMS of 2^60+1 for unidirectional streams")
        .expected("FRAME_ENCODING_ERROR"),
    must("F18", Server, rfc(9000, "19.14"))
        .text("Streams beyond 2^60 cannot be numbered: to ask for them closes the connection.")
        .stimulus("STREAMS_BLOCKED at 2^60+1")
        .expected("FRAME_ENCODING_ERROR, or STREAM_LIMIT_ERROR"),
    must("F34", Server, rfc(9000, "19.8"))
        .text("A stream ends at 2^62-1 bytes: data beyond that closes the connection.")
        .stimulus("STREAM data beyond 2^62-1")
        .expected("FLOW_CONTROL_ERROR, or FRAME_ENCODING_ERROR"),
    should("F35", Server, rfc(9000, "4.5"))
        .text("The final size of a stream does not change once it is known.")
        .stimulus("Two STREAM frames with FIN at different offsets")
        .expected("FINAL_SIZE_ERROR"),
    should("F36", Server, rfc(9000, "4.5"))
        .text("There is no data at or beyond the final size of a stream.")
        .stimulus("STREAM data beyond the final size")
        .expected("FINAL_SIZE_ERROR"),
    should("F37", Server, rfc(9000, "4.5"))
        .text("A final size is not below what has been received.")
        .stimulus("RESET_STREAM with a final size below what was received")
        .expected("FINAL_SIZE_ERROR"),
    should("F38", Server, rfc(9000, "4.5"))
        .text("The final size of a stream does not change once it is known.")
        .stimulus("RESET_STREAM with another final size than FIN gave")
        .expected("FINAL_SIZE_ERROR"),
    must("F45", Server, rfc(9000, "4.1"))
        .text("MAX_DATA that does not raise the limit is ignored.")
        .stimulus("MAX_DATA of 0")
        .expected("the connection lives on"),
    must("F46", Server, rfc(9000, "4.6"))
        .also(&[rfc(9000, "19.11")])
        .text("MAX_STREAMS that does not raise the limit is ignored.")
        .stimulus("MAX_STREAMS of 0")
        .expected("the connection lives on"),
    must("K06", Server, rfc(9000, "3.5"))
        .text("STOP_SENDING is answered by RESET_STREAM while the stream is being sent on.")
        .stimulus("STOP_SENDING on an open bidirectional stream")
        .expected("RESET_STREAM of that stream"),
    must("C15", Client, rfc(9000, "19.8"))
        .text("Data on a stream that the receiver has yet to open closes the connection.")
        .stimulus("STREAM on a bidirectional stream that the client never opened (id 40)")
        .expected("STREAM_STATE_ERROR"),
    must("C16", Client, rfc(9000, "19.8"))
        .text("Data on a stream on which only the receiver sends closes the connection.")
        .stimulus("STREAM on a unidirectional stream of the client (id 2)")
        .expected("STREAM_STATE_ERROR"),
    must("C17", Client, rfc(9000, "19.11"))
        .also(&[rfc(9000, "4.6")])
        .text("Streams beyond 2^60 cannot be numbered: to grant them closes the connection.")
        .stimulus("MAX_STREAMS of 2^60+1")
        .expected("FRAME_ENCODING_ERROR"),
];
