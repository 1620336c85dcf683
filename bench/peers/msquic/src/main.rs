//! An echo server on msquic, in its callback style: what is received is copied, and sent while
//! the next comes.

use std::{ffi::c_void, fs, mem, ptr, sync::Arc, thread};

use msquic::{
    Addr, Api, BufferRef, CertificateFile, Configuration, Connection, ConnectionEvent,
    ConnectionRef, Credential, CredentialConfig, CredentialFlags, Listener, ListenerEvent,
    ReceiveFlags, Registration, RegistrationConfig, SendFlags, Settings, Status, Stream,
    StreamEvent, StreamRef, StreamShutdownFlags,
    ffi::{
        QUIC_GLOBAL_EXECUTION_CONFIG,
        QUIC_GLOBAL_EXECUTION_CONFIG_FLAGS_QUIC_GLOBAL_EXECUTION_CONFIG_FLAG_AFFINITIZE,
        QUIC_PARAM_GLOBAL_EXECUTION_CONFIG,
    },
};
use peer_scaffold::{
    Arguments, CONNECTION_WINDOW, Failure, IDLE_TIMEOUT_S, STREAM_WINDOW, STREAMS, announce,
};

/// Bytes of an IPv6 and a UDP header: msquic counts whole IP packets.
const HEADERS: u16 = 48;

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse()?;
    keep_to_our_core()?;
    let registration = Registration::new(&RegistrationConfig::default())?;
    let alpn = [BufferRef::from("echo")];
    let configuration = Configuration::open(&registration, &alpn, Some(&settings(&arguments)?))?;
    let files = CertificateFile::new(
        arguments.key.display().to_string(),
        arguments.cert.display().to_string(),
    );
    let credential = CredentialConfig::new()
        .set_credential_flags(CredentialFlags::NO_CERTIFICATE_VALIDATION)
        .set_credential(Credential::CertificateFile(files));
    configuration.load_credential(&credential)?;
    let configuration = Arc::new(configuration);
    let listener = Listener::open(&registration, move |_, event| match event {
        ListenerEvent::NewConnection { connection, .. } => {
            connection.set_callback_handler(handle_connection);
            connection.set_configuration(&configuration)
        }
        ListenerEvent::StopComplete { .. } => Ok(()),
    })?;
    listener.start(&alpn, Some(&Addr::from(arguments.listen)))?;
    let address = listener.get_local_addr()?.as_socket();
    announce(address.ok_or("the listener has no address")?)?;
    loop {
        thread::park();
    }
}

fn settings(arguments: &Arguments) -> Result<Settings, Failure> {
    let settings = Settings::new()
        .set_IdleTimeoutMs(IDLE_TIMEOUT_S * 1_000)
        .set_PeerBidiStreamCount(STREAMS.try_into()?)
        .set_StreamRecvWindowDefault(STREAM_WINDOW.try_into()?)
        .set_ConnFlowControlWindow(CONNECTION_WINDOW.try_into()?)
        .set_MaximumMtu(arguments.send_payload_max.saturating_add(HEADERS));
    Ok(match arguments.datagrams {
        true => settings.set_DatagramReceiveEnabled(),
        false => settings,
    })
}

/// Tells msquic to work on the core that we were given. It would take every core of the machine,
/// and pin a thread to each, whatever we were given.
fn keep_to_our_core() -> Result<(), Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let mut lines = status.lines();
    let list = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let Some(Ok(core)) = list.map(|list| list.trim().parse()) else {
        // More than one core: as msquic likes it.
        return Ok(());
    };
    let config = QUIC_GLOBAL_EXECUTION_CONFIG {
        Flags: QUIC_GLOBAL_EXECUTION_CONFIG_FLAGS_QUIC_GLOBAL_EXECUTION_CONFIG_FLAG_AFFINITIZE,
        PollingIdleTimeoutUs: 0,
        ProcessorCount: 1,
        ProcessorList: [core],
    };
    // The call below is the first, and needs msquic's table of functions.
    Api::get_ffi();
    // SAFETY: the configuration is of the type that the parameter has, and is copied.
    unsafe {
        Api::set_param(
            ptr::null_mut(),
            QUIC_PARAM_GLOBAL_EXECUTION_CONFIG,
            mem::size_of_val(&config) as u32,
            ptr::from_ref(&config).cast(),
        )?;
    }
    Ok(())
}

