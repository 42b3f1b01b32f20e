//! Why bytes are refused, for the log: what is wrong with them, and nothing of them.

use std::fmt;

/// Why bytes are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// LF alone, or something other than CR before it.
    LineEnd,
    /// A control character, a CR within a line among them.
    Control,
    /// More bytes than a head or a trailer section may have.
    TooLarge,
    /// More than the one blank line that may come before a request.
    BlankLines,
    /// No `METHOD target HTTP/1.1`.
    RequestLine,
    /// `CONNECT`.
    Connect,
    /// A target that is no path, or with characters that do not belong there.
    Target,
    /// An absolute target for another host than `Host` names.
    OtherHost,
    /// A line that begins with a blank, and so goes on with the one before.
    Folded,
    /// No name, no colon, or something between them.
    Name,
    /// A name that some take for one that frames the request.
    NameVariant,
    /// `Host` is no host and port.
    Host,
    /// `Host` more than once.
    HostTwice,
    /// No `Host` in HTTP/1.1.
    HostMissing,
    /// `Content-Length` is no plain number.
    Length,
    /// `Content-Length` more than once.
    LengthTwice,
    /// `Transfer-Encoding` is not `chunked`.
    Coding,
    /// `Transfer-Encoding` more than once.
    CodingTwice,
    /// `Transfer-Encoding` in HTTP/1.0.
    CodingTooOld,
    /// `Transfer-Encoding` beside `Content-Length`.
    CodingAndLength,
    /// A line before a chunk that is no plain size.
    ChunkSize,
    /// A chunk that does not end where its size says.
    ChunkEnd,
    /// A field that may not stand in a trailer section.
    Trailer,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineEnd => "a line that does not end in CR LF",
            Self::Control => "a control character in a line",
            Self::TooLarge => "a head or trailer section over max_header_bytes",
            Self::BlankLines => "more than one blank line before a request",
            Self::RequestLine => "no request line of HTTP/1.1 or HTTP/1.0",
            Self::Connect => "the method CONNECT",
            Self::Target => "a request target that is no path, or with characters that do not belong there",
            Self::OtherHost => "an absolute request target for another host than Host names",
            Self::Folded => "a header line that begins with a blank",
            Self::Name => "a header line without a clean name before its colon",
            Self::NameVariant => "a header name that can be taken for Content-Length or Transfer-Encoding",
            Self::Host => "a Host that is no host and port",
            Self::HostTwice => "Host more than once",
            Self::HostMissing => "no Host",
            Self::Length => "a Content-Length that is no plain number",
            Self::LengthTwice => "Content-Length more than once",
            Self::Coding => "a Transfer-Encoding other than chunked",
            Self::CodingTwice => "Transfer-Encoding more than once",
            Self::CodingTooOld => "Transfer-Encoding in HTTP/1.0",
            Self::CodingAndLength => "Transfer-Encoding beside Content-Length",
            Self::ChunkSize => "a chunk without a plain size",
            Self::ChunkEnd => "a chunk that does not end where its size says",
            Self::Trailer => "a trailer field that must not be one",
        })
    }
}

impl std::error::Error for Reason {}
