//! A client's connection that stays open: what a test says goes over the wire as it is, and what comes is read piece by piece.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::Shutdown;

use super::Reply;
use super::wire::{Body, Fields, Head, Stream};

/// A connection.
pub struct Line(BufReader<Stream>);

impl Line {
    /// To `host:port` or `unix:PATH`.
    #[track_caller]
    pub fn to(address: &str) -> Self {
        Self(BufReader::new(Stream::to(address).expect("the server accepts")))
    }

    pub fn stream(&self) -> &Stream {
        self.0.get_ref()
    }

    #[track_caller]
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_say(bytes).expect("the connection takes it");
    }

    pub fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.0.get_mut().write_all(bytes.as_ref())
    }

    /// Says one chunk of a chunked body.
    #[track_caller]
    pub fn chunk(&mut self, bytes: &[u8]) {
        self.say([format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat());
    }

    /// The next head, also one of 1xx.
    #[track_caller]
    pub fn head(&mut self) -> Head {
        Head::read(&mut self.0).expect("a head can be read").expect("an answer comes")
    }

    /// What comes next of a body.
    pub fn piece(&mut self, body: &mut Body) -> std::io::Result<Option<Vec<u8>>> {
        body.piece(&mut self.0)
    }

    /// The next piece of a body that is text.
    #[track_caller]
    pub fn text(&mut self, body: &mut Body) -> String {
        String::from_utf8(self.piece(body).expect("the body goes on").expect("the body goes on")).expect("it is text")
    }

    /// The next answer to a request of this method, whole; 1xx counts as one.
    #[track_caller]
    pub fn reply(&mut self, method: &str) -> Reply {
        self.try_reply(method).expect("an answer comes, whole")
    }

    pub fn try_reply(&mut self, method: &str) -> std::io::Result<Reply> {
        Reply::read(method, &mut self.0)
    }

    /// Says a request and reads its answer.
    #[track_caller]
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> Reply {
        self.say(&request);
        let method = String::from_utf8_lossy(request.as_ref()).split(' ').next().unwrap_or_default().to_owned();
        self.reply(&method)
    }

    /// The answer to a GET, and the trailers after its chunks.
    #[track_caller]
    pub fn ask_for_trailers(&mut self, request: impl AsRef<[u8]>) -> (Reply, Fields) {
        self.say(request);
        Reply::read_with_trailers("GET", &mut self.0).expect("an answer comes, whole")
    }

    /// So many bytes.
    #[track_caller]
    pub fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).expect("so many bytes come");
        bytes
    }

    /// Says that nothing more is said.
    pub fn finish(&self) {
        self.stream().shutdown(Shutdown::Write);
    }

    /// Whatever still comes until the other side ends the connection, in whichever way.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&error.kind()) => {}
            Err(error) => panic!("the connection did not end: {error}"),
        }
        rest
    }
}
