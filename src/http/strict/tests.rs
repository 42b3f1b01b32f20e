//! What is read and what is refused, as data; and that it is the same however the bytes come, and the same that hyper reads.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::Reason::*;
use super::*;
use crate::http::peer::Peer;

const MOST: usize = 8192;

/// Reads all of it; how many requests those were.
fn read(bytes: &[u8]) -> Result<u64, Reason> {
    let mut reading = Reading::new(MOST);
    reading.feed(bytes).map(|()| reading.requests()).map_err(|refusal| refusal.reason)
}

/// A GET with these header lines.
fn get(headers: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
}

/// A chunked POST with this body.
fn chunked(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

/// As many bytes as a head may have, and these more.
fn head_of(bytes: usize) -> String {
    let rest = get("X: \r\n").len();
    get(&format!("X: {}\r\n", "y".repeat(bytes - rest)))
}

#[track_caller]
fn told(cases: &[(&str, Result<u64, Reason>)]) {
    for (bytes, wanted) in cases {
        assert_eq!(read(bytes.as_bytes()), *wanted, "{:?}", bytes.chars().take(300).collect::<String>());
    }
}

#[test]
fn sound_requests_are_read() {
    told(&[
        ("", Ok(0)),
        ("GET / HT", Ok(0)),
        (&get(""), Ok(1)),
        (&get("").repeat(3), Ok(3)),
        (&format!("\r\n{}\r\n{}", get(""), get("")), Ok(2)),
        ("GET / HTTP/1.1\r\nhOST:\tx.example:8080 \r\n\r\n", Ok(1)),
        ("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", Ok(1)),
        ("GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", Ok(1)),
        ("GET / HTTP/1.1\r\nHost: my_app.local-1~\r\n\r\n", Ok(1)),
        ("GET / HTTP/1.0\r\n\r\n", Ok(1)),
        ("GET / HTTP/1.0\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", Ok(1)),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", Ok(1)),
        ("M-SEARCH /a/b?c=[1]|{2}&d=%20^`\\~ HTTP/1.1\r\nHost: x\r\n\r\n", Ok(1)),
        ("GET http://X.example/ HTTP/1.1\r\nHost: x.Example:80\r\n\r\n", Ok(1)),
        ("GET HTTPS://x:443/a HTTP/1.1\r\nHost: x\r\n\r\n", Ok(1)),
        ("GET http://[::1]:81/ HTTP/1.1\r\nHost: [::1]:81\r\n\r\n", Ok(1)),
        ("GET http://x/ HTTP/1.0\r\n\r\n", Ok(1)),
        (&get("Empty:\r\nX_Y: a\tb\r\nX: \u{e9}\r\n"), Ok(1)),
        (&get("Content-Length: 0\r\n"), Ok(1)),
        (&format!("{}hello{}", get("Content-Length:\t5 \t\r\n"), get("")), Ok(2)),
        (&format!("{}\n\n\0\r\n{}", get("content-length: 5\r\n"), get("")), Ok(2)),
        (&get("Content-Length: 9223372036854775807\r\n"), Ok(1)),
        (&format!("{}{}", chunked("0\r\n\r\n"), get("")), Ok(2)),
        (&format!("{}{}", chunked("5\r\n\r\n\r\n\n\r\n00a\r\n0123456789\r\n0\r\n\r\n"), get("")), Ok(2)),
        (&chunked("1;a=\"b c\"\r\nx\r\n0;end\r\n\r\n"), Ok(1)),
        (&chunked("0000000000000001\r\nx\r\n0\r\n\r\n"), Ok(1)),
        (&format!("{}{}", chunked("0\r\nX-Sum: abc\r\nGrpc-Status:0\r\n\r\n"), get("")), Ok(2)),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\t ChunKed \t\r\n\r\n0\r\n\r\n", Ok(1)),
        (&head_of(MOST), Ok(1)),
    ]);
}

#[test]
fn lines_that_end_or_begin_wrongly_are_refused() {
    told(&[
        ("\n", Err(LineEnd)),
        ("GET / HTTP/1.1\nHost: x\n\n", Err(LineEnd)),
        ("GET / HTTP/1.1\r\nHost: x\n\r\n", Err(LineEnd)),
        ("GET / HTTP/1.1\r\nHost: x\r\n\n", Err(LineEnd)),
        (&get("X: X\nTransfer-Encoding: chunked\r\n"), Err(LineEnd)),
        ("GET / HTTP/1.1\r\rHost: x\r\n\r\n", Err(Control)),
        (&get("X: a\rb\r\n"), Err(Control)),
        (&get("X: a\r\r\n"), Err(Control)),
        (&get("X: \0\r\n"), Err(Control)),
        (&get("X: \u{7f}\r\n"), Err(Control)),
        (&get("X\0: y\r\n"), Err(Control)),
        (&get("X:\u{b}y\r\n"), Err(Control)),
        (&get(" X: y\r\n"), Err(Folded)),
        (&get("X: y\r\n folded\r\n"), Err(Folded)),
        (&get("X: y\r\n\tfolded\r\n"), Err(Folded)),
        (&get(" Transfer-Encoding: chunked\r\n"), Err(Folded)),
        ("GET / HTTP/1.1\r\n Host: x\r\n\r\n", Err(Folded)),
        (&get("Transfer-Encoding\r\n : chunked\r\n"), Err(Name)),
        (&get("Transfer-Encoding\n: chunked\r\n"), Err(LineEnd)),
        (&get("X : y\r\n"), Err(Name)),
        (&get("X\t: y\r\n"), Err(Name)),
        (&get("Transfer-Encoding : chunked\r\n"), Err(Name)),
        (&get(": y\r\n"), Err(Name)),
        (&get("no colon\r\n"), Err(Name)),
        (&get("nocolon\r\n"), Err(Name)),
        (&get("X(y): z\r\n"), Err(Name)),
        (&get("\u{e9}: z\r\n"), Err(Name)),
        (&head_of(MOST + 1), Err(TooLarge)),
        (&"x".repeat(MOST), Err(TooLarge)),
        (&get(&"X: y\r\n".repeat(MOST)), Err(TooLarge)),
    ]);
}

#[test]
fn request_lines_that_can_be_read_in_two_ways_are_refused() {
    let line = |line: &str| format!("{line}\r\nHost: x\r\n\r\n");
    told(&[
        ("\r\n\r\n", Err(BlankLines)),
        (&format!("{}\r\n\r\n{}", get(""), get("")), Err(BlankLines)),
        (&line("GET /"), Err(RequestLine)),
        (&line("GET"), Err(RequestLine)),
        (&line("GET  / HTTP/1.1"), Err(RequestLine)),
        (&line("GET /  HTTP/1.1"), Err(RequestLine)),
        (&line("GET / HTTP/1.1 "), Err(RequestLine)),
        (&line(" GET / HTTP/1.1"), Err(RequestLine)),
        (&line("GET /a b HTTP/1.1"), Err(RequestLine)),
        (&line("GET\t/ HTTP/1.1"), Err(RequestLine)),
        (&line("GET / http/1.1"), Err(RequestLine)),
        (&line("GET / HTTP/1.2"), Err(RequestLine)),
        (&line("GET / HTTP/01.1"), Err(RequestLine)),
        (&line("GET / HTTP/2.0"), Err(RequestLine)),
        (&line("G(T / HTTP/1.1"), Err(RequestLine)),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Err(RequestLine)),
        (&line("CONNECT x:443 HTTP/1.1"), Err(Connect)),
        (&line("connect / HTTP/1.1"), Err(Connect)),
        (&line("GET /a#b HTTP/1.1"), Err(Target)),
        (&line("GET /?a#b HTTP/1.1"), Err(Target)),
        (&line("GET /<a> HTTP/1.1"), Err(Target)),
        (&line("GET /\" HTTP/1.1"), Err(Target)),
        (&line("GET /\t HTTP/1.1"), Err(Target)),
        (&line("GET /\u{e9} HTTP/1.1"), Err(Target)),
        (&line("GET /\0 HTTP/1.1"), Err(Control)),
        (&line("GET * HTTP/1.1"), Err(Target)),
        (&line("GET x HTTP/1.1"), Err(Target)),
        (&line("GET ../x HTTP/1.1"), Err(Target)),
        (&line("GET ?x HTTP/1.1"), Err(Target)),
        (&line("GET x:80 HTTP/1.1"), Err(Target)),
        (&line("GET http://x HTTP/1.1"), Err(Target)),
        (&line("GET http://x?y/ HTTP/1.1"), Err(Target)),
        (&line("GET http:/x/ HTTP/1.1"), Err(Target)),
        (&line("GET http:///x HTTP/1.1"), Err(Target)),
        (&line("GET http://user@x/ HTTP/1.1"), Err(Target)),
        (&line("GET ftp://x/ HTTP/1.1"), Err(Target)),
        (&line("GET http://y/ HTTP/1.1"), Err(OtherHost)),
        (&line("GET http://x:81/ HTTP/1.1"), Err(OtherHost)),
        (&line("GET http://x:443/ HTTP/1.1"), Err(OtherHost)),
        ("GET http://x/ HTTP/1.1\r\nHost: x:443\r\n\r\n", Err(OtherHost)),
        ("GET http://x/ HTTP/1.1\r\n\r\n", Err(HostMissing)),
    ]);
}

