//! Lies, one or more for each rule, and others with which a handshake cannot go on.

use std::sync::Arc;

use qecho_peer::tls::{
    Certificate, CertificateRequest, CertificateVerify, ClientHello, Edit, Extension, Level,
    Message, NewSessionTicket, ServerHello, TlsRule, extension_type as kind,
};

/// What both sides do before or beside a lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scene {
    Plain,
    Retry,
    EarlyData,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Liar {
    Client,
    Server,
}

/// The way in which a side lies.
pub(crate) enum Way {
    /// It changes its messages.
    Edit(Edit),
    /// It sends a message before the handshake.
    Before(Level, Message),
    /// It sends a message after the handshake.
    After(Level, Message),
}

/// Breach by a lie: a rule, or a handshake, whose error has a code then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Breach {
    Rule(TlsRule),
    Handshake(u64),
}

impl Breach {
    pub(crate) fn rule(self) -> Option<TlsRule> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::Handshake(_) => None,
        }
    }

    pub(crate) fn code(self) -> u64 {
        match self {
            Self::Rule(rule) => rule.code(),
            Self::Handshake(code) => code,
        }
    }
}

impl From<TlsRule> for Breach {
    fn from(rule: TlsRule) -> Self {
        Self::Rule(rule)
    }
}

impl From<u64> for Breach {
    fn from(code: u64) -> Self {
        Self::Handshake(code)
    }
}

pub(crate) struct Lie {
    pub(crate) breach: Breach,
    pub(crate) scene: Scene,
    pub(crate) liar: Liar,
    pub(crate) way: Way,
}

/// TLS alerts as QUIC error codes (RFC 8446 §6, RFC 9001 §4.8).
const UNEXPECTED_MESSAGE: u64 = 0x10a;
const BAD_CERTIFICATE: u64 = 0x12a;
const ILLEGAL_PARAMETER: u64 = 0x12f;
const DECODE_ERROR: u64 = 0x132;
const DECRYPT_ERROR: u64 = 0x133;

use Liar::{Client, Server};
use Way::{After, Before};

impl Lie {
    fn new(breach: impl Into<Breach>, liar: Liar, way: Way) -> Self {
        Self {
            breach: breach.into(),
            scene: Scene::Plain,
            liar,
            way,
        }
    }

    fn edit(
        breach: impl Into<Breach>,
        liar: Liar,
        edit: impl Fn(&mut Message) + Send + Sync + 'static,
    ) -> Self {
        Self::new(breach, liar, Way::Edit(Arc::new(edit)))
    }

    fn on(self, scene: Scene) -> Self {
        Self { scene, ..self }
    }

    /// Returns the change of messages that it consists of.
    pub(crate) fn edit_of_messages(&self) -> Option<Edit> {
        match &self.way {
            Way::Edit(edit) => Some(edit.clone()),
            Before(..) | After(..) => None,
        }
    }
}

/// Changes one kind of message.
macro_rules! edits {
    ($($name:ident, $liar:ident, $variant:ident, $type:ty, $if:expr;)*) => {$(
        fn $name(
            breach: impl Into<Breach>,
            change: impl Fn(&mut $type) + Send + Sync + 'static,
        ) -> Lie {
            Lie::edit(breach, $liar, move |message| match message {
                Message::$variant(content) if $if(content) => change(content),
                _ => {}
            })
        }
    )*};
}

edits! {
    client_hello, Client, ClientHello, ClientHello, |_: &_| true;
    client_finished, Client, Finished, Vec<u8>, |_: &_| true;
    server_hello, Server, ServerHello, ServerHello, |hello: &ServerHello| !hello.is_retry_request();
    encrypted_extensions, Server, EncryptedExtensions, Vec<Extension>, |_: &_| true;
    certificate, Server, Certificate, Certificate, |_: &_| true;
    certificate_verify, Server, CertificateVerify, CertificateVerify, |_: &_| true;
    server_finished, Server, Finished, Vec<u8>, |_: &_| true;
}

fn remove(extensions: &mut Vec<Extension>, kind: u16) {
    extensions.retain(|(other, _)| *other != kind);
}

fn change(extensions: &mut [Extension], kind: u16, change: impl FnOnce(&mut Vec<u8>)) {
    let mut all = extensions.iter_mut();
    let (_, content) = all.find(|(other, _)| *other == kind).expect("it is there");
    change(content);
}

fn set(extensions: &mut [Extension], kind: u16, content: &[u8]) {
    change(extensions, kind, |old| *old = content.to_vec());
}

pub(crate) fn lies() -> Vec<Lie> {
    let parts = [
        order(),
        offers(),
        choices(),
        answers(),
        retries(),
        sessions(),
        identities(),
    ];
    parts.into_iter().flatten().collect()
}

