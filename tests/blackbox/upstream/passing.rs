//! What passes is passed on as it came, and the answer comes back as it is.

use super::{Front, HOST, head};
use crate::support::app::{answer, by_answers, chunk, ok};
use crate::support::wire::Stream;
use crate::support::{App, Line, Request, Stage};

const METHODS: [&str; 14] =
    ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "MKCOL", "REPORT", "LOCK", "M-SEARCH", "QUERY", "PURGE", "BREW"];

const TARGETS: [&str; 17] = [
    "/",
    "/x",
    "/x/",
    "/a%20b",
    "/caf%C3%A9",
    "/caf%c3%a9",
    "/%7Eme/~me",
    "/%41bc",
    "/.well-known/x",
    "/100%25",
    "/a:b@c,d=e!$&'()*+",
    "/x?",
    "/x?a=1&b=2&a=3",
    "/x?next=/a//b/../c;d%2f&plus=a+b%20c",
    "/x?a=b?c=d",
    "/x?=&&=",
    "/x?q=%22%3Cscript%3E'",
];

#[test]
fn any_method_and_target_reaches_the_app_byte_for_byte() {
    let front = Front::of(App::answering(|_| ok("fine")));
    let mut line = front.line();
    let rows = METHODS.iter().map(|method| (*method, "/x")).chain(TARGETS.iter().map(|target| ("GET", *target)));
    for (method, target) in rows {
        assert_eq!(line.ask(front.head(method, target, "")).expect(200).body, "fine", "{method} {target}");
        assert_eq!(front.app.latest().head.line, format!("{method} {target} HTTP/1.1"));
    }
    let long = format!("/{}?{}", "a".repeat(3000), "b".repeat(3000));
    line.ask(front.head("GET", &long, "")).expect(200);
    assert_eq!(front.app.latest().head.target(), long);
}

#[test]
fn headers_reach_the_app_each_with_its_values_in_order() {
    let front = Front::of(App::answering(|_| ok("fine")));
    let sent = [
        ("Accept", "text/html;q=0.8, */*"),
        ("X-Many", "first"),
        ("Accept", "application/json"),
        ("X-Many", "second, third"),
        ("Cookie", "a=1; b=\"2\""),
        ("User-Agent", "test/1.0 (a; b)"),
        ("If-None-Match", "W/\"x\", \"y\""),
        ("If-Modified-Since", "Sat, 29 Oct 1994 19:43:31 GMT"),
        ("Range", "bytes=0-9"),
        ("Accept-Encoding", "gzip, br"),
        ("Accept-Language", "de, en;q=0.5"),
        ("Cache-Control", "no-cache"),
        ("Origin", "https://elsewhere.example"),
        ("Referer", "https://elsewhere.example/x?y"),
        ("Idempotency-Key", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ("X-Many", "fourth"),
        ("X-Empty", ""),
        ("X-Under_score", "kept"),
    ];
    let more: String = sent.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    front.line().ask(front.head("GET", "/x", &more)).expect(200);
    let heard = front.app.only();
    for (name, _) in sent {
        let values: Vec<&str> = sent.iter().filter(|(other, _)| *other == name).map(|(_, value)| *value).collect();
        assert_eq!(heard.head.all(name), values, "{name} in {}", heard.head.text());
    }
    assert_eq!(heard.one("Host"), HOST);
    assert_eq!(heard.one("X-Forwarded-Host"), HOST);
}

#[test]
fn a_header_value_beyond_ascii_reaches_the_app_as_its_bytes() {
    let front = Front::of(App::answering(|_| ok("fine")));
    let mut request = front.head("GET", "/x", "X-Name: ").into_bytes();
    request.truncate(request.len() - 2);
    request.extend(b"caf\xe9 \xff\r\n\r\n");
    front.line().ask(request).expect(200);
    let raw = front.app.only().head.raw;
    assert!(raw.windows(6).any(|bytes| bytes == b"caf\xe9 \xff"), "{:?}", String::from_utf8_lossy(&raw));
}

#[test]
fn bodies_reach_the_app_as_they_are_framed() {
    let front = Front::of(App::answering(|heard| ok(&heard.body.len().to_string())));
    let every_byte: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let chunked = |pieces: &[&[u8]]| [pieces.iter().flat_map(|piece| chunk(piece)).collect::<Vec<u8>>(), b"0\r\n\r\n".to_vec()].concat();
    let mut line = front.line();
    for (what, method, framing, wire, body) in [
        ("with a length", "POST", format!("Content-Length: {}\r\n", every_byte.len()), every_byte.clone(), &every_byte[..]),
        ("with a length of none", "POST", "Content-Length: 0\r\n".into(), Vec::new(), b""),
        ("of a GET", "GET", "Content-Length: 2\r\n".into(), b"{}".to_vec(), b"{}"),
        ("of a DELETE", "DELETE", "Content-Length: 2\r\n".into(), b"{}".to_vec(), b"{}"),
        ("of a method of its own", "SEARCH", "Content-Length: 2\r\n".into(), b"{}".to_vec(), b"{}"),
        ("chunked", "PUT", "Transfer-Encoding: chunked\r\n".into(), chunked(&[b"hello ", b"you"]), b"hello you"),
        ("chunked and large", "PATCH", "Transfer-Encoding: chunked\r\n".into(), chunked(&[&every_byte]), &every_byte),
        ("chunked of none", "POST", "Transfer-Encoding: chunked\r\n".into(), chunked(&[]), b""),
    ] {
        let request = [front.head(method, "/x", &framing).into_bytes(), wire].concat();
        assert_eq!(line.ask(request).expect(200).body, body.len().to_string(), "{what}");
        let heard = front.app.latest();
        assert!(heard.body == body, "a body {what} came out otherwise");
        let is_chunked = framing.starts_with("Transfer");
        // One without anything in it may be told either way.
        if !body.is_empty() {
            assert_eq!(heard.head.header("Transfer-Encoding").is_some(), is_chunked, "{what}: {}", heard.head.text());
            assert_eq!(heard.head.header("Content-Length"), (!is_chunked).then(|| body.len().to_string()), "{what}");
        }
    }
}

#[test]
fn a_request_without_a_body_has_none_at_the_app() {
    let front = Front::of(App::answering(|_| ok("fine")));
    let mut line = front.line();
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        line.ask(front.head(method, "/x", "")).expect(200);
        let heard = front.app.latest();
        heard.assert_without("Transfer-Encoding");
        assert!(heard.head.header("Content-Length").is_none_or(|length| length == "0"), "{}", heard.head.text());
    }
    line.ask(front.head("POST", "/x", "")).expect(200);
    assert!(front.app.latest().body.is_empty(), "and a POST without one is not waited for");
}

