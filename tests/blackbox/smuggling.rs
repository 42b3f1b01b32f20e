//! Requests that two readers would take for different ones: the published shapes of smuggling, byte for byte. None may get
//! through, and nothing that comes behind one on the same connection is a request any more.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::support::{Folder, Request, Stage};

const PATIENCE: Duration = Duration::from_secs(30);

/// What must never be answered where it comes behind a bad shape.
const NEXT: &str = "GET /auth/v1/health HTTP/1.1\r\nHost: x\r\n\r\n";

/// Closes the connection from the other side.
const LAST: &str = "GET /auth/v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Sends bytes in one go and reads until the server closes; the status of each answer.
fn answers(mut stream: impl Read + Write, bytes: &[u8]) -> Vec<u16> {
    stream.write_all(bytes).unwrap();
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("it is still open after {:?}", String::from_utf8_lossy(bytes)),
        // What was not read any more makes a reset of the close.
        Ok(_) | Err(_) => {}
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    text.split("HTTP/1.").skip(1).map(|answer| answer[2..5].parse().unwrap()).collect()
}

fn tcp(stage: &Stage) -> TcpStream {
    let stream = TcpStream::connect(&stage.server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn unix(path: &std::path::Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A request to a path that needs nothing, with these header lines and this body.
fn post(headers: &str, body: &str) -> String {
    format!("POST /auth/v1/health HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}")
}

/// Heads that are no one's, or two.
fn bad_heads() -> Vec<String> {
    let smuggled = format!("0\r\n\r\n{NEXT}");
    let with = |headers: &str| post(headers, &smuggled);
    let line = |line: &str| format!("{line}\r\nHost: x\r\n\r\n");
    let mut heads = vec![
        // Which length is it?
        with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        with("Content-Length: 5\r\nContent-Length: 5\r\n"),
        with("Content-Length: 0\r\nContent-Length: 51\r\n"),
        with("Content-Length: 5\r\nContent_Length: 51\r\n"),
        with("Content_Length: 51\r\n"),
        with("Transfer_Encoding: chunked\r\n"),
        with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        with("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
        with("Transfer-Encoding: chunked\r\ntransfer-encoding: x\r\n"),
        with(" Transfer-Encoding: chunked\r\n"),
        with("X: X\nTransfer-Encoding: chunked\r\n"),
        with("X: X\rTransfer-Encoding: chunked\r\n"),
        with("Transfer-Encoding : chunked\r\n"),
        with("Transfer-Encoding\t: chunked\r\n"),
        with("Transfer-Encoding\n: chunked\r\n"),
        with("Transfer-Encoding\r\n : chunked\r\n"),
        with("Transfer-Encoding:\r\n chunked\r\n"),
        with("Transfer-Encoding:\u{b}chunked\r\n"),
        with("Transfer-Encoding: chunked\0\r\n"),
        with("Content-Length: 5\r\n\tX\r\n"),
        with("Content-Length : 5\r\n"),
        format!("POST / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n{smuggled}"),
        // Where does a line end?
        "GET / HTTP/1.1\nHost: x\n\n".into(),
        "GET / HTTP/1.1\r\nHost: x\n\r\n".into(),
        "GET / HTTP/1.1\r\nHost: x\r\n\n".into(),
        "GET / HTTP/1.1\r\nHost: x\rX: y\r\n\r\n".into(),
        "GET / HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\n".into(),
        "GET / HTTP/1.1\r\nHost: x\r\nX: y\r\n folded\r\n\r\n".into(),
        "GET / HTTP/1.1\r\n Host: x\r\n\r\n".into(),
        "GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n".into(),
        "GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n".into(),
        "GET / HTTP/1.1\r\nHost: x\r\nX Y: z\r\n\r\n".into(),
        "\n".into(),
        "\r\n\r\n\r\n".into(),
        // Whom is it for?
        "GET / HTTP/1.1\r\n\r\n".into(),
        "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n".into(),
        "GET / HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n".into(),
        "GET http://x/ HTTP/1.1\r\nHost: y\r\n\r\n".into(),
        "GET http://x/ HTTP/1.1\r\nHost: x:8080\r\n\r\n".into(),
        "GET http://x/ HTTP/1.1\r\n\r\n".into(),
        // What is asked for?
        line("CONNECT x:443 HTTP/1.1"),
        line("CONNECT / HTTP/1.1"),
        line("GET /a#b HTTP/1.1"),
        line("GET /a?b#c HTTP/1.1"),
        line("GET #/a HTTP/1.1"),
        line("GET x HTTP/1.1"),
        line("GET x:80 HTTP/1.1"),
        line("GET * HTTP/1.1"),
        line("GET  / HTTP/1.1"),
        line("GET /  HTTP/1.1"),
        line("GET\t/ HTTP/1.1"),
        line("GET / HTTP/1.1 "),
        line("GET /\u{e9} HTTP/1.1"),
        line("GET /"),
        line("GET / HTTP/0.9"),
        line("GET / HTTP/1.2"),
        line("PRI * HTTP/2.0"),
    ];
    let lengths = ["", "+5", "-5", "5 5", "5,5", "5, 5", "0x5", "5.0", "05", "99999999999999999999", "9223372036854775808"];
    heads.extend(lengths.map(|length| with(&format!("Content-Length: {length}\r\n"))));
    let codings = [
        "xchunked",
        "chunkedx",
        "gzip, chunked",
        "chunked, identity",
        "chunked, chunked",
        "identity",
        "\"chunked\"",
        ",chunked",
        "gzip",
        "",
    ];
    heads.extend(codings.map(|coding| with(&format!("Transfer-Encoding: {coding}\r\n"))));
    let hosts = ["", "a b", "a, b", "u@x", "x/", "x:", "x:99999", "[::1", "http://x"];
    heads.extend(hosts.map(|host| format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")));
    heads
}

/// Chunked bodies that end somewhere else for somebody else.
const BAD_CHUNKS: [&str; 26] = [
    "2\r\n{}0\r\n\r\n",
    "2\r\n{} \r\n0\r\n\r\n",
    "1\r\n{}\r\n0\r\n\r\n",
    "3\r\n{}\r\n0\r\n\r\n",
    "2\n{}\r\n0\r\n\r\n",
    "2\r\n{}\n0\r\n\r\n",
    "2\r\n{}\r\n0\n\n",
    "2\r\n{}\r\n0\r\n\n",
    "2\r\r\n{}\r\n0\r\n\r\n",
    "0x2\r\n{}\r\n0\r\n\r\n",
    "+2\r\n{}\r\n0\r\n\r\n",
    "-2\r\n{}\r\n0\r\n\r\n",
    " 2\r\n{}\r\n0\r\n\r\n",
    "2 \r\n{}\r\n0\r\n\r\n",
    "2\t\r\n{}\r\n0\r\n\r\n",
    "2 ;a=b\r\n{}\r\n0\r\n\r\n",
    "2;\n{}\r\n0\r\n\r\n",
    "2;a\nb\r\n{}\r\n0\r\n\r\n",
    "2;a\rb\r\n{}\r\n0\r\n\r\n",
    "2;\0\r\n{}\r\n0\r\n\r\n",
    "10000000000000002\r\n{}\r\n0\r\n\r\n",
    "ffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "2\r\n{}\r\n0\r\nX : y\r\n\r\n",
    "2\r\n{}\r\n0\r\nX: y\nZ: z\r\n\r\n",
    "2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n",
    "2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\n\r\n",
];

#[test]
fn a_head_that_can_be_read_in_two_ways_is_400_and_the_last_of_its_connection() {
    let stage = Stage::with("");
    for bad in bad_heads() {
        let statuses = answers(tcp(&stage), format!("{bad}{NEXT}").as_bytes());
        assert_eq!(statuses, [400], "{bad:?}");
        let statuses = answers(tcp(&stage), format!("{NEXT}{bad}{NEXT}").as_bytes());
        assert_eq!(statuses, [200, 400], "behind a good request: {bad:?}");
    }
    stage.server.send(&Request::get("/auth/v1/health")).expect(200);
}

#[test]
fn a_body_that_can_be_read_in_two_ways_is_never_taken_and_the_last_of_its_connection() {
    let stage = Stage::with("");
    for bad in BAD_CHUNKS {
        for (path, allowed) in [("/auth/v1/verify", &[400][..]), ("/x", &[400, 401])] {
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
                stage.token
            );
            let statuses = answers(tcp(&stage), format!("{head}{bad}{NEXT}").as_bytes());
            assert!(statuses.len() <= 1 && statuses.iter().all(|status| allowed.contains(status)), "{path} {bad:?} got {statuses:?}");
        }
    }
    stage.server.send(&Request::get("/auth/v1/health")).expect(200);
}

#[test]
fn what_is_written_correctly_gets_through() {
    let stage = Stage::with("");
    let verify = |headers: &str, body: &str| {
        format!(
            "POST /auth/v1/verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n{headers}\r\n{body}",
            stage.token
        )
    };
    let chunks = "8\r\n{\"key\": \r\n00A;a=\"b c\"\r\n\"nonsense\"\r\n1\r\n}\r\n";
    let health = |line: &str, headers: &str| format!("{line}\r\n{headers}\r\n");
    let close = "Connection: close\r\n";
    for (bytes, wanted) in [
        (format!("{NEXT}{NEXT}{LAST}"), &[200, 200, 200][..]),
        (format!("\r\n{NEXT}\r\n{LAST}"), &[200, 200]),
        (verify("Transfer-Encoding: chunked\r\n", &format!("{chunks}0\r\n\r\n")) + LAST, &[200, 200]),
        (verify("Transfer-Encoding:\tChunked \r\n", &format!("{chunks}0\r\n\r\n")) + LAST, &[200, 200]),
        (verify("transfer-encoding:chunked\r\n", &format!("{chunks}0\r\nX-Sum: 1\r\n\r\n")) + LAST, &[200, 200]),
        (verify("Content-Length: 19\r\n", "{\"key\": \"nonsense\"}") + LAST, &[200, 200]),
        ("GET /auth/v1/health HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n\n\n\0\r".to_owned() + LAST, &[200, 200]),
        (format!("GET /x HTTP/1.1\r\nHost: x\r\n\r\n{LAST}"), &[401, 200]),
        (format!("HEAD /auth/v1/health HTTP/1.1\r\nHost: x\r\n\r\n{LAST}"), &[200, 200]),
        (health("GET /auth/v1/health HTTP/1.0", "Host: x\r\n"), &[200]),
        (health("GET /auth/v1/health HTTP/1.0", ""), &[200]),
        (health("GET /auth/v1/health HTTP/1.0", "Host: x\r\nConnection: keep-alive\r\n") + LAST, &[200, 200]),
        (health("GET /auth/v1/health HTTP/1.1", &format!("host:x\r\n{close}")), &[200]),
        (health("GET /auth/v1/health HTTP/1.1", &format!("HOST: [2001:db8::1]:8080 \r\n{close}")), &[200]),
        (health("GET /auth/v1/health HTTP/1.1", &format!("Host: [::1]\r\n{close}")), &[200]),
        (health("GET http://X.example/auth/v1/health HTTP/1.1", &format!("Host: x.example:80\r\n{close}")), &[200]),
        (health("GET /auth/v1/health HTTP/1.1", &format!("X: a\tb\r\nX:\r\nX_Y: \u{e9}\r\nHost: x\r\n{close}")), &[200]),
        // After the last request nothing is read as one.
        (format!("{LAST}{NEXT}"), &[200]),
        (format!("{LAST}\n\n"), &[200]),
    ] {
        assert_eq!(answers(tcp(&stage), bytes.as_bytes()), wanted, "{bytes:?}");
    }
}

#[test]
fn a_body_may_come_late_and_in_pieces() {
    let stage = Stage::with("");
    let mut stream = tcp(&stage);
    let head = format!(
        "POST /auth/v1/verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
        stage.token
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut invited = [0; 25];
    stream.read_exact(&mut invited).unwrap();
    assert_eq!(&invited, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.set_nodelay(true).unwrap();
    for byte in "13\r\n{\"key\": \"nonsense\"}\r\n0\r\nX-Sum: 1\r\n\r\n".bytes() {
        stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(answers(stream, LAST.as_bytes()), [200, 200]);
}

#[test]
fn sockets_are_read_as_strictly() {
    let place = Folder::new();
    let socket = place.path("http.sock");
    let folder = Folder::new().variable("TOLLGATE_SERVER__LISTEN", &format!("unix:{}", socket.display()));
    let control = folder.path("tollgate.db.sock");
    let _server = folder.serve();
    for (path, health) in [(&socket, "/auth/v1/health"), (&control, "/v1/health")] {
        let good = format!("GET {health} HTTP/1.1\r\nHost: x\r\n\r\n");
        let bad = format!("GET {health} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
        assert_eq!(answers(unix(path), format!("{good}{bad}{good}").as_bytes()), [200, 400], "{}", path.display());
    }
}

#[test]
fn the_log_says_why_and_repeats_nothing() {
    let stage = Stage::of(Folder::new().variable("TOLLGATE_LOG", "debug"));
    let bad = "GET /the-path HTTP/1.1\r\nHost: the-host\r\nAuthorization: Bearer the-key\r\nContent-Length: the-length\r\n\r\n";
    assert_eq!(answers(tcp(&stage), bad.as_bytes()), [400]);
    let (_, log) = stage.server.stop();
    assert!(log.contains("a connection was refused: a Content-Length that is no plain number"), "{log}");
    for part in ["the-path", "the-host", "the-key", "the-length"] {
        assert!(!log.contains(part), "{part} is in {log}");
    }
}
