//! `qecho client`.

mod messages;
mod pipe;
mod prompt;
mod reporter;
mod screen;
mod terminal;
mod typed;

use std::{
    io::{self, IsTerminal},
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
    time::Duration,
};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use qecho_echo::client::{self, Client, ClientEvent, Command, Message, Mode};
use qecho_engine::{Side, config::Transport};
use rustls::client::ResolvesClientCert;

use self::{reporter::Reporter, screen::Screen, terminal::Terminal};
use super::{observing::Observing, resolve, signals, trust};
use crate::{
    args::{ClientArguments, Format, OverArgument},
    exit::{ExitStatus, Failure},
};

/// Time for which a pipe may stand still: a network that is gone for a while
/// must not end a long transfer.
const PIPE_PATIENCE: Duration = Duration::from_secs(60);

/// Something that the client's command has to react to.
enum CommandEvent {
    /// The client tells something.
    Client(ClientEvent),
    /// A person typed a line.
    Line(String),
    /// Nothing more will be typed.
    EndOfInput,
    /// The input cannot be sent.
    BadInput(anyhow::Error),
    /// All that came back was written, or cannot be.
    Written(io::Result<()>),
    /// A signal came, or Ctrl-C at the prompt.
    Signal(ExitStatus),
}

/// Source of the messages or bytes that are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InputSource {
    /// The command line.
    Messages,
    /// A person at a prompt.
    Prompt,
    /// Stdin, a message for each line.
    Lines,
    /// Stdin, byte for byte.
    Bytes,
}

impl InputSource {
    fn of(arguments: &ClientArguments) -> Self {
        let typed = io::stdin().is_terminal();
        let by_bytes = matches!(arguments.over, OverArgument::Stream | OverArgument::Uni);
        // A person who types while stdout goes elsewhere sees no prompt, and
        // where stdout carries something else, lines are messages.
        let taken = arguments.format == Format::Json || arguments.observe.capture.is_stdout();
        let by_lines = typed && taken && !arguments.verify;
        if !arguments.messages.is_empty() {
            Self::Messages
        } else if typed && io::stdout().is_terminal() {
            Self::Prompt
        } else if by_bytes && !by_lines {
            Self::Bytes
        } else {
            Self::Lines
        }
    }

    /// Returns how long the peer may take with an answer.
    fn patience(self, timeout: Option<Duration>) -> Option<Duration> {
        match self {
            // A person may think for as long as they like, and so may a server.
            Self::Prompt => None,
            Self::Bytes => Some(timeout.unwrap_or(PIPE_PATIENCE)),
            Self::Messages | Self::Lines => Some(timeout.unwrap_or(client::TIMEOUT)),
        }
    }
}

/// Runs the client as a prompt, a pipe or for the messages that were given.
pub(super) fn run(arguments: ClientArguments) -> Result<ExitStatus, Failure> {
    let input = InputSource::of(&arguments);
    check(&arguments, input)?;
    let idle_timeout = Transport::default().idle_timeout;
    let screen = Screen::default();
    if input == InputSource::Prompt {
        terminal::prepare(&screen)?;
    }
    let lines = screen.clone();
    let observing = Observing::start(&arguments.observe, Side::Client, idle_timeout, lines)?;
    let ending = connect(&arguments, input, &screen, &observing);
    observing.finish();
    ending
}

fn connect(
    arguments: &ClientArguments,
    input: InputSource,
    screen: &Screen,
    observing: &Observing,
) -> Result<ExitStatus, Failure> {
    let verifier = trust::verifier(&arguments.dial)?;
    let identity = trust::identity(arguments.cert.as_deref(), arguments.key.as_deref())?;
    let target = resolve::target(&arguments.server)?;
    let mut config = client::Config::new(target, verifier.clone());
    config.transport = config
        .transport
        .with_udp_payload_max(arguments.udp_payload_max.0);
    config.alpn = arguments.dial.alpn.clone();
    config.identity = identity.map(|identity| identity as Arc<dyn ResolvesClientCert>);
    config.key_log = observing.key_log(arguments.observe.key_log.as_deref())?;
    config.timeout = arguments.timeout.unwrap_or(client::TIMEOUT);
    config.patience = input.patience(arguments.timeout);
    config.update_keys = arguments.update_keys;
    config.observers = observing.observers();
    let (sender, events) = channel();
    let interrupted = sender.clone();
    signals::on_signal(move |ending| send(&interrupted, CommandEvent::Signal(ending)))?;
    let mut reporter = Reporter::new(arguments, verifier);
    let terminal = (input == InputSource::Prompt).then(|| Terminal::take(screen));
    reporter.connecting();
    if input == InputSource::Bytes {
        return pipe::run(arguments, &config, reporter, sender, &events);
    }
    let listener = listener(sender.clone());
    let client = Client::converse(&config, listener).context("cannot start the client")?;
    let over = mode(arguments.over);
    let ending = match &terminal {
        Some(terminal) => {
            let history = (!arguments.no_history).then(prompt::history).flatten();
            prompt::run(
                &client,
                over,
                &mut reporter,
                terminal,
                history,
                sender,
                &events,
            )
        }
        None => messages::run(arguments, &client, over, &mut reporter, sender, &events),
    };
    finish(client, ending)
}

