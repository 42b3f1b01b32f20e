//! An HTTP/1.1 client of few lines: what a test writes is what goes over the wire, wrong input included.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

use super::wire::{Body, Fields, Head};

/// Longer than any time-out of the server's.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request, as it will be sent.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub fn post(target: &str, body: &Value) -> Self {
        Self::new("POST", target).json(body)
    }

    /// Adds a header; twice means twice on the wire.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn bearer(self, credential: &str) -> Self {
        self.header("Authorization", &format!("Bearer {credential}"))
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string().as_bytes())
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() || self.method == "POST" || self.method == "PATCH" {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        [head.as_bytes(), &self.body].concat()
    }

    /// Sends it to `host:port`.
    pub fn send(&self, address: &str) -> Reply {
        self.try_send(address).expect("the server answers")
    }

    /// Sends it; a connection that breaks is an error.
    pub fn try_send(&self, address: &str) -> std::io::Result<Reply> {
        raw(address, &self.bytes())
    }

    /// Sends it over a Unix socket.
    pub fn send_unix(&self, path: &std::path::Path) -> Reply {
        let mut stream = UnixStream::connect(path).expect("the socket is there");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&self.bytes()).unwrap();
        Reply::read(&self.method, &mut BufReader::new(stream)).expect("the server answers")
    }
}

/// Sends bytes as they are and reads one answer.
pub fn raw(address: &str, bytes: &[u8]) -> std::io::Result<Reply> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(bytes)?;
    let method = String::from_utf8_lossy(bytes).split(' ').next().unwrap_or_default().to_owned();
    Reply::read(&method, &mut BufReader::new(stream))
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// In the order they came, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    /// Reads one.
    pub fn read(method: &str, reader: &mut impl BufRead) -> std::io::Result<Self> {
        Self::read_with_trailers(method, reader).map(|(reply, _)| reply)
    }

    /// Reads one, and the trailers after its chunks.
    pub fn read_with_trailers(method: &str, reader: &mut impl BufRead) -> std::io::Result<(Self, Fields)> {
        let broken = |what: &str| std::io::Error::new(std::io::ErrorKind::UnexpectedEof, what.to_owned());
        let head = Head::read(reader)?.ok_or_else(|| broken("no status line"))?;
        let status = head.status().ok_or_else(|| broken("no status line"))?;
        let headers = head.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        let mut body = Body::of_reply(method, &head);
        let bytes = body.whole(reader)?;
        Ok((Self { status, headers, body: String::from_utf8_lossy(&bytes).into_owned() }, body.trailers))
    }

    /// A header's value; several of one name are joined as HTTP says.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> =
            self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// A header's values, one by one.
    pub fn headers<'r>(&'r self, name: &'r str) -> impl Iterator<Item = String> + 'r {
        self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    }

    /// A header as a number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.header(name)?.parse().ok()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// Fails unless the status is this one; shows the whole answer then.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}