#[test]
fn a_host_is_one_and_clean() {
    told(&[
        ("GET / HTTP/1.1\r\n\r\n", Err(HostMissing)),
        ("GET / HTTP/1.1\r\nX-Host: x\r\n\r\n", Err(HostMissing)),
        (&get("Host: x\r\n"), Err(HostTwice)),
        (&get("hOST: y\r\n"), Err(HostTwice)),
        ("GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n", Err(HostTwice)),
    ]);
    for host in [
        "",
        " ",
        "a b",
        "a,b",
        "a, a",
        "u@x",
        "u:p@x",
        "x/y",
        "x?y",
        "x:",
        "x:80:80",
        "x:99999",
        "x:+80",
        "x:080",
        ":80",
        "[::1",
        "::1",
        "[]",
        "[x]",
        "[::1]x",
        "[::1]:",
        "[fe80::1%25eth0]",
        "a%20b",
        "x\\y",
        "\u{e9}",
        "a\tb",
        "\"x\"",
        "http://x",
    ] {
        for version in ["1.1", "1.0"] {
            assert_eq!(read(format!("GET / HTTP/{version}\r\nHost: {host}\r\n\r\n").as_bytes()), Err(Host), "{host}");
        }
    }
}

#[test]
fn how_long_a_body_is_has_one_reading() {
    for length in
        ["", "+5", "-5", "5 5", "5,5", "5, 5", "0x5", "5.0", "05", "00", "five", "9223372036854775808", "99999999999999999999", "٥"]
    {
        assert_eq!(read(get(&format!("Content-Length: {length}\r\n")).as_bytes()), Err(Length), "{length}");
    }
    for coding in [
        "",
        "xchunked",
        "chunkedx",
        "gzip",
        "gzip, chunked",
        "chunked, identity",
        "chunked, chunked",
        "identity",
        "chunked;a=b",
        "\"chunked\"",
        ",chunked",
        "chunked,",
        "chunk ed",
    ] {
        assert_eq!(read(get(&format!("Transfer-Encoding: {coding}\r\n")).as_bytes()), Err(Coding), "{coding}");
    }
    told(&[
        (&get("Content-Length: 5\r\nContent-Length: 5\r\n"), Err(LengthTwice)),
        (&get("Content-Length: 5\r\ncontent-length: 6\r\n"), Err(LengthTwice)),
        (&get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), Err(CodingTwice)),
        (&get("Transfer-Encoding: chunked\r\nTransfer-encoding: x\r\n"), Err(Coding)),
        (&get("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), Err(CodingAndLength)),
        (&get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), Err(CodingAndLength)),
        (&get("Content_Length: 5\r\n"), Err(NameVariant)),
        (&get("content.length: 5\r\n"), Err(NameVariant)),
        (&get("Transfer_Encoding: chunked\r\n"), Err(NameVariant)),
        (&get("TRANSFER~ENCODING: x\r\n"), Err(NameVariant)),
        ("POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Err(CodingTooOld)),
    ]);
}

#[test]
fn chunks_have_one_reading() {
    let long = |bytes: usize| chunked(&format!("1;{}\r\nx\r\n", "e".repeat(bytes)));
    for size in [
        "",
        " 1",
        "1 ",
        "1\t",
        "+1",
        "-1",
        "0x1",
        "g",
        "1;",
        "1 ;a",
        "1;a\tb",
        "1;\u{e9}",
        "1\r",
        "00000000000000001",
        "8000000000000000",
        "\0",
    ] {
        assert_eq!(read(chunked(&format!("{size}\r\nx\r\n")).as_bytes()), Err(ChunkSize), "{size:?}");
    }
    told(&[
        (&long(256), Ok(1)),
        (&long(257), Err(ChunkSize)),
        (&chunked(&format!("1;{}", "e".repeat(10_000))), Err(ChunkSize)),
        (&chunked("1\nx\r\n"), Err(LineEnd)),
        (&chunked("1;\n"), Err(LineEnd)),
        (&chunked("1;a\nx\r\n0\r\n\r\n"), Err(LineEnd)),
        (&chunked("1\r\nxy\r\n"), Err(ChunkEnd)),
        (&chunked("1\r\nx\n\r\n"), Err(LineEnd)),
        (&chunked("1\r\nx0\r\n\r\n"), Err(ChunkEnd)),
        (&chunked("2\r\nx\r\n0\r\n\r\n"), Err(LineEnd)),
        (&chunked("0\r\n\n"), Err(LineEnd)),
        (&chunked("0\r\n folded: x\r\n\r\n"), Err(Folded)),
        (&chunked("0\r\nX : y\r\n\r\n"), Err(Name)),
        (&chunked("0\r\nX: \0\r\n\r\n"), Err(Control)),
        (&chunked("0\r\nGET / HTTP/1.1\r\n\r\n"), Err(Name)),
        (&chunked(&format!("0\r\n{}\r\n", "X: y\r\n".repeat(MOST))), Err(TooLarge)),
    ]);
    for name in [
        "Content-Length",
        "content_length",
        "Transfer-Encoding",
        "HOST",
        "Authorization",
        "X-Auth-Account",
        "x_auth_plan",
        "X-Forwarded-For",
        "If-Match",
    ] {
        assert_eq!(read(chunked(&format!("0\r\n{name}: 1\r\n\r\n")).as_bytes()), Err(Trailer), "{name}");
    }
}

#[test]
fn a_refusal_says_where_and_stays() {
    let upgrade = get("Upgrade: websocket\r\nConnection: Upgrade\r\n");
    for (before, bad, place) in [
        (get(""), "GET / HTTP/1.1\nX", Place::Head),
        (get("") + "GET / HTTP/1.1\r\n", "X : y\r\n\r\n", Place::Head),
        (chunked("1\r\nx\r\n"), "x\r\n", Place::Body),
        (chunked("0\r\nX: y\r\n"), "X : y\r\n", Place::Body),
        (upgrade.clone(), "\u{81}\u{85}\n", Place::Body),
        (upgrade.clone() + &get(""), "\n", Place::Head),
    ] {
        let mut reading = Reading::new(MOST);
        let refusal = reading.feed((before.clone() + bad).as_bytes()).unwrap_err();
        assert_eq!((refusal.sound, refusal.place), (before.len(), place), "{before}{bad}");
        assert_eq!(reading.feed(get("").as_bytes()), Err(Refusal { sound: 0, ..refusal }));
    }
}

// However the bytes come.

/// Parts of requests, good and bad.
const PARTS: [&str; 40] = [
    "GET / HTTP/1.1\r\n",
    "POST /a HTTP/1.1\r\n",
    "GET / HTTP/1.0\r\n",
    "CONNECT",
    "GET http://x/ HTTP/1.1\r\n",
    "Host: x\r\n",
    "Host: y\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Content-Length: 3\r\n",
    "Content-Length: 0\r\n",
    "Upgrade: x\r\n",
    "X: y\r\n",
    "\r\n",
    "\r\n",
    "\r\n",
    "\r\n\r\n",
    "\r",
    "\n",
    "\n\n",
    " ",
    "\t",
    ":",
    "abc",
    "abc\r\n",
    "3\r\nabc\r\n",
    "3\r\n",
    "0\r\n",
    "0\r\n\r\n",
    "1;x",
    ";",
    "X-Trailer: 1\r\n",
    "\0",
    "#",
    "\u{e9}",
    "Content_Length: 1\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "Host: x\r\n\r\n",
    "Content-Length: 3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    "x: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n",
];

/// Reads in pieces that end at these places; where it was refused, counted from the first byte.
fn read_cut(bytes: &[u8], cuts: &[usize]) -> (Reading, Option<(usize, Refusal)>) {
    let mut reading = Reading::new(200);
    let mut at = 0;
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.sort_unstable();
    for end in ends.into_iter().chain([bytes.len()]) {
        if let Err(refusal) = reading.feed(&bytes[at..end]) {
            return (reading, Some((at + refusal.sound, Refusal { sound: 0, ..refusal })));
        }
        at = end;
    }
    (reading, None)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_pieces_do_not_matter(parts in vec(select(&PARTS[..]), 0..24), cuts in vec(any::<usize>(), 0..12)) {
        let bytes = parts.concat().into_bytes();
        let (whole, refused_whole) = read_cut(&bytes, &[]);
        let (cut, refused_cut) = read_cut(&bytes, &cuts);
        prop_assert_eq!(whole, cut);
        prop_assert_eq!(refused_whole.map(|(_, refusal)| refusal), refused_cut.map(|(_, refusal)| refusal));
        if let (Some((line, _)), Some((at, _))) = (refused_whole, refused_cut) {
            prop_assert!(line <= at && !bytes[line..at].contains(&b'\n'), "the end of a refused line was let through");
        }
    }
}

// The same that hyper reads.

/// A sound request: the bytes, and what they say.
#[derive(Clone, Debug)]
struct Sent {
    bytes: Bytes,
    seen: Seen,
}

/// Method, target and body, as they were seen.
type Seen = (String, String, Vec<u8>);

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..40), select(&b"\r\n0; :"[..]).prop_flat_map(|byte| vec(Just(byte), 0..8)), vec(any::<u8>(), 4000..9000)]
}