/// A client under way, whatever its input is, and what has stopped it.
struct Running<'a> {
    client: &'a Client,
    reporter: &'a mut Reporter,
    stopped: Option<Failure>,
}

/// What an event asks of a client's command.
enum Step {
    /// Return this.
    End(Result<ExitStatus, Failure>),
    /// The client has said this.
    Said(ClientEvent),
    /// Whatever this input asks for.
    Input(CommandEvent),
    /// Nothing.
    None,
}

impl<'a> Running<'a> {
    fn new(client: &'a Client, reporter: &'a mut Reporter) -> Self {
        Self {
            client,
            reporter,
            stopped: None,
        }
    }

    /// Ends the client for a reason that counts more than what it says of its end.
    fn stop(&mut self, failure: Failure) {
        self.stopped.get_or_insert(failure);
        self.client.send(Command::Stop);
    }

    /// Does what every input has in common.
    fn handle(&mut self, event: CommandEvent) -> Result<Step, Failure> {
        Ok(match event {
            CommandEvent::Client(ClientEvent::Ended(outcome)) => {
                Step::End(match self.stopped.take() {
                    Some(failure) => Err(failure),
                    None => self.reporter.ended(outcome),
                })
            }
            CommandEvent::Client(event) => {
                self.reporter.report(&event)?;
                Step::Said(event)
            }
            CommandEvent::Signal(ending) => {
                self.stop(Failure::silent(ending));
                Step::None
            }
            event => Step::Input(event),
        })
    }
}

/// Returns the failure of a client whose thread has ended without an event.
fn no_word() -> Failure {
    anyhow!("the client's thread ended without a word").into()
}

/// Ends the client, whatever its command came to, and waits for that.
fn finish(client: Client, ending: Result<ExitStatus, Failure>) -> Result<ExitStatus, Failure> {
    if ending.is_err() {
        client.send(Command::Stop);
    }
    client.wait().context("cannot wait for packets")?;
    ending
}

/// Refuses what cannot be meant together.
fn check(arguments: &ClientArguments, input: InputSource) -> Result<(), Failure> {
    let raw = input == InputSource::Bytes;
    if raw && arguments.format == Format::Json && !arguments.verify {
        return Err(Failure::from(anyhow!(
            "cannot write both JSON and the bytes of a pipe to stdout"
        ))
        .hint("compare the bytes by --verify, or send messages by -m"));
    }
    let nothing = arguments.messages.iter().any(String::is_empty);
    if nothing && !can_be_empty(mode(arguments.over)) {
        return Err(Failure::from(anyhow!(
            "an empty message is nothing to send on a stream with others"
        ))
        .hint(
            "a stream of its own can be empty, and a DATAGRAM frame: --over stream-per-message, \
             --over datagram",
        ));
    }
    if raw && arguments.observe.capture.is_stdout() && !arguments.verify {
        return Err(Failure::from(anyhow!(
            "cannot write both packets and the bytes of a pipe to stdout"
        ))
        .hint("name a file for the packets, or compare the bytes by --verify"));
    }
    if arguments.verify && !raw {
        return Err(
            Failure::from(anyhow!("--verify is for a pipe over stream or uni"))
                .hint("messages are always compared"),
        );
    }
    Ok(())
}

fn mode(over: OverArgument) -> Mode {
    match over {
        OverArgument::Stream => Mode::Stream,
        OverArgument::StreamPerMessage => Mode::StreamPerMessage,
        OverArgument::Uni => Mode::Uni,
        OverArgument::Datagram => Mode::Datagram,
    }
}

/// Tells whether a message of no bytes is something that is sent, and that comes back.
fn can_be_empty(over: Mode) -> bool {
    matches!(over, Mode::StreamPerMessage | Mode::Datagram)
}

fn message(data: impl Into<Vec<u8>>, over: Mode) -> Message {
    let data = Bytes::from(data.into());
    Message { data, over }
}

fn listener(sender: Sender<CommandEvent>) -> Box<dyn FnMut(ClientEvent) + Send> {
    Box::new(move |event| send(&sender, CommandEvent::Client(event)))
}

/// Tells the command's own thread, if it still listens.
fn send(sender: &Sender<CommandEvent>, event: CommandEvent) {
    let _ = sender.send(event);
}
