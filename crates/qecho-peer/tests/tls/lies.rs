//! Lies, one or more for each rule: the ways in which one side breaks it.

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
    RetryWithCookie,
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

pub(crate) struct Lie {
    pub(crate) rule: TlsRule,
    pub(crate) scene: Scene,
    pub(crate) liar: Liar,
    pub(crate) way: Way,
}

use Liar::{Client, Server};
use Way::{After, Before};

impl Lie {
    fn new(rule: TlsRule, liar: Liar, way: Way) -> Self {
        Self {
            rule,
            scene: Scene::Plain,
            liar,
            way,
        }
    }

    fn edit(
        rule: TlsRule,
        liar: Liar,
        edit: impl Fn(&mut Message) + Send + Sync + 'static,
    ) -> Self {
        Self::new(rule, liar, Way::Edit(Arc::new(edit)))
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
        fn $name(rule: TlsRule, change: impl Fn(&mut $type) + Send + Sync + 'static) -> Lie {
            Lie::edit(rule, $liar, move |message| match message {
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
    retry_request, Server, ServerHello, ServerHello, ServerHello::is_retry_request;
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

/// Writes what stands in a list behind its two bytes of length twice.
fn double(list: &mut Vec<u8>) {
    let items = list.split_off(2);
    *list = (2 * items.len() as u16).to_be_bytes().to_vec();
    list.extend([items.clone(), items].concat());
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
        client_hello(TlsRule::Compression, |hello| hello.compression = vec![1, 0]),
        client_hello(TlsRule::DuplicateExtension, |hello| {
            hello.extensions.push(hello.extensions[0].clone());
        }),
        client_hello(TlsRule::MisplacedExtension, |hello| {
            hello.extensions.push((kind::OID_FILTERS, vec![0, 0]));
        }),
        client_hello(TlsRule::RequiredExtension, |hello| {
            remove(&mut hello.extensions, kind::KEY_SHARE);
        }),
        client_hello(TlsRule::TransportParameters, |hello| {
            remove(&mut hello.extensions, kind::QUIC_TRANSPORT_PARAMETERS);
        }),
        client_hello(TlsRule::AlpnAgreed, |hello| {
            set(&mut hello.extensions, kind::ALPN, b"\x00\x03\x02no");
        }),
        client_hello(TlsRule::DuplicateShare, |hello| {
            change(&mut hello.extensions, kind::KEY_SHARE, double);
        }),
        client_hello(TlsRule::ShareSupported, |hello| {
            set(
                &mut hello.extensions,
                kind::SUPPORTED_GROUPS,
                &[0, 2, 0, 0x17],
            );
        }),
    ]
}

/// Lies in a ServerHello, whose extensions are supported_versions, key_share and pre_shared_key.
fn choices() -> Vec<Lie> {
    vec![
        server_hello(TlsRule::Version, |hello| {
            remove(&mut hello.extensions, kind::SUPPORTED_VERSIONS);
        }),
        server_hello(TlsRule::SelectedVersion, |hello| {
            hello.extensions[0].1 = vec![3, 5];
        }),
        server_hello(TlsRule::SessionIdEcho, |hello| hello.session_id = vec![1]),
        server_hello(TlsRule::Compression, |hello| hello.compression = 1),
        server_hello(TlsRule::SuiteOffered, |hello| hello.suite = 0x1304),
        server_hello(TlsRule::ShareOffered, |hello| {
            hello.extensions[1].1[1] = 0x17;
        }),
        server_hello(TlsRule::RequiredExtension, |hello| {
            remove(&mut hello.extensions, kind::KEY_SHARE);
        }),
        server_hello(TlsRule::MisplacedExtension, |hello| {
            hello
                .extensions
                .push((kind::ALPN, b"\x00\x05\x04echo".to_vec()));
        }),
    ]
}

fn answers() -> Vec<Lie> {
    vec![
        encrypted_extensions(TlsRule::UnsolicitedExtension, |list| {
            list.push((0x4a4a, vec![]))
        }),
        encrypted_extensions(TlsRule::DuplicateExtension, |list| {
            list.push(list[0].clone())
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
    let to_the_server = vec![
        client_hello(TlsRule::SecondHello, |hello| {
            if hello.extension(kind::COOKIE).is_some() {
                hello.extensions.push((0x4a4a, vec![]));
            }
        }),
        client_hello(TlsRule::RetryAnswered, |hello| {
            remove(&mut hello.extensions, kind::COOKIE);
        }),
    ];
    let to_the_client = vec![
        server_hello(TlsRule::SuiteAfterRetry, |hello| hello.suite = 0x1302),
        server_hello(TlsRule::SecondRetry, |hello| {
            hello.random = ServerHello::RETRY_RANDOM;
            hello.extensions[1].1.truncate(2);
        }),
        retry_request(TlsRule::RetryChanges, |hello| {
            remove(&mut hello.extensions, kind::KEY_SHARE);
        }),
        // X25519, of which there was a share.
        retry_request(TlsRule::RetryGroup, |hello| {
            set(&mut hello.extensions, kind::KEY_SHARE, &[0, 0x1d]);
        }),
        // X25519MLKEM768, which was not offered.
        retry_request(TlsRule::RetryGroup, |hello| {
            set(&mut hello.extensions, kind::KEY_SHARE, &[0x11, 0xec]);
        }),
    ];
    let to_the_server = to_the_server
        .into_iter()
        .map(|lie| lie.on(Scene::RetryWithCookie));
    let to_the_client = to_the_client.into_iter().map(|lie| lie.on(Scene::Retry));
    to_the_server.chain(to_the_client).collect()
}

fn sessions() -> Vec<Lie> {
    let lies = [
        client_hello(TlsRule::PskLast, |hello| {
            hello.extensions.push((0x4a4a, vec![]))
        }),
        client_hello(TlsRule::BinderCount, |hello| {
            change(&mut hello.extensions, kind::PRE_SHARED_KEY, |content| {
                let identities = 2 + usize::from(u16::from_be_bytes([content[0], content[1]]));
                let mut binders = content.split_off(identities);
                double(&mut binders);
                content.extend(binders);
            });
        }),
        client_hello(TlsRule::Binder, |hello| {
            change(&mut hello.extensions, kind::PRE_SHARED_KEY, |content| {
                *content.last_mut().expect("a binder") = 1;
            });
        }),
        server_hello(TlsRule::SelectedPsk, |hello| {
            hello.extensions[2].1 = vec![0, 1]
        }),
        server_hello(TlsRule::EarlyDataAccepted, |hello| {
            hello.extensions.truncate(2)
        }),
    ];
    lies.into_iter()
        .map(|lie| lie.on(Scene::EarlyData))
        .collect()
}

fn identities() -> Vec<Lie> {
    vec![
        certificate(TlsRule::CertificateContext, |shown| shown.context = vec![1]),
        certificate(TlsRule::CertificateShown, |shown| shown.entries.clear()),
        certificate(TlsRule::CertificateTrusted, |shown| {
            shown.entries[0].0 = vec![1, 2, 3]
        }),
        certificate_verify(TlsRule::SchemeOffered, |verify| verify.scheme = 0x0203),
        certificate_verify(TlsRule::Signature, |verify| verify.signature[20] ^= 1),
        server_finished(TlsRule::Finished, |data| data[0] ^= 1),
        client_finished(TlsRule::Finished, |data| data[0] ^= 1),
    ]
}