/// The framing of a body, and the body.
fn framed() -> impl Strategy<Value = (String, Vec<u8>, Vec<u8>)> {
    let lengths = body().prop_map(|body| (format!("Content-Length: {}\r\n", body.len()), body.clone(), body));
    let chunks = (vec((body(), 1..5_usize, any::<bool>()), 0..5), any::<bool>()).prop_map(|(chunks, has_trailers)| {
        let (mut wire, mut all) = (Vec::new(), Vec::new());
        for (chunk, digits, has_extension) in chunks.into_iter().filter(|(chunk, ..)| !chunk.is_empty()) {
            wire.extend(format!("{:0digits$X}{}\r\n", chunk.len(), if has_extension { ";a=b" } else { "" }).bytes());
            wire.extend(&chunk);
            wire.extend(b"\r\n");
            all.extend(chunk);
        }
        wire.extend(format!("0\r\n{}\r\n", if has_trailers { "X-Sum: 1\r\nX-More:\r\n" } else { "" }).bytes());
        ("Transfer-Encoding: chunked\r\n".to_owned(), wire, all)
    });
    prop_oneof![Just((String::new(), Vec::new(), Vec::new())), lengths, chunks]
}

/// A connection ends after an HTTP/1.0 request that does not say otherwise.
fn request(may_be_old: bool) -> impl Strategy<Value = Sent> {
    let headers =
        vec(select(&["Accept: */*\r\n", "X-Empty:\r\n", "x_y:\t a\tb \r\n", "Expect: 100-continue\r\n", "X-Text: \u{e9}\r\n"][..]), 0..4);
    let line = (select(&["GET", "HEAD", "POST", "DELETE", "OPTIONS", "M-SEARCH"][..]), "/[a-z/]{0,12}(\\?[a-z=&|{}%]{0,8})?");
    let host = select(&["Host: x\r\n", "host:example.com:80\r\n", "HOST: [::1] \r\n"][..]);
    (line, host, headers, framed(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        move |((method, target), host, headers, (framing, wire, body), is_host_last, is_old, is_after_blank)| {
            let is_old = is_old && may_be_old && !framing.starts_with("Transfer");
            let version = if is_old { "HTTP/1.0\r\nConnection: keep-alive\r\n" } else { "HTTP/1.1\r\n" };
            let headers = headers.concat();
            let headers = if is_host_last { framing + &headers + host } else { host.to_owned() + &headers + &framing };
            let head = format!("{}{method} {target} {version}{headers}\r\n", if is_after_blank { "\r\n" } else { "" });
            Sent { bytes: [head.into_bytes(), wire].concat().into(), seen: (method.into(), target, body) }
        },
    )
}

/// A socket that hands out one piece a read, and keeps what is written.
struct Pieces {
    coming: VecDeque<Vec<u8>>,
    answers: Arc<Mutex<Vec<u8>>>,
}

impl Pieces {
    fn new(coming: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self { coming: coming.into_iter().filter(|piece| !piece.is_empty()).collect(), answers: Arc::default() }
    }
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.coming.pop_front() {
            let later = piece.split_off(piece.len().min(buffer.remaining()));
            buffer.put_slice(&piece);
            if !later.is_empty() {
                self.coming.push_front(later);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.answers.lock().unwrap().extend(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// What a connection came to.
struct Served {
    /// How many requests the service was handed.
    begun: usize,
    /// Those whose bodies came whole.
    seen: Vec<Seen>,
    /// The status of each answer.
    answers: Vec<u16>,
}

/// Lets hyper serve a socket; every request is read to its end and answered 200.
fn serve<S: AsyncRead + AsyncWrite + Unpin>(socket: S, answers: &Mutex<Vec<u8>>) -> Served {
    let (begun, seen) = (Mutex::new(0), Mutex::new(Vec::new()));
    let service = service_fn(async |request: Request<Incoming>| {
        *begun.lock().unwrap() += 1;
        let (parts, body) = request.into_parts();
        if let Ok(body) = body.collect().await {
            seen.lock().unwrap().push((parts.method.to_string(), parts.uri.to_string(), body.to_bytes().to_vec()));
        }
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    // Whether it ends well is not asked here.
    let _ = run(http1::Builder::new().half_close(true).max_buf_size(MOST).serve_connection(TokioIo::new(socket), service));
    let text = String::from_utf8(answers.lock().unwrap().clone()).unwrap();
    let answers = text.split("HTTP/1.").skip(1).map(|answer| answer[2..5].parse().unwrap()).filter(|status| *status != 100).collect();
    Served { begun: begun.into_inner().unwrap(), seen: seen.into_inner().unwrap(), answers }
}

fn serve_alone(pieces: impl IntoIterator<Item = Vec<u8>>) -> Served {
    let socket = Pieces::new(pieces);
    let answers = socket.answers.clone();
    serve(socket, &answers)
}

fn serve_strictly(pieces: impl IntoIterator<Item = Vec<u8>>) -> Served {
    let socket = Pieces::new(pieces);
    let answers = socket.answers.clone();
    serve(Strict::new(socket, Peer::Unix, MOST), &answers)
}

/// Bytes in pieces of this length.
fn pieces(bytes: &[u8], length: usize) -> impl Iterator<Item = Vec<u8>> {
    bytes.chunks(length).map(<[u8]>::to_vec)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_written_correctly_is_read_as_hyper_reads_it(sent in vec(request(true), 0..6), length in select(&[1, 7, 100, 5000, 100_000][..])) {
        let bytes: Vec<u8> = sent.iter().flat_map(|sent| sent.bytes.clone()).collect();
        let wanted: Vec<Seen> = sent.into_iter().map(|sent| sent.seen).collect();
        prop_assert_eq!(read(&bytes), Ok(wanted.len() as u64));
        prop_assert_eq!(&serve_alone(pieces(&bytes, length)).seen, &wanted);
        let served = serve_strictly(pieces(&bytes, length));
        prop_assert_eq!(&served.seen, &wanted);
        prop_assert_eq!(served.answers, vec![200; wanted.len()]);
    }

    #[test]
    fn hyper_never_takes_another_request_than_was_read(
        sent in vec(request(false), 1..4),
        edits in vec((any::<prop::sample::Index>(), 0..3_usize, select(&b"\r\n \t:,;9a_#\0\x80"[..])), 1..4),
        length in select(&[1, 7, 100, 5000, 100_000][..]),
    ) {
        let mut bytes: Vec<u8> = sent.into_iter().flat_map(|sent| sent.bytes).collect();
        for (at, how, byte) in edits {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        let mut reading = Reading::new(MOST);
        let refusal = reading.feed(&bytes).err();
        let read = reading.requests() as usize;
        let served = serve_strictly(pieces(&bytes, length));
        prop_assert!(served.begun <= read, "{} of {read} requests", served.begun);
        if refusal.is_none() {
            let alone = serve_alone(pieces(&bytes, length));
            prop_assert_eq!(&alone.seen, &served.seen);
            // hyper may refuse what we let through, and the end may be missing; but it must not find more.
            prop_assert!(alone.begun <= read);
            prop_assert!(alone.begun == read || alone.answers.last().is_some_and(|status| *status >= 400), "{:?}", alone.answers);
        }
        if let Some(Refusal { place: Place::Head, .. }) = refusal {
            prop_assert!(served.answers.last().is_some_and(|status| *status >= 400), "{:?}", served.answers);
        }
    }
}

#[test]
fn wherever_a_head_goes_wrong_it_is_answered_400_and_goes_no_further() {
    let head = get("X-Header: value\r\nContent-Length: 0\r\n");
    for cut in 0..=head.len() {
        let before = usize::from(cut == head.len());
        for bad in ["\0\r\n", "\0"] {
            let bad = format!("{bad}\r\n\r\n{}", get("").repeat(3));
            let served = serve_strictly([head[..cut].into(), bad.clone().into()]);
            assert_eq!((served.begun, served.answers.last()), (before, Some(&400)), "after {cut} bytes");
            let served = serve_strictly([[&head[..cut], &bad].concat().into()]);
            assert_eq!((served.begun, served.answers.last()), (before, Some(&400)), "after {cut} bytes at once");
        }
    }
}

#[test]
fn too_large_a_head_is_answered_431() {
    for (bytes, length) in [(MOST + 1, 100_000), (MOST + 1, 1000), (MOST * 4, 100_000), (MOST * 4, 1), (MOST * 4, 1000)] {
        let served = serve_strictly(pieces(head_of(bytes).as_bytes(), length));
        assert_eq!((served.begun, served.answers), (0, vec![431]), "{bytes} bytes by {length}");
    }
    let good = get("");
    for length in [1000, 100_000] {
        let served = serve_strictly(pieces((good.clone() + &head_of(MOST * 4)).as_bytes(), length));
        assert_eq!((served.begun, served.answers), (1, vec![200, 431]));
    }
    let served = serve_strictly([get(&"X: y\r\n".repeat(200)).into()]);
    assert_eq!((served.begun, served.answers), (0, vec![431]), "too many headers");
}

#[test]
fn a_body_that_goes_wrong_ends_with_an_error_and_so_does_the_connection() {
    for bad in ["1\r\nxy\r\n0\r\n\r\n", "1 \r\nx\r\n0\r\n\r\n", "1\r\nx\r\n0\r\nHost: y\r\n\r\n", "1\nx\n0\n\n"] {
        for length in [1, 100_000] {
            let bytes = chunked("2\r\nab\r\n") + bad + &get("");
            let served = serve_strictly(pieces(bytes.as_bytes(), length));
            assert_eq!((served.begun, served.seen.len()), (1, 0), "{bad:?}");
            assert!(served.answers.len() <= 1, "{bad:?} got {:?}", served.answers);
        }
    }
}

// Tunnels.

#[test]
fn a_tunnel_passes_unread_once_it_is_told() {
    let noise: Vec<u8> = (0..=255).cycle().take(1000).collect();
    run(async {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let socket = Strict::new(server, Peer::Unix, MOST);
        let switch = socket.tunnel_switch();
        let service = service_fn(async |mut request: Request<Incoming>| {
            switch.set();
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut tunnel = TokioIo::new(upgrade.await.unwrap());
                let mut back = Vec::new();
                tunnel.read_to_end(&mut back).await.unwrap();
                tunnel.write_all(&back).await.unwrap();
                tunnel.shutdown().await.unwrap();
            });
            let mut answer = Response::new(Empty::<Bytes>::new());
            *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            Ok::<_, Infallible>(answer)
        });
        let serving = http1::Builder::new().half_close(true).serve_connection(TokioIo::new(socket), service).with_upgrades();
        let talking = async {
            client.write_all(get("Upgrade: echo\r\nConnection: Upgrade\r\n").as_bytes()).await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            client.write_all(&noise).await.unwrap();
            client.shutdown().await.unwrap();
            let mut back = Vec::new();
            client.read_to_end(&mut back).await.unwrap();
            back
        };
        let (served, back) = tokio::join!(serving, talking);
        served.unwrap();
        assert_eq!(back, noise);
    });
}

#[test]
fn what_comes_before_a_tunnel_is_told_is_read_and_nothing_is_made_up() {
    let upgrade = get("Upgrade: echo\r\nConnection: Upgrade\r\n");
    for early in ["early\nbird", "early\0bird\r\n"] {
        let mut socket = Strict::new(Pieces::new([(upgrade.clone() + early).into(), b"later".to_vec()]), Peer::Unix, MOST);
        let mut read = vec![0; 10_000];
        let length = run(socket.read(&mut read)).unwrap();
        assert_eq!(&read[..length], upgrade.as_bytes());
        assert_eq!(run(socket.read(&mut read)).unwrap_err().kind(), io::ErrorKind::InvalidData);
        socket.tunnel_switch().set();
        assert!(run(socket.read(&mut read)).is_err(), "it stays so");
    }
}
