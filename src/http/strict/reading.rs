//! Follows the requests on one connection, in whatever pieces the bytes come, and says where and why they can no longer be
//! followed. No IO.

use memchr::memchr;

use super::chunk;
use super::head::{Body, Head};
use super::reason::Reason;

/// A longer buffer than this is given back after use.
const KEPT: usize = 1024;

/// The reading of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    next: Next,
    /// What has come of a line whose end has not.
    line: Vec<u8>,
    head: Head,
    /// Bytes of the head or trailer section under way, without that line, and how many it may have.
    section: usize,
    most: usize,
    /// Whether a blank line has come before this request.
    is_after_blank: bool,
    /// Whether the last request asked for another protocol.
    may_be_tunnel: bool,
    requests: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    RequestLine,
    Header,
    /// So many bytes of a body.
    Length(u64),
    ChunkSize,
    /// So many bytes of a chunk.
    Chunk(u64),
    ChunkEnd,
    Trailer,
    Nothing(Refusal),
}

/// Where bytes are refused, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// So many bytes of the piece are sound, and no line ends beyond them.
    pub sound: usize,
    /// In what they stand.
    pub place: Place,
    /// What is wrong.
    pub reason: Reason,
}

/// In what refused bytes stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a head: it can be answered.
    Head,
    /// In a body, or right behind a request for another protocol: whoever reads on must get an error.
    Body,
}

impl Reading {
    /// From the first byte of a connection on; a head, and a trailer section, may have so many bytes.
    pub fn new(most: usize) -> Self {
        Self {
            next: Next::RequestLine,
            line: Vec::new(),
            head: Head::default(),
            section: 0,
            most,
            is_after_blank: false,
            may_be_tunnel: false,
            requests: 0,
        }
    }

    /// How many heads were whole and sound.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Reads the next bytes of the connection. After a refusal there are no sound ones any more.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        let mut at = 0;
        while at < piece.len() {
            let rest = &piece[at..];
            at += match self.next {
                Next::Length(left) => self.skip(left, rest.len(), Next::Length, Next::RequestLine),
                Next::Chunk(left) => self.skip(left, rest.len(), Next::Chunk, Next::ChunkEnd),
                Next::Nothing(refusal) => return Err(Refusal { sound: 0, ..refusal }),
                _ => self.take_line(rest).map_err(|reason| self.refuse(at, reason))?,
            };
        }
        Ok(())
    }

    /// Passes over bytes of a body; how many there were.
    fn skip(&mut self, left: u64, there: usize, more: fn(u64) -> Next, then: Next) -> usize {
        let taken = left.min(there as u64);
        self.next = if taken == left { then } else { more(left - taken) };
        taken as usize
    }

    /// Reads a line, or as much of it as there is; how many bytes that were.
    fn take_line(&mut self, rest: &[u8]) -> Result<usize, Reason> {
        let room = self.longest_line() - self.line.len();
        let Some(end) = memchr(b'\n', &rest[..room.min(rest.len())]) else {
            if rest.len() >= room {
                return Err(self.too_long());
            }
            self.line.extend_from_slice(rest);
            return Ok(rest.len());
        };
        let end = end + 1;
        if self.line.is_empty() {
            self.read_line(&rest[..end])?;
        } else {
            let mut line = std::mem::take(&mut self.line);
            line.extend_from_slice(&rest[..end]);
            self.read_line(&line)?;
            if line.capacity() <= KEPT {
                line.clear();
                self.line = line;
            }
        }
        Ok(end)
    }

    /// How many bytes the line under way may have, with its end.
    fn longest_line(&self) -> usize {
        match self.next {
            Next::ChunkSize => chunk::LONGEST,
            Next::ChunkEnd => b"\r\n".len(),
            _ => self.most - self.section,
        }
    }

    fn too_long(&self) -> Reason {
        match self.next {
            Next::ChunkSize => Reason::ChunkSize,
            Next::ChunkEnd => Reason::ChunkEnd,
            _ => Reason::TooLarge,
        }
    }

    /// Reads a whole line.
    fn read_line(&mut self, line: &[u8]) -> Result<(), Reason> {
        let text = line.strip_suffix(b"\r\n").ok_or(Reason::LineEnd)?;
        self.section += line.len();
        self.next = match self.next {
            Next::RequestLine if text.is_empty() => {
                if std::mem::replace(&mut self.is_after_blank, true) {
                    return Err(Reason::BlankLines);
                }
                Next::RequestLine
            }
            Next::RequestLine => {
                self.head = Head::begin(text)?;
                Next::Header
            }
            Next::Header if text.is_empty() => self.end_head()?,
            Next::Header => {
                self.head.header(text)?;
                Next::Header
            }
            Next::ChunkSize => {
                self.section = 0;
                match chunk::size(text)? {
                    0 => Next::Trailer,
                    size => Next::Chunk(size),
                }
            }
            Next::Trailer if text.is_empty() => {
                self.section = 0;
                Next::RequestLine
            }
            Next::Trailer => {
                chunk::trailer(text)?;
                Next::Trailer
            }
            Next::ChunkEnd if text.is_empty() => Next::ChunkSize,
            Next::ChunkEnd | Next::Length(_) | Next::Chunk(_) | Next::Nothing(_) => return Err(Reason::ChunkEnd),
        };
        Ok(())
    }

    fn end_head(&mut self) -> Result<Next, Reason> {
        let body = self.head.end()?;
        self.requests += 1;
        self.may_be_tunnel = self.head.asks_upgrade();
        self.head = Head::default();
        (self.section, self.is_after_blank) = (0, false);
        Ok(match body {
            Body::Length(0) => Next::RequestLine,
            Body::Length(length) => Next::Length(length),
            Body::Chunked => Next::ChunkSize,
        })
    }

    fn refuse(&mut self, sound: usize, reason: Reason) -> Refusal {
        let is_head = matches!(self.next, Next::RequestLine | Next::Header) && !self.may_be_tunnel;
        let refusal = Refusal { sound, place: if is_head { Place::Head } else { Place::Body }, reason };
        self.next = Next::Nothing(Refusal { sound: 0, ..refusal });
        self.line = Vec::new();
        refusal
    }
}