fn order() -> Vec<Lie> {
    let update = Message::KeyUpdate(0);
    let finished = Message::Finished(vec![0; 32]);
    let ticket = Message::NewSessionTicket(NewSessionTicket {
        ticket: vec![1],
        extensions: vec![(kind::EARLY_DATA, 16_384_u32.to_be_bytes().to_vec())],
        ..NewSessionTicket::default()
    });
    let request = Message::CertificateRequest(CertificateRequest::default());
    let after =
        |rule, liar, level, message: &Message| Lie::new(rule, liar, After(level, message.clone()));
    vec![
        Lie::new(
            TlsRule::LaterLevel,
            Client,
            Before(Level::OneRtt, finished.clone()),
        ),
        after(TlsRule::EarlierLevel, Client, Level::Handshake, &update),
        after(TlsRule::EarlierLevel, Server, Level::Initial, &update),
        after(TlsRule::Order, Client, Level::OneRtt, &finished),
        Lie::edit(TlsRule::Order, Server, |message| {
            if matches!(message, Message::Certificate(_)) {
                *message = Message::None;
            }
        }),
        after(TlsRule::KeyUpdate, Client, Level::OneRtt, &update),
        after(TlsRule::KeyUpdate, Server, Level::OneRtt, &update),
        Lie::new(
            TlsRule::EndOfEarlyData,
            Client,
            Before(Level::Handshake, Message::EndOfEarlyData),
        ),
        after(
            TlsRule::PostHandshakeRequest,
            Server,
            Level::OneRtt,
            &request,
        ),
        after(TlsRule::TicketEarlyData, Server, Level::OneRtt, &ticket),
    ]
}

fn offers() -> Vec<Lie> {
    vec![
        client_hello(TlsRule::Version, |hello| {
            set(&mut hello.extensions, kind::SUPPORTED_VERSIONS, &[2, 3, 3]);
        }),
        client_hello(TlsRule::SessionId, |hello| hello.session_id = vec![1; 32]),
        client_hello(TlsRule::TransportParameters, |hello| {
            remove(&mut hello.extensions, kind::QUIC_TRANSPORT_PARAMETERS);
        }),
        client_hello(TlsRule::AlpnAgreed, |hello| {
            set(&mut hello.extensions, kind::ALPN, b"\x00\x03\x02no");
        }),
    ]
}

/// Lies in a ServerHello, whose extensions are supported_versions, key_share and pre_shared_key.
fn choices() -> Vec<Lie> {
    vec![
        server_hello(TlsRule::Version, |hello| {
            remove(&mut hello.extensions, kind::SUPPORTED_VERSIONS);
        }),
        server_hello(TlsRule::Version, |hello| {
            hello.extensions[0].1 = vec![3, 5];
        }),
        server_hello(ILLEGAL_PARAMETER, |hello| hello.suite = 0x1304),
        server_hello(ILLEGAL_PARAMETER, |hello| {
            hello.extensions[1].1[1] = 0x17;
        }),
        server_hello(ILLEGAL_PARAMETER, |hello| {
            remove(&mut hello.extensions, kind::KEY_SHARE);
        }),
    ]
}

fn answers() -> Vec<Lie> {
    vec![
        encrypted_extensions(TlsRule::UnsolicitedExtension, |list| {
            list.push((0x4a4a, vec![]))
        }),
        encrypted_extensions(TlsRule::TransportParameters, |list| {
            remove(list, kind::QUIC_TRANSPORT_PARAMETERS);
        }),
        encrypted_extensions(TlsRule::AlpnAgreed, |list| remove(list, kind::ALPN)),
        encrypted_extensions(TlsRule::AlpnOffered, |list| {
            set(list, kind::ALPN, b"\x00\x03\x02no");
        }),
    ]
}

fn retries() -> Vec<Lie> {
    let second = server_hello(UNEXPECTED_MESSAGE, |hello| {
        hello.random = ServerHello::RETRY_RANDOM;
        hello.extensions[1].1.truncate(2);
    });
    vec![second.on(Scene::Retry)]
}

fn sessions() -> Vec<Lie> {
    let lies = [
        client_hello(DECRYPT_ERROR, |hello| {
            change(&mut hello.extensions, kind::PRE_SHARED_KEY, |content| {
                *content.last_mut().expect("a binder") = 1;
            });
        }),
        server_hello(ILLEGAL_PARAMETER, |hello| {
            hello.extensions[2].1 = vec![0, 1]
        }),
    ];
    lies.into_iter()
        .map(|lie| lie.on(Scene::EarlyData))
        .collect()
}

fn identities() -> Vec<Lie> {
    vec![
        certificate(DECODE_ERROR, |shown| shown.entries.clear()),
        certificate(BAD_CERTIFICATE, |shown| shown.entries[0].0 = vec![1, 2, 3]),
        certificate_verify(DECRYPT_ERROR, |verify| verify.signature[20] ^= 1),
        server_finished(TlsRule::Finished, |data| data[0] ^= 1),
        client_finished(TlsRule::Finished, |data| data[0] ^= 1),
    ]
}