#[test]
fn an_answer_comes_back_as_the_app_gave_it() {
    let rows = [
        ("200 OK", "Content-Type: application/json\r\nETag: \"a\"\r\nLast-Modified: Sat, 29 Oct 1994 19:43:31 GMT\r\n", "{\"a\": 1}"),
        ("201 Created", "Location: /x/1\r\n", "made"),
        ("202 Accepted", "Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; HttpOnly\r\nSet-Cookie: c=3, d\r\n", ""),
        ("206 Partial Content", "Content-Range: bytes 0-1/9\r\nAccept-Ranges: bytes\r\n", "ab"),
        ("207 Multi-Status", "X-Many: 1\r\nX-Many: 2\r\nX-Many: 3\r\nX-Empty:\r\n", "<x/>"),
        ("301 Moved Permanently", "Location: https://elsewhere.example/a?b#c\r\n", ""),
        ("400 Bad Request", "Content-Encoding: gzip\r\n", "not really"),
        ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"the app's own\"\r\n", "who?"),
        ("404 Not Found", "Cache-Control: public, max-age=60\r\n", "gone"),
        ("418 I'm a teapot", "Content-Language: en\r\n", "short and stout"),
        ("429 Too Many Requests", "Retry-After: 7\r\n", "the app's own limit"),
        ("500 Internal Server Error", "", "oh"),
        ("503 Service Unavailable", "Retry-After: 120\r\n", "later"),
        ("599 Nobody Knows", "Link: </a>; rel=next, </b>; rel=last\r\n", "odd"),
    ];
    const SIGNED: &str = "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\nServer: app/1.0\r\n";
    let front = Front::of(App::answering(move |heard| {
        let (status, headers, body) = rows[heard.head.target().trim_start_matches('/').parse::<usize>().unwrap()];
        answer(status, &format!("{SIGNED}{headers}"), body)
    }));
    let mut line = front.line();
    for (at, (status, headers, body)) in rows.iter().enumerate() {
        let reply = line.ask(front.head("GET", &format!("/{at}"), ""));
        assert_eq!((format!("{} ", reply.status), reply.body.as_str()), (status[..4].to_owned(), *body), "{reply:?}");
        let told: Vec<(&str, &str)> = format!("{SIGNED}{headers}").leak().lines().filter_map(|line| line.split_once(':')).collect();
        for (name, _) in &told {
            let of = |known: &str| known.eq_ignore_ascii_case(name);
            let sent: Vec<&str> = told.iter().filter(|(known, _)| of(known)).map(|(_, value)| value.trim()).collect();
            let got: Vec<&str> = reply.headers.iter().filter(|(known, _)| of(known)).map(|(_, value)| value.as_str()).collect();
            assert_eq!(got, sent, "{name} of {status}");
        }
        assert_eq!(reply.header("Content-Length"), Some(body.len().to_string()), "{status}");
    }
}