fn handle_connection(connection: ConnectionRef, event: ConnectionEvent<'_>) -> Result<(), Status> {
    match event {
        ConnectionEvent::PeerStreamStarted { stream, .. } => {
            stream.set_callback_handler(handle_stream);
        }
        ConnectionEvent::DatagramReceived { buffer, .. } => {
            let sending = Sending::of(std::slice::from_ref(buffer));
            // SAFETY: what is sent lives until the state of the datagram is final.
            let sent = unsafe {
                connection.datagram_send(&sending.buffer, SendFlags::NONE, sending.context())
            };
            sending.leave_if(sent.is_ok());
        }
        ConnectionEvent::DatagramSendStateChanged {
            client_context,
            state,
        } if is_final(&state) => Sending::take_back(client_context),
        ConnectionEvent::ShutdownComplete { .. } => {
            // SAFETY: the last event; nobody else closes the handle.
            drop(unsafe { Connection::from_raw(connection.as_raw()) });
        }
        _ => {}
    }
    Ok(())
}

/// Tells whether msquic lets go of a datagram's memory.
fn is_final(state: &msquic::DatagramSendState) -> bool {
    use msquic::DatagramSendState::{Acknowledged, AcknowledgedSpurious, Canceled, LostDiscarded};
    matches!(
        state,
        Acknowledged | AcknowledgedSpurious | Canceled | LostDiscarded
    )
}

fn handle_stream(stream: StreamRef, event: StreamEvent<'_>) -> Result<(), Status> {
    match event {
        StreamEvent::Receive { buffers, flags, .. } => {
            let sending = Sending::of(buffers);
            let flags = match flags.contains(ReceiveFlags::FIN) {
                true => SendFlags::FIN,
                false => SendFlags::NONE,
            };
            // SAFETY: what is sent lives until SendComplete.
            let sent = unsafe { stream.send(&sending.buffer, flags, sending.context()) };
            sending.leave_if(sent.is_ok());
        }
        StreamEvent::SendComplete { client_context, .. } => Sending::take_back(client_context),
        StreamEvent::PeerSendAborted { error_code } => {
            // The stream may be gone already.
            let _ = stream.shutdown(StreamShutdownFlags::ABORT, error_code);
        }
        StreamEvent::ShutdownComplete { .. } => {
            // SAFETY: the last event; nobody else closes the handle.
            drop(unsafe { Stream::from_raw(stream.as_raw()) });
        }
        _ => {}
    }
    Ok(())
}

/// Memory that msquic reads until it says that it has done so.
struct Sending {
    buffer: [BufferRef; 1],
    _bytes: Vec<u8>,
}

impl Sending {
    fn of(buffers: &[BufferRef]) -> Box<Self> {
        let bytes = buffers.iter().flat_map(|it| it.as_bytes());
        let bytes: Vec<u8> = bytes.copied().collect();
        Box::new(Self {
            buffer: [BufferRef::from(bytes.as_slice())],
            _bytes: bytes,
        })
    }

    fn context(&self) -> *const c_void {
        ptr::from_ref(self).cast()
    }

    /// Leaves the memory to msquic if it has taken it.
    fn leave_if(self: Box<Self>, is_taken: bool) {
        if is_taken {
            let _ = Box::into_raw(self);
        }
    }

    fn take_back(context: *const c_void) {
        // SAFETY: msquic gives back what `leave_if` has left, once.
        drop(unsafe { Box::from_raw(context.cast_mut().cast::<Self>()) });
    }
}
