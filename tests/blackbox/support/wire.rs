//! HTTP/1.1 as it goes over the wire, for both ends of the gate: streams, heads, and bodies that are read piece by piece.

use std::io::{BufRead, Error, ErrorKind, Read, Result, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long one read or write may take before a test gives up: longer than any time-out that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// A connection over TCP or a Unix socket.
#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Connects to `host:port` or `unix:PATH`.
    pub fn to(address: &str) -> Result<Self> {
        let stream = match address.strip_prefix("unix:") {
            Some(path) => Self::Unix(UnixStream::connect(path)?),
            None => Self::Tcp(TcpStream::connect(address)?),
        };
        stream.ready()
    }

    /// Patient, and quick with small writes.
    pub fn ready(self) -> Result<Self> {
        self.reads_within(PATIENCE);
        self.writes_within(PATIENCE);
        if let Self::Tcp(stream) = &self {
            stream.set_nodelay(true)?;
        }
        Ok(self)
    }

    pub fn try_clone(&self) -> Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }

    /// How long a read may take.
    pub fn reads_within(&self, most: Duration) {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(most)),
            Self::Unix(stream) => stream.set_read_timeout(Some(most)),
        }
        .expect("a time-out can be set");
    }

    /// How long a write may take.
    pub fn writes_within(&self, most: Duration) {
        match self {
            Self::Tcp(stream) => stream.set_write_timeout(Some(most)),
            Self::Unix(stream) => stream.set_write_timeout(Some(most)),
        }
        .expect("a time-out can be set");
    }

    /// Ends one direction, or both. One that has ended already is no fault.
    pub fn shutdown(&self, how: Shutdown) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
        };
    }

    /// From now on, the end of this connection is a reset where it can be one (over TCP).
    pub fn will_reset(&self) {
        if let Self::Tcp(stream) = self {
            let socket = tokio::net::TcpSocket::from_std_stream(stream.try_clone().expect("a socket can be cloned"));
            socket.set_zero_linger().expect("an option can be set");
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(into),
            Self::Unix(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Header or trailer fields, in the order they came, names as they came.
pub type Fields = Vec<(String, String)>;

/// The first line and the headers of a message.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// As it came, byte for byte, with the empty line.
    pub raw: Vec<u8>,
    /// The first line.
    pub line: String,
    pub headers: Fields,
}

impl Head {
    /// Reads one; `None` where the connection ended before it began.
    pub fn read(reader: &mut impl BufRead) -> Result<Option<Self>> {
        let mut head = Self::default();
        match read_line(reader, &mut head.raw)? {
            None => return Ok(None),
            Some(line) => head.line = line,
        }
        head.headers = read_fields(reader, &mut head.raw)?;
        Ok(Some(head))
    }

    /// What the first line holds between its blanks: method, target, version, or version, status, reason.
    fn word(&self, at: usize) -> &str {
        self.line.split(' ').nth(at).unwrap_or_default()
    }

    pub fn method(&self) -> &str {
        self.word(0)
    }

    pub fn target(&self) -> &str {
        self.word(1)
    }

    pub fn status(&self) -> Option<u16> {
        self.word(1).parse().ok()
    }

    /// Every value of a header, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }

    /// A header's value; several of one name are joined as HTTP says.
    pub fn header(&self, name: &str) -> Option<String> {
        let values = self.all(name);
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// All of it, to look for what must not be there.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    }

    fn length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }
}

/// A line without its end; `None` where nothing came any more.
fn read_line(reader: &mut impl BufRead, raw: &mut Vec<u8>) -> Result<Option<String>> {
    let from = raw.len();
    if reader.read_until(b'\n', raw)? == 0 {
        return Ok(None);
    }
    let line = &raw[from..];
    if !line.ends_with(b"\n") {
        return Err(early("a line ended early"));
    }
    Ok(Some(String::from_utf8_lossy(line).trim_end_matches(['\r', '\n']).to_owned()))
}

/// Fields up to an empty line.
fn read_fields(reader: &mut impl BufRead, raw: &mut Vec<u8>) -> Result<Fields> {
    let mut fields = Fields::new();
    loop {
        let line = read_line(reader, raw)?.ok_or_else(|| early("the headers ended early"))?;
        if line.is_empty() {
            return Ok(fields);
        }
        let (name, value) = line.split_once(':').ok_or_else(|| early("a header without a colon"))?;
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn early(what: &str) -> Error {
    Error::new(ErrorKind::UnexpectedEof, what.to_owned())
}

/// A body, while it is read.
#[derive(Debug)]
pub struct Body {
    framing: Framing,
    /// Those after a chunked one, once it is read.
    pub trailers: Fields,
}

#[derive(Debug)]
enum Framing {
    Length(u64),
    /// Of the chunk at hand, so much is left.
    Chunked(u64),
    UntilEnd,
    Over,
}

impl Body {
    pub fn of_request(head: &Head) -> Self {
        let framing = if head.is_chunked() { Framing::Chunked(0) } else { Framing::Length(head.length().unwrap_or(0)) };
        Self { framing, trailers: Fields::new() }
    }

    /// Of the answer to this method.
    pub fn of_reply(method: &str, head: &Head) -> Self {
        let is_bare = method == "HEAD" || head.status().is_none_or(|status| status < 200 || [204, 304].contains(&status));
        let framing = match head.length() {
            _ if is_bare => Framing::Over,
            _ if head.is_chunked() => Framing::Chunked(0),
            Some(length) => Framing::Length(length),
            None => Framing::UntilEnd,
        };
        Self { framing, trailers: Fields::new() }
    }

    /// What has come so far of what is left, at least a byte; `None` at its proper end.
    pub fn piece(&mut self, reader: &mut impl BufRead) -> Result<Option<Vec<u8>>> {
        if let Framing::Chunked(0) = self.framing {
            self.next_chunk(reader)?;
        }
        let most = match self.framing {
            Framing::Length(left) | Framing::Chunked(left) => left,
            Framing::UntilEnd => u64::MAX,
            Framing::Over => 0,
        };
        if most == 0 {
            return Ok(None);
        }
        let came = reader.fill_buf()?;
        let piece = came[..came.len().min(usize::try_from(most).unwrap_or(usize::MAX))].to_vec();
        reader.consume(piece.len());
        match &mut self.framing {
            Framing::UntilEnd if piece.is_empty() => return Ok(None),
            _ if piece.is_empty() => return Err(early("the body ended early")),
            Framing::Length(left) => *left -= piece.len() as u64,
            Framing::Chunked(left) => {
                *left -= piece.len() as u64;
                if *left == 0 {
                    end_of_chunk(reader)?;
                }
            }
            Framing::UntilEnd | Framing::Over => {}
        }
        Ok(Some(piece))
    }

    fn next_chunk(&mut self, reader: &mut impl BufRead) -> Result<()> {
        let line = read_line(reader, &mut Vec::new())?.ok_or_else(|| early("the chunks ended early"))?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| Error::new(ErrorKind::InvalidData, format!("a chunk of '{size}' bytes")))?;
        self.framing = Framing::Chunked(size);
        if size == 0 {
            self.trailers = read_fields(reader, &mut Vec::new())?;
            self.framing = Framing::Over;
        }
        Ok(())
    }

    /// All that is left.
    pub fn whole(&mut self, reader: &mut impl BufRead) -> Result<Vec<u8>> {
        let mut whole = Vec::new();
        while let Some(piece) = self.piece(reader)? {
            whole.extend(piece);
        }
        Ok(whole)
    }
}

fn end_of_chunk(reader: &mut impl BufRead) -> Result<()> {
    let mut end = [0; 2];
    reader.read_exact(&mut end)?;
    if &end == b"\r\n" { Ok(()) } else { Err(Error::new(ErrorKind::InvalidData, "a chunk without its end")) }
}
