//! What is no HTTP, or hardly any.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::FREE;
use crate::support::{Request, Stage};

/// Sends bytes and reads until the server closes; what it answered, and how long that took.
fn sent_raw(address: &str, bytes: &[u8], is_finished: bool) -> (String, Duration) {
    let started = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    // The server may have closed already.
    let _ = stream.write_all(bytes);
    if is_finished {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("it hangs on {:?}", String::from_utf8_lossy(bytes)),
        _ => {}
    }
    (String::from_utf8_lossy(&answer).into_owned(), started.elapsed())
}

#[test]
fn what_is_no_http_is_never_500_and_never_hangs() {
    let stage = Stage::with(&format!("[server]\nheader_timeout = \"1s\"\nrequest_timeout = \"2s\"\n{FREE}"));
    let token = &stage.token;
    let many_headers = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(500));
    let long_header = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(100_000));
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "y".repeat(20_000));
    let verify = |rest: &str| {
        format!(
            "POST /auth/v1/verify HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n{rest}"
        )
    };
    let cases: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"\r\n\r\n".to_vec(),
        b"nonsense\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: x\x00y\r\n\r\n".to_vec(),
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_vec(),
        b"GET ../x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_vec(),
        b"GET http://[::1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_vec(),
        b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: x\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer \x80\xff\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        (0..=255).cycle().take(5000).collect(),
        many_headers.into_bytes(),
        long_header.into_bytes(),
        long_path.into_bytes(),
        verify("Content-Length: -1\r\n\r\n{}").into_bytes(),
        verify("Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}").into_bytes(),
        verify("Content-Length: 2, 2\r\n\r\n{}").into_bytes(),
        verify("Content-Length: 99999999999999999999999\r\n\r\n{}").into_bytes(),
        verify("Content-Length: 9\r\n\r\n{}").into_bytes(),
        verify("Transfer-Encoding: gzip\r\n\r\n{}").into_bytes(),
        verify("Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n").into_bytes(),
        verify("Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{}").into_bytes(),
        verify("Transfer-Encoding: chunked\r\n\r\n2\r\n{}").into_bytes(),
        verify("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n").into_bytes(),
        verify("Expect: 100-continue\r\nContent-Length: 9\r\n\r\n").into_bytes(),
    ];
    std::thread::scope(|scope| {
        for case in &cases {
            for is_finished in [true, false] {
                let stage = &stage;
                scope.spawn(move || {
                    let (answer, took) = sent_raw(&stage.server.address, case, is_finished);
                    let shown = String::from_utf8_lossy(case).chars().take(200).collect::<String>();
                    let last = answer.rsplit("HTTP/1.1 ").next().unwrap_or_default();
                    assert!(!last.starts_with("500") && !last.starts_with("200"), "{shown:?} got {answer}");
                    assert!(took < Duration::from_secs(10), "{shown:?} took {took:?}");
                });
            }
        }
    });
    stage.server.send(&Request::get("/auth/v1/ready")).expect(200);
    let (_, log) = stage.server.stop();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn one_connection_carries_many_requests_each_decided_by_itself() {
    let stage = Stage::with(FREE);
    let key = stage.raw_key("free");
    let good = format!("GET /x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n");
    let bad = "GET /x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer nonsense\r\n\r\n";
    let last = "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let (answers, _) = sent_raw(&stage.server.address, [&*good, bad, &good, last].concat().as_bytes(), false);
    let told: Vec<&str> = answers.match_indices("HTTP/1.1 ").map(|(at, start)| &answers[at + start.len()..at + start.len() + 3]).collect();
    assert_eq!(told, ["200", "401", "200", "401"], "{answers}");
}