#[test]
fn answers_without_a_body_have_none_and_the_connection_goes_on() {
    let front = Front::of(App::answering(|heard| match heard.head.target() {
        "/head" => b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nContent-Type: image/png\r\n\r\n".to_vec(),
        "/unknown" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        "/204" => b"HTTP/1.1 204 No Content\r\nX-Told: yes\r\n\r\n".to_vec(),
        "/304" => b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n".to_vec(),
        _ => ok("fine"),
    }));
    let mut line = front.line();
    for (method, target, status, header, value) in [
        ("HEAD", "/head", 200, "Content-Length", Some("1234")),
        ("HEAD", "/head", 200, "Content-Type", Some("image/png")),
        ("HEAD", "/unknown", 200, "Content-Length", None),
        ("GET", "/204", 204, "X-Told", Some("yes")),
        ("GET", "/204", 204, "Content-Length", None),
        ("DELETE", "/204", 204, "Transfer-Encoding", None),
        ("GET", "/304", 304, "ETag", Some("\"a\"")),
        ("HEAD", "/304", 304, "ETag", Some("\"a\"")),
    ] {
        let reply = line.ask(front.head(method, target, "")).expect(status);
        assert_eq!(reply.header(header).as_deref(), value, "{method} {target}: {reply:?}");
        assert_eq!(line.ask(front.head("GET", "/after", "")).expect(200).body, "fine", "after {method} {target}");
        assert_eq!(front.app.heard().iter().rev().nth(1).unwrap().head.method(), method, "HEAD stays HEAD");
    }
}

#[test]
fn an_answer_of_any_framing_comes_back_whole() {
    let front = Front::of(App::scripted(|call| {
        call.say(match call.head.target() {
            "/end" => "HTTP/1.1 200 OK\r\n\r\nhello you",
            "/closing" => "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nhello you",
            "/old" => "HTTP/1.0 200 OK\r\n\r\nhello you",
            "/interim" => "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello you",
            _ => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6;x=y\r\nhello \r\n3\r\nyou\r\n0\r\n\r\n",
        });
        if call.head.target() != "/chunked" && call.head.target() != "/interim" {
            call.hang_up();
        }
    }));
    for target in ["/end", "/closing", "/old", "/chunked", "/interim", "/end"] {
        let mut line = front.line();
        line.say(front.head("GET", target, ""));
        let reply = std::iter::repeat_with(|| line.reply("GET")).find(|reply| reply.status >= 200).unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (200, "hello you"), "{target}");
    }
}

