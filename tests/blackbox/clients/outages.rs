//! Where nobody can tell, nothing passes: tollgate stopped, killed, back again, and something in its place that is not tollgate.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::gate::Gate;
use super::process::{Ask, Example, Told};
use super::{Client, Way, each};

const CONFIG: &str = "[[plans]]\nname = \"free\"\nunlimited = true\n";

/// Nobody could tell: the app's own 503, or the script's 2 with nothing printed.
#[track_caller]
fn assert_closed(told: &Told, what: &str) {
    match told {
        Told::Answer(reply) => {
            assert_eq!(reply.status, 503, "{what}: {reply:?}");
            assert_eq!(reply.body, "This request cannot be checked right now.\n", "{what}");
        }
        Told::Ended(output) => {
            assert_eq!(output.status.code(), Some(2), "{what}: {output:?}");
            assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{what}: it says why, and nothing else: {output:?}");
        }
    }
}

#[track_caller]
fn assert_passes(told: &Told, what: &str) {
    match told {
        Told::Answer(reply) => assert_eq!(reply.status, 200, "{what}: {reply:?}"),
        Told::Ended(output) => assert_eq!(output.status.code(), Some(0), "{what}: {output:?}"),
    }
}

#[test]
fn nothing_passes_without_tollgate_and_all_is_well_when_it_is_back() {
    each(|client, way| {
        let mut gate = Gate::start(way, CONFIG, &[("good", &[])]);
        let example = Example::start(client, &gate.place, &gate.token);
        let key = gate.keys["good"].raw.clone();
        let ask = || example.ask(&Ask::get("/v1/sets", &key));
        let what = |when: &str| format!("{client:?} over {way:?}, {when}");
        assert_passes(&ask(), &what("at first"));
        let log = gate.stop();
        super::cases::assert_discreet(&log, &gate);
        assert_closed(&ask(), &what("stopped"));
        assert_closed(&ask(), &what("still stopped"));
        gate.start_again();
        assert_passes(&ask(), &what("started again"));
        gate.kill();
        assert_closed(&ask(), &what("killed"));
        gate.start_again();
        assert_passes(&ask(), &what("back again"));
        let printed = example.end();
        super::cases::assert_discreet(&printed, &gate);
        assert!(client == Client::Shell || printed.matches("no verdict from tollgate").count() == 3, "each is logged: {printed}");
    });
}

