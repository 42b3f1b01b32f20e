//! The lines of a head: a request line, then headers. What frames the request is read, all else only checked.

use std::net::Ipv6Addr;

use memchr::memchr;

use super::chars::{folds_to, has_control, is_host, is_target, is_token, number};
use super::reason::Reason;

/// The longest body, so that no reader's number overflows or turns negative.
pub(super) const MOST_LENGTH: u64 = u64::MAX / 2;

/// What the lines of a head have told so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    is_http_10: bool,
    target: Option<Absolute>,
    has_host: bool,
    length: Option<u64>,
    is_chunked: bool,
    asks_upgrade: bool,
}

/// Whom an absolute target names; a port that is left out is its scheme's.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Absolute {
    host: Vec<u8>,
    port: u16,
    usual_port: u16,
}

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
}

impl Head {
    /// Reads a request line: three parts with one space between them each.
    pub(super) fn begin(line: &[u8]) -> Result<Self, Reason> {
        if has_control(line) {
            return Err(Reason::Control);
        }
        let mut parts = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(Reason::RequestLine);
        };
        if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) || !matches!(version, b"HTTP/1.1" | b"HTTP/1.0") {
            return Err(Reason::RequestLine);
        }
        if method.eq_ignore_ascii_case(b"CONNECT") {
            return Err(Reason::Connect);
        }
        if !target.iter().all(|byte| is_target(*byte)) {
            return Err(Reason::Target);
        }
        let target = match target {
            [b'/', ..] => None,
            b"*" if method == b"OPTIONS" => None,
            _ => Some(Absolute::read(target).ok_or(Reason::Target)?),
        };
        Ok(Self { is_http_10: version == b"HTTP/1.0", target, ..Self::default() })
    }

    /// Reads a header line.
    pub(super) fn header(&mut self, line: &[u8]) -> Result<(), Reason> {
        let (name, value) = split(line)?;
        // Few names have the length of one that matters.
        match name.len() {
            4 if folds_to(name, "host") => self.host(value),
            7 if folds_to(name, "upgrade") => {
                self.asks_upgrade = true;
                Ok(())
            }
            14 if folds_to(name, "content-length") => self.content_length(name, value),
            17 if folds_to(name, "transfer-encoding") => self.transfer_encoding(name, value),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Reason> {
        if std::mem::replace(&mut self.has_host, true) {
            return Err(Reason::HostTwice);
        }
        let (host, port) = authority(value).ok_or(Reason::Host)?;
        match &self.target {
            Some(target) if !target.is(host, port) => Err(Reason::OtherHost),
            _ => Ok(()),
        }
    }

    fn content_length(&mut self, name: &[u8], value: &[u8]) -> Result<(), Reason> {
        is_itself(name)?;
        if self.is_chunked {
            return Err(Reason::CodingAndLength);
        }
        let length = number(value).filter(|length| *length <= MOST_LENGTH).ok_or(Reason::Length)?;
        if self.length.replace(length).is_some() { Err(Reason::LengthTwice) } else { Ok(()) }
    }

    fn transfer_encoding(&mut self, name: &[u8], value: &[u8]) -> Result<(), Reason> {
        is_itself(name)?;
        if self.is_http_10 {
            return Err(Reason::CodingTooOld);
        }
        if self.length.is_some() {
            return Err(Reason::CodingAndLength);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Reason::Coding);
        }
        if std::mem::replace(&mut self.is_chunked, true) { Err(Reason::CodingTwice) } else { Ok(()) }
    }

    /// Whether the connection may become a tunnel after this head.
    pub(super) fn asks_upgrade(&self) -> bool {
        self.asks_upgrade && !self.is_http_10
    }

    /// What follows, now that the head is whole.
    pub(super) fn end(&self) -> Result<Body, Reason> {
        if !self.has_host && !self.is_http_10 {
            return Err(Reason::HostMissing);
        }
        Ok(if self.is_chunked { Body::Chunked } else { Body::Length(self.length.unwrap_or_default()) })
    }
}

impl Absolute {
    /// `http://host/path` or `https://host/path`. Without a path it could be `/` or `*`.
    fn read(target: &[u8]) -> Option<Self> {
        let scheme = memchr(b':', target)?;
        let usual_port = match &target[..scheme] {
            scheme if scheme.eq_ignore_ascii_case(b"http") => 80,
            scheme if scheme.eq_ignore_ascii_case(b"https") => 443,
            _ => return None,
        };
        let rest = target[scheme..].strip_prefix(b"://")?;
        let (host, port) = authority(&rest[..memchr(b'/', rest)?])?;
        Some(Self { host: host.to_vec(), port: port.unwrap_or(usual_port), usual_port })
    }

    fn is(&self, host: &[u8], port: Option<u16>) -> bool {
        self.host.eq_ignore_ascii_case(host) && self.port == port.unwrap_or(self.usual_port)
    }
}

/// The name of a header line, and its value without the blanks around it.
pub(super) fn split(line: &[u8]) -> Result<(&[u8], &[u8]), Reason> {
    if has_control(line) {
        return Err(Reason::Control);
    }
    if matches!(line, [b' ' | b'\t', ..]) {
        return Err(Reason::Folded);
    }
    match line.iter().position(|byte| !is_token(*byte)) {
        // There is no other white space left in a line.
        Some(end @ 1..) if line[end] == b':' => Ok((&line[..end], line[end + 1..].trim_ascii())),
        _ => Err(Reason::Name),
    }
}

fn is_itself(name: &[u8]) -> Result<(), Reason> {
    if name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') { Ok(()) } else { Err(Reason::NameVariant) }
}

/// A host and, where it is told, a port: nothing else, no user before them.
fn authority(text: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let (host, port) = match text {
        [b'[', rest @ ..] => {
            let end = memchr(b']', rest)?;
            std::str::from_utf8(&rest[..end]).ok()?.parse::<Ipv6Addr>().ok()?;
            text.split_at(end + 2)
        }
        _ => {
            let end = text.iter().position(|byte| !is_host(*byte)).unwrap_or(text.len());
            text.split_at(end)
        }
    };
    let port = match port {
        [] => None,
        [b':', digits @ ..] => Some(u16::try_from(number(digits)?).ok()?),
        _ => return None,
    };
    (!host.is_empty()).then_some((host, port))
}