#[test]
fn a_client_of_http_1_0_is_told_in_its_own_way() {
    let front = Front::of(App::scripted(|call| call.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")));
    let mut line = front.line();
    line.say(format!("GET /x HTTP/1.0\r\nHost: {HOST}\r\nAuthorization: Bearer {}\r\n\r\n", front.key));
    let reply = line.reply("GET").expect(200);
    assert_eq!((reply.body.as_str(), reply.header("Transfer-Encoding")), ("hello", None), "{reply:?}");
    assert_eq!(front.app.only().head.line, "GET /x HTTP/1.1");
}

#[test]
fn a_whole_url_as_target_names_its_own_host() {
    let front = Front::of(App::answering(|_| ok("fine")));
    let request = format!(
        "GET http://{HOST}/x?y=1 HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        front.key
    );
    let reply = front.line().ask(request);
    // It may be refused; where it is not, the host of the target holds (RFC 9112, 3.2.2).
    for heard in front.app.heard() {
        assert_eq!((heard.head.target(), heard.one("Host").as_str()), ("/x?y=1", HOST), "{}", heard.head.text());
    }
    assert!(reply.status == 200 || (reply.status == 400 && front.app.heard().is_empty()), "{reply:?}");
}

#[test]
fn tollgates_own_paths_never_reach_the_app() {
    let front = Front::of(App::answering(|_| ok("the app")));
    for (method, target, status) in [
        ("GET", "/auth/v1/health", 200),
        ("GET", "/auth/v1/me", 200),
        ("GET", "/auth", 303),
        ("GET", "/auth/nothing", 404),
        ("GET", "/%61uth/v1/health", 200),
        ("POST", "/auth/v1/health", 405),
        ("OPTIONS", "/auth/v1/health", 405),
        ("GET", "/auth/v1/keys", 401),
    ] {
        let reply = front.line().ask(front.head(method, target, "Connection: close\r\n"));
        assert_eq!((reply.status, reply.body == "the app"), (status, false), "{method} {target}: {reply:?}");
    }
    assert_eq!(front.app.heard().len(), 0);
    for path in ["/authority", "/AUTH/v1/health"] {
        assert_eq!(front.get(path).expect(200).body, "the app");
    }
}

#[test]
fn without_an_app_the_gate_answers_for_itself() {
    let stage = Stage::with("");
    let key = stage.raw_key("free");
    for method in ["GET", "PUT", "OPTIONS"] {
        let reply = stage.server.send(&Request::new(method, "/x").bearer(&key)).expect(200);
        assert_eq!((reply.verdict(), reply.header("X-Auth-Plan").as_deref()), ("ok".into(), Some("free")));
    }
    assert_eq!(stage.server.send(&Request::get("/x")).expect(401).verdict(), "missing");
}

#[test]
fn many_at_once_never_mix() {
    let front = Front::of(App::answering(|heard| ok(&format!("{} {}", heard.head.target(), String::from_utf8_lossy(&heard.body)))));
    std::thread::scope(|scope| {
        for client in 0..8 {
            let front = &front;
            scope.spawn(move || {
                let mut line = front.line();
                for round in 0..25 {
                    let (target, body) = (format!("/{client}/{round}"), format!("of {client}, {round}"));
                    let request = front.head("POST", &target, &format!("Content-Length: {}\r\n", body.len())) + &body;
                    assert_eq!(line.ask(request).expect(200).body, format!("{target} {body}"));
                }
            });
        }
    });
    assert_eq!(front.app.heard().len(), 8 * 25);
}

#[test]
fn requests_sent_without_waiting_are_answered_in_their_order() {
    let front = Front::of(App::answering(|heard| ok(heard.head.target())));
    let mut line = front.line();
    let [first, second] = ["/1", "/2"].map(|target| front.head("GET", target, ""));
    line.say([first, head("GET", "/refused", ""), second].concat());
    assert_eq!(line.reply("GET").expect(200).body, "/1");
    line.reply("GET").expect(401);
    assert_eq!(line.reply("GET").expect(200).body, "/2");
    assert_eq!(front.app.heard().len(), 2);
}

#[test]
fn it_is_in_front_on_a_unix_socket_of_its_own_too() {
    let app = App::scripted(by_answers(|_| ok("fine")));
    let folder = crate::support::Folder::with(&format!("[server]\nlisten = \"unix:gate.sock\"\n[upstream]\nurl = \"{}\"\n", app.url))
        .variable("TOLLGATE_SERVER__LISTEN", "unix:gate.sock");
    let key = folder.raw_key("free");
    let _server = folder.serve();
    let address = format!("unix:{}", folder.path("gate.sock").display());
    assert!(matches!(Stream::to(&address), Ok(Stream::Unix(_))));
    let mut line = Line::to(&address);
    let told = line.ask(head("GET", "/x", &format!("Authorization: Bearer {key}\r\nX-Forwarded-For: 203.0.113.5\r\n")));
    assert_eq!(told.expect(200).body, "fine");
    assert!(app.only().one("X-Forwarded-For").starts_with("203.0.113.5"));
}
