//! A mail server: it speaks SMTP with STARTTLS, TLS and AUTH, notes each mail that it took, and can be told to answer otherwise.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The private authority, and what it says of `localhost`.
pub const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/blackbox/doctor/certificates/authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("../doctor/certificates/localhost.pem");
const PRIVATE: &[u8] = include_bytes!("../doctor/certificates/key.pem");

/// How long a connection may be silent.
const PATIENCE: Duration = Duration::from_secs(20);

/// A mail that it took.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub from: String,
    pub to: Vec<String>,
    /// As it came, without the dots that were doubled.
    pub data: String,
    pub is_secured: bool,
    /// Who signed in, with which password.
    pub user: Option<(String, String)>,
}

impl Received {
    /// A header that is there once, its lines joined.
    #[track_caller]
    pub fn header(&self, name: &str) -> String {
        let values = headers(&self.data, name);
        assert_eq!(values.len(), 1, "{name}: {}", self.data);
        values[0].clone()
    }

    /// What it says as text.
    pub fn text(&self) -> String {
        self.part("text/plain").expect("there is text")
    }

    /// Its page.
    pub fn html(&self) -> Option<String> {
        self.part("text/html")
    }

    fn part(&self, media: &str) -> Option<String> {
        let kind = self.header("Content-Type");
        let parts: Vec<&str> = match kind.split_once("boundary=\"") {
            Some((_, rest)) => {
                let boundary = format!("--{}", rest.split('"').next().unwrap());
                self.data.split(&boundary).skip(1).map(|part| part.trim_start_matches("\r\n")).collect()
            }
            None => vec![&self.data],
        };
        let part = parts.into_iter().find(|part| headers(part, "Content-Type").iter().any(|kind| kind.starts_with(media)))?;
        let body = part.split_once("\r\n\r\n")?.1;
        let encoding = headers(part, "Content-Transfer-Encoding").pop().unwrap_or_default();
        Some(match encoding.as_str() {
            "base64" => String::from_utf8(STANDARD.decode(body.replace("\r\n", "")).unwrap()).unwrap(),
            "quoted-printable" => unquoted(body),
            _ => body.to_owned(),
        })
    }

    /// The link in it.
    #[track_caller]
    pub fn link(&self) -> String {
        let text = self.text();
        let link = text.split_whitespace().find(|word| word.contains("?token="));
        link.unwrap_or_else(|| panic!("no link: {text}")).to_owned()
    }

    /// The token in its link.
    #[track_caller]
    pub fn token(&self) -> String {
        self.link().split_once("?token=").unwrap().1.to_owned()
    }
}

fn headers(part: &str, name: &str) -> Vec<String> {
    let head = part.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ").replace("\r\n\t", " ");
    let values = head.split("\r\n").filter_map(|line| line.split_once(':'));
    values.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).collect()
}

fn unquoted(body: &str) -> String {
    let (mut bytes, body) = (Vec::new(), body.replace("=\r\n", ""));
    let mut rest = body.as_bytes();
    while let [first, more @ ..] = rest {
        if *first == b'=' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&more[..2]).unwrap(), 16).unwrap());
            rest = &more[2..];
        } else {
            bytes.push(*first);
            rest = more;
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Something that a client said, or the moment before it says anything: `GREETING`.
#[derive(Clone, Debug)]
pub struct Said {
    /// `MAIL`, `RCPT`, `.` at a mail's end.
    pub verb: String,
    pub line: String,
    /// How many connections there were with this one.
    pub connection: usize,
    /// The mail as far as it has come.
    pub mail: Received,
}

/// What it says instead: `None` is the usual, an empty text ends the connection.
type Script = dyn Fn(&Said) -> Option<String> + Send + Sync;

/// How it is set up.
#[derive(Clone)]
pub struct Setup {
    /// It offers STARTTLS.
    starttls: bool,
    /// It speaks TLS from the first byte on.
    tls: bool,
    /// Whom it lets in; nobody: everybody.
    user: Option<(&'static str, &'static str)>,
    script: Arc<Script>,
}

impl Setup {
    /// Plain, and it takes everything.
    pub fn plain() -> Self {
        Self { starttls: false, tls: false, user: None, script: Arc::new(|_| None) }
    }

    pub fn starttls(mut self) -> Self {
        self.starttls = true;
        self
    }

    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    pub fn user(mut self, name: &'static str, password: &'static str) -> Self {
        self.user = Some((name, password));
        self
    }

    pub fn script(mut self, script: impl Fn(&Said) -> Option<String> + Send + Sync + 'static) -> Self {
        self.script = Arc::new(script);
        self
    }
}

#[derive(Default)]
struct Notes {
    received: Mutex<Vec<Received>>,
    said: Mutex<Vec<String>>,
    open: Mutex<Vec<TcpStream>>,
    connections: AtomicUsize,
    is_stopping: AtomicBool,
}

/// The server; its connections end with it.
pub struct Smtp {
    pub port: u16,
    notes: Arc<Notes>,
    accepting: Option<std::thread::JoinHandle<()>>,
}

impl Smtp {
    pub fn new(setup: Setup) -> Self {
        Self::at(0, setup)
    }

    /// At a port where one was before.
    pub fn at(port: u16, setup: Setup) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        let port = listener.local_addr().unwrap().port();
        let notes = Arc::new(Notes::default());
        let accepting = std::thread::spawn({
            let notes = notes.clone();
            move || {
                for stream in listener.incoming() {
                    if notes.is_stopping.load(Ordering::SeqCst) {
                        return;
                    }
                    let Ok(stream) = stream else { continue };
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    notes.open.lock().unwrap().push(stream.try_clone().unwrap());
                    let connection = notes.connections.fetch_add(1, Ordering::SeqCst) + 1;
                    let (notes, setup) = (notes.clone(), setup.clone());
                    // Whoever goes away in the middle has said all there is.
                    std::thread::spawn(move || drop(converse(stream, connection, &setup, &notes)));
                }
            }
        });
        Self { port, notes, accepting: Some(accepting) }
    }

    /// Without TLS, on this machine.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// The mails that it took.
    pub fn received(&self) -> Vec<Received> {
        self.notes.received.lock().unwrap().clone()
    }

    /// Waits until it took so many.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Received> {
        super::eventually(&format!("{count} mails"), || Some(self.received()).filter(|received| received.len() >= count))
    }

    /// Waits for one to this address.
    #[track_caller]
    pub fn wait_for_mail_to(&self, address: &str) -> Received {
        super::eventually(&format!("a mail to {address}"), || self.received().into_iter().rev().find(|mail| mail.to == [address]))
    }

    /// Every line that was said to it outside of mails.
    pub fn said(&self) -> Vec<String> {
        self.notes.said.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.notes.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.notes.is_stopping.store(true, Ordering::SeqCst);
        // Wakes who accepts; where that fails it is gone already.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        for stream in self.notes.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

enum Stream {
    Plain(TcpStream),
    Secured(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Stream {
    fn secured(stream: TcpStream) -> Self {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()], PrivateKeyDer::from_pem_slice(PRIVATE).unwrap())
            .unwrap();
        Self::Secured(Box::new(StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), stream)))
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Secured(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Secured(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Secured(stream) => stream.flush(),
        }
    }
}