#[test]
fn a_token_that_does_not_count_lets_nobody_in() {
    each(|client, way| {
        let gate = Gate::start(way, CONFIG, &[("good", &[])]);
        for (token, why) in [("tgs_nonsense".to_owned(), "401"), (gate.folder.token("metrics"), "403")] {
            let example = Example::start(client, &gate.place, &token);
            let told = example.ask(&Ask::get("/v1/sets", &gate.keys["good"].raw));
            assert_closed(&told, &format!("{client:?} over {way:?}, {why}"));
            let printed = match told {
                Told::Answer(_) => example.end(),
                Told::Ended(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            };
            assert!(printed.contains(why) && !printed.contains(&token), "{client:?} over {way:?}: {printed}");
        }
    });
}

/// A pass and a refusal as tollgate writes them.
const PASS: &str = r#"{"valid":true,"verdict":"ok","account":{"id":"acc_x"},"answer":{"status":200,"headers":{},"body":""}}"#;
const REFUSAL: &str = r#"{"valid":false,"verdict":"missing","account":null,"answer":{"status":401,"headers":{},"body":"no"}}"#;

fn whole(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// Answers of which none is a verdict.
fn garbage() -> Vec<(&'static str, String)> {
    let valid = |value: &str| whole("200 OK", &PASS.replace("true", value));
    vec![
        ("closed without a word", String::new()),
        ("no HTTP", "SSH-2.0-OpenSSH_9.2\r\n".into()),
        ("half a head", "HTTP/1.1 200 OK\r\nContent-".into()),
        ("half a verdict", whole("200 OK", PASS).split(",\"answer\"").next().unwrap_or_default().to_owned()),
        ("no JSON", whole("200 OK", "<html>It works!</html>")),
        ("nothing", whole("200 OK", "")),
        ("an empty object", whole("200 OK", "{}")),
        ("a list", whole("200 OK", &format!("[{PASS}]"))),
        ("null", whole("200 OK", "null")),
        ("a verdict without an answer", whole("200 OK", r#"{"valid":true}"#)),
        ("valid as a text", valid("\"true\"")),
        ("valid as a number", valid("1")),
        ("valid as null", valid("null")),
        ("a pass with another status", whole("500 Internal Server Error", PASS)),
        ("a pass made", whole("201 Created", PASS)),
        ("a refusal with another status", whole("404 Not Found", REFUSAL)),
        ("no content", "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".into()),
        ("a redirect", whole("307 Temporary Redirect", PASS).replace("Connection", "Location: /elsewhere\r\nConnection")),
    ]
}

#[test]
fn what_is_no_verdict_lets_nobody_in() {
    each(|client, way| {
        let fake = Fake::start(way);
        let example = Example::start(client, &fake.place, "tgs_x");
        for (name, answer) in garbage() {
            fake.answers(&answer);
            assert_closed(&example.ask(&Ask::get("/v1/sets", "k")), &format!("{client:?} over {way:?}: {name}"));
        }
        // The same line of thought lets a real verdict through, so it was the garbage.
        fake.answers(&whole("200 OK", PASS));
        assert_passes(&example.ask(&Ask::get("/v1/sets", "k")), &format!("{client:?} over {way:?}"));
        // What is no whole refusal is none, and at least no pass.
        for answer in [REFUSAL.replace("401", "200"), REFUSAL.replace("false", "\"true\""), REFUSAL.replace("false", "1")] {
            fake.answers(&whole("200 OK", &answer));
            match example.ask(&Ask::get("/v1/sets", "k")) {
                Told::Answer(reply) => assert!([401, 503].contains(&reply.status), "{client:?} over {way:?}: {answer}: {reply:?}"),
                Told::Ended(output) => assert!(matches!(output.status.code(), Some(1 | 2)), "{way:?}: {answer}: {output:?}"),
            }
        }
        assert!(!fake.heard().contains("/elsewhere"), "{client:?} over {way:?} followed the redirect");
    });
}

#[test]
fn who_says_nothing_is_not_waited_for() {
    assert_given_up("SILENCE");
}

#[test]
fn who_stops_halfway_is_not_waited_for() {
    assert_given_up("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"valid\":true,SILENCE");
}

fn assert_given_up(silence: &str) {
    each(|client, way| {
        let fake = Fake::start(way);
        let example = Example::start(client, &fake.place, "tgs_x");
        fake.answers(silence);
        let asked = Instant::now();
        assert_closed(&example.ask(&Ask::get("/v1/sets", "k")), &format!("{client:?} over {way:?}: {silence}"));
        assert!(asked.elapsed() >= Duration::from_secs(4), "{client:?} over {way:?}: tollgate is given its time");
    });
}

#[test]
fn a_connection_is_used_again() {
    each(|client, way| {
        if client == Client::Shell {
            return;
        }
        let fake = Fake::start(way);
        let example = Example::start(client, &fake.place, "tgs_x");
        fake.answers(&whole("200 OK", PASS).replace("Connection: close\r\n", ""));
        for _ in 0..5 {
            assert_passes(&example.ask(&Ask::get("/v1/sets", "k")), &format!("{client:?} over {way:?}"));
        }
        assert_eq!(fake.connections.load(Ordering::Relaxed), 1, "{client:?} over {way:?}");
    });
}

/// Something that answers every request alike, and is not tollgate.
struct Fake {
    place: String,
    answer: Arc<Mutex<String>>,
    heard: Arc<Mutex<String>>,
    connections: Arc<AtomicUsize>,
    _folder: tempfile::TempDir,
}

trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

impl Fake {
    fn start(way: Way) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("fake.sock");
        let (place, accept): (_, Box<dyn Fn() -> Box<dyn Stream> + Send>) = match way {
            Way::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                (format!("http://{}", listener.local_addr().unwrap()), Box::new(move || Box::new(listener.accept().unwrap().0)))
            }
            Way::Unix => {
                let listener = UnixListener::bind(&path).unwrap();
                (format!("unix:{}", path.display()), Box::new(move || Box::new(listener.accept().unwrap().0)))
            }
        };
        let fake = Self { place, answer: Arc::default(), heard: Arc::default(), connections: Arc::default(), _folder: folder };
        let (answer, heard, connections) = (fake.answer.clone(), fake.heard.clone(), fake.connections.clone());
        // It waits for the next connection until the test program ends.
        std::thread::spawn(move || {
            loop {
                let stream = accept();
                connections.fetch_add(1, Ordering::Relaxed);
                let (answer, heard) = (answer.clone(), heard.clone());
                std::thread::spawn(move || converse(stream, &answer, &heard));
            }
        });
        fake
    }

    fn answers(&self, answer: &str) {
        *self.answer.lock().unwrap() = answer.into();
    }

    fn heard(&self) -> String {
        self.heard.lock().unwrap().clone()
    }
}

/// Answers requests until the other side has enough, or the answer says that it was the last.
fn converse(stream: Box<dyn Stream>, answer: &Mutex<String>, heard: &Mutex<String>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream) {
        heard.lock().unwrap().push_str(&request);
        let answer = answer.lock().unwrap().clone();
        let (told, is_silent) = answer.strip_suffix("SILENCE").map_or((answer.as_str(), false), |told| (told, true));
        // Whoever has enough may be gone.
        let _ = stream.get_mut().write_all(told.as_bytes());
        let _ = stream.get_mut().flush();
        if !is_silent && (answer.contains("Connection: close") || !answer.contains("Content-Length")) {
            return;
        }
    }
}

fn read_request(stream: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8_lossy(&body))
}
