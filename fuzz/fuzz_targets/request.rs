//! Everything that reads what a client or a proxy sends: the first line is the request's target, the second the peer, each other a header.

#![no_main]

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use tollgate::fuzzing::domain::carrier::{self, Carrier};
use tollgate::fuzzing::domain::key::{Alphabet, Environment, Environments, Looks};
use tollgate::fuzzing::domain::{address, path};
use tollgate::fuzzing::http::forwarded;
use tollgate::fuzzing::http::peer::Peer;

const CARRIERS: [&str; 6] = ["bearer", "header:api-key", "basic:user", "basic:password", "scheme:Bot", "query:api_key"];

fuzz_target!(|data: &[u8]| {
    let mut lines = data.split(|byte| *byte == b'\n');
    let target = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let peer = if lines.next().is_some_and(|line| line.first() == Some(&b'u')) { Peer::Unix } else { Peer::Tcp(SocketAddr::from(([127, 0, 0, 1], 1))) };
    let mut headers = HeaderMap::new();
    for line in lines.take(50) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(&line[colon + 1..])) {
            headers.append(name, value);
        }
    }
    let (raw_path, query) = path::split(&target);
    if let Ok(normal) = path::normalise(raw_path) {
        assert!(!normal.contains("//") && !normal.contains('\\') && !normal.split('/').any(|segment| segment == ".."));
    }
    let carriers: Vec<Carrier> = CARRIERS.iter().filter_map(|text| Carrier::parse(text).ok()).collect();
    let alphabet = Alphabet::parse("base62").expect("base62 is known");
    let live = Environment { name: "live".into(), prefix: "nb_".into(), length: 48, alphabet, checksum: true, reserved: false, imported: false };
    let environments = Environments::new(vec![live]);
    if let carrier::Found::Credential(text) = carrier::read(&carriers, &headers, query) {
        if environments.looks(&text) == Looks::Plausible {
            assert!(environments.holds_key(&text));
        }
    }
    environments.holds_key(&target);
    let trusted = [address::parse_range("127.0.0.0/8").expect("it is a range")];
    let _ = forwarded::client(peer, &headers, &trusted);
});