fn say(reader: &mut BufReader<Stream>, line: &str) -> std::io::Result<()> {
    reader.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
    reader.get_mut().flush()
}

fn line(reader: &mut BufReader<Stream>) -> std::io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn converse(stream: TcpStream, connection: usize, setup: &Setup, notes: &Notes) -> std::io::Result<()> {
    let raw = stream.try_clone()?;
    let stream = if setup.tls { Stream::secured(stream) } else { Stream::Plain(stream) };
    let mut mail = Received { is_secured: setup.tls, ..Received::default() };
    let mut reader = BufReader::new(stream);
    let mut said = Said { verb: "GREETING".into(), line: String::new(), connection, mail: mail.clone() };
    loop {
        if said.verb == "RCPT" {
            mail.to.push(between(&said.line));
        }
        said.mail = mail.clone();
        let mut scripted = (setup.script)(&said);
        if said.verb == "DATA" && scripted.is_none() {
            say(&mut reader, "354 go on")?;
            mail.data = data(&mut reader)?;
            (said.verb, said.mail) = (".".into(), mail.clone());
            scripted = (setup.script)(&said);
        }
        let usual = match said.verb.as_str() {
            "GREETING" => "220 localhost ESMTP".to_owned(),
            "EHLO" => ehlo(setup, mail.is_secured),
            "STARTTLS" => "220 go on".to_owned(),
            "AUTH" => sign_in(&mut reader, &said.line, setup, &mut mail)?,
            "MAIL" => {
                mail.from = between(&said.line);
                "250 it is".to_owned()
            }
            "RCPT" => "250 known".to_owned(),
            "." => "250 2.0.0 taken".to_owned(),
            "QUIT" => "221 bye".to_owned(),
            _ => "500 what?".to_owned(),
        };
        if said.verb == "." && scripted.as_ref().is_none_or(|answer| answer.starts_with('2')) {
            notes.received.lock().unwrap().push(mail.clone());
            mail = Received { is_secured: mail.is_secured, user: mail.user.clone(), ..Received::default() };
        }
        match scripted.unwrap_or(usual) {
            end if end.is_empty() => return raw.shutdown(Shutdown::Both),
            answer => say(&mut reader, &answer)?,
        }
        if said.verb == "STARTTLS" {
            reader = BufReader::new(Stream::secured(raw.try_clone()?));
            mail.is_secured = true;
        }
        let line = line(&mut reader)?;
        notes.said.lock().unwrap().push(line.clone());
        said.verb = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        said.line = line;
    }
}

fn ehlo(setup: &Setup, is_secured: bool) -> String {
    let starttls = if setup.starttls && !is_secured { "250-STARTTLS\r\n" } else { "" };
    let auth = if setup.user.is_some() { "250-AUTH PLAIN\r\n" } else { "" };
    format!("250-localhost\r\n{starttls}{auth}250 8BITMIME")
}

fn sign_in(reader: &mut BufReader<Stream>, said: &str, setup: &Setup, mail: &mut Received) -> std::io::Result<String> {
    let coded = match said.strip_prefix("AUTH PLAIN ") {
        Some(coded) => coded.to_owned(),
        None => {
            say(reader, "334 ")?;
            line(reader)?
        }
    };
    let plain = String::from_utf8(STANDARD.decode(coded).unwrap_or_default()).unwrap_or_default();
    let mut parts = plain.split('\0').skip(1).map(str::to_owned);
    mail.user = parts.next().zip(parts.next());
    let is_known = setup.user.is_some_and(|(name, password)| mail.user == Some((name.to_owned(), password.to_owned())));
    Ok(if is_known { "235 welcome".into() } else { "535 5.7.8 no".into() })
}

fn between(line: &str) -> String {
    line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(address, _)| address.to_owned()).unwrap_or_default()
}

fn data(reader: &mut BufReader<Stream>) -> std::io::Result<String> {
    let mut lines = Vec::new();
    loop {
        match line(reader)? {
            end if end == "." => return Ok(lines.join("\r\n")),
            more => lines.push(more.strip_prefix('.').map(str::to_owned).unwrap_or(more)),
        }
    }
}
