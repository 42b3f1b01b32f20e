//! An app on a Unix socket: the same as over TCP.

use super::{Front, assert_told};
use crate::support::app::{Call, Latch, answer, by_answers, chunk, ok};
use crate::support::wire::Body;
use crate::support::{App, Line, eventually};

/// An app at a socket in a folder of its own; the folder goes with the test.
fn at(folder: &tempfile::TempDir, script: impl Fn(&mut Call) + Send + Sync + 'static) -> App {
    App::at(&format!("unix:{}/app.sock", folder.path().display()), script)
}

#[test]
fn it_works_over_a_unix_socket_as_over_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let next = Latch::default();
    let app = at(&folder, {
        let next = next.clone();
        move |call| match call.head.target() {
            "/events" => {
                call.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                call.say(chunk(b"one"));
                next.wait();
                call.say([chunk(b"two"), chunk(b"")].concat());
            }
            "/fails" => {
                let _ = call.try_body();
                call.hang_up();
            }
            _ => by_answers(|heard| answer("207 Multi-Status", "X-App: yes\r\n", &String::from_utf8_lossy(&heard.body)))(call),
        }
    });
    let front = Front::of(app);
    let mut line = front.line();
    for (method, target, more, body, echoed) in [
        ("GET", "/x?a=%20b", "", "", ""),
        ("POST", "/x", "Content-Length: 5\r\n", "hello", "hello"),
        ("PUT", "/x", "Transfer-Encoding: chunked\r\n", "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello"),
    ] {
        let reply = line.ask(front.head(method, target, more) + body).expect(207);
        assert_eq!((reply.body.as_str(), reply.header("X-App").as_deref()), (echoed, Some("yes")), "{reply:?}");
        assert!(reply.header("RateLimit").is_some());
        let heard = front.app.latest();
        assert_eq!((heard.head.line.as_str(), heard.one("Host").as_str()), (&*format!("{method} {target} HTTP/1.1"), super::HOST));
        assert!(heard.one("X-Auth-Account").starts_with("acc_") && heard.one("X-Forwarded-For") == "127.0.0.1", "{}", heard.head.text());
    }
    assert_eq!((front.app.heard().len(), front.app.connections()), (3, 1));
    line.ask(super::head("GET", "/x", "")).expect(401);
    assert_eq!(front.app.heard().len(), 3);
    line.say(front.head("GET", "/events", ""));
    let mut body = Body::of_reply("GET", &line.head());
    assert_eq!(line.text(&mut body), "one");
    next.open();
    assert_eq!(line.text(&mut body), "two");
    assert_eq!(line.piece(&mut body).unwrap(), None);
    assert_told(&line.ask(front.head("POST", "/fails", "Content-Length: 5\r\n") + "hello"), 502, "upstream_down");
}

#[test]
fn upgrades_go_through_it() {
    let folder = tempfile::tempdir().unwrap();
    let front = Front::of(at(&folder, |call| {
        call.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nwelcome");
        let said = call.ended();
        call.say(said);
    }));
    let mut line = front.line();
    line.say(front.head("GET", "/x", "Upgrade: websocket\r\nConnection: Upgrade\r\n"));
    assert_eq!(line.head().status(), Some(101));
    line.say("goodbye");
    line.finish();
    assert_eq!(line.rest(), b"welcomegoodbye");
}

#[test]
fn a_missing_or_abandoned_socket_is_told_of_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let app = at(&folder, by_answers(|_| ok("the old one")));
    let mut front = Front::of(app);
    let mut line = front.line();
    line.ask(front.head("GET", "/x", "")).expect(200);
    front.app = App::answering(|_| Vec::new());
    assert!(!path.exists());
    assert_told(&line.ask(front.head("GET", "/x", "")), 502, "upstream_down");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a socket file at which nobody listens");
    assert_told(&line.ask(front.head("GET", "/x", "")), 502, "upstream_down");
    std::fs::remove_file(&path).unwrap();
    front.app = at(&folder, by_answers(|_| ok("the new one")));
    assert_eq!(line.ask(front.head("GET", "/x", "")).expect(200).body, "the new one");
}

#[test]
fn a_dead_kept_connection_is_given_up_there_too() {
    let folder = tempfile::tempdir().unwrap();
    let app = at(&folder, |call| match (call.connection, call.head.target()) {
        (1, "/again") => call.hang_up(),
        _ => by_answers(|_| ok("fine"))(call),
    });
    let front = Front::of(app);
    front.get("/first").expect(200);
    front.get("/again").expect(200);
    assert_eq!((front.app.heard().len(), front.app.connections()), (3, 2));
    eventually("the dead one is closed", || (front.app.open_connections() <= 1).then_some(()));
}

#[test]
fn a_path_too_long_for_an_address_is_reached_or_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("d".repeat(120));
    std::fs::create_dir(&deep).unwrap();
    let url = format!("unix:{}/app.sock", deep.display());
    let checked = crate::support::Folder::with(&format!("[upstream]\nurl = \"{url}\"\n")).run(&["validate"]);
    if checked.status.success() {
        // Bound from within, where its name is short enough.
        let short = folder.path().join("app.sock");
        let app = App::at(&format!("unix:{}", short.display()), by_answers(|_| ok("fine")));
        std::os::unix::fs::symlink(&short, deep.join("app.sock")).unwrap();
        let stage = super::stage_before(&url, "");
        let key = stage.raw_key("free");
        let mut line = Line::to(&stage.server.address);
        line.ask(super::head("GET", "/x", &format!("Authorization: Bearer {key}\r\n"))).expect(200);
        assert_eq!(app.heard().len(), 1);
    }
}
