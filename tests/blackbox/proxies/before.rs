//! A proxy that only ends TLS, before a tollgate that passes on to the app itself.

use super::front::{Front, Kind, Proxy};
use crate::support::app::Latch;
use crate::support::server::text;
use crate::support::wire::Body;
use crate::support::{App, Folder, Line, Request, Stage};
use serde_json::json;

/// Bytes: more than the proxy, tollgate and the kernel hold together.
const MANY: usize = 24 << 20;

/// The cases, for one proxy.
macro_rules! cases_before {
    ($module:ident, $kind:expr, $($of:ident::$name:ident;)*) => {
        mod $module {
            $(#[test] fn $name() { super::super::$of::$name($kind) })*
        }
    };
}
/// Each of these holds with each proxy; most of them behind one that asks, too.
macro_rules! before_each {
    ($($of:ident::$name:ident;)*) => {
        cases_before! { nginx, super::Kind::NginxBefore, $($of::$name;)* }
        cases_before! { caddy, super::Kind::CaddyBefore, $($of::$name;)* }
    };
}

before_each! {
    refusals::every_refusal_is_told_as_the_style_tells_it;
    refusals::the_examples_answers_come_through_word_for_word;
    refusals::a_request_is_charged_once_and_a_refused_one_never;
    refusals::a_path_that_reads_in_two_ways_reaches_nobody;
    refusals::revocation_holds_for_the_next_request;
    refusals::without_tollgate_nothing_reaches_the_app;
    refusals::a_window_that_opens_meanwhile_changes_no_refusal;
    refusals::the_apps_own_answers_come_through_untouched;
    headers::who_passed_stands_in_headers_that_no_client_can_forge;
    headers::what_is_forged_changes_no_verdict;
    headers::limit_headers_are_tollgates_on_every_pass;
    headers::the_credential_stays_behind_or_goes_on;
    headers::the_request_comes_as_it_was_sent;
    headers::tollgates_own_paths_are_reached;
    headers::the_probe_is_guarded_and_never_reaches_the_app;
    headers::unix_sockets_on_both_sides;
    streams::events_come_as_they_are_sent;
    streams::websockets_go_through_and_other_upgrades_do_not;
    streams::a_bound_on_bodies_is_the_apps_alone;
    streams::a_head_that_tollgate_would_not_read_is_refused;
    before::the_client_is_who_came_to_the_proxy;
    before::large_bodies_go_through_as_streams;
    before::a_refused_upload_is_told_as_the_style_tells_it;
    before::where_the_app_is_down_tollgate_says_so;
}

/// tollgate in front of a scripted app, a proxy before both, and a key that passes.
fn scripted(kind: Kind, app: &App, config: &str) -> (Stage, Proxy, String) {
    let stage = Stage::of(Folder::with(config).variable("TOLLGATE_UPSTREAM__URL", &app.url));
    let proxy = Proxy::before(kind, &stage.folder, &stage.server.address);
    let key = stage.raw_key("free");
    (stage, proxy, key)
}

pub fn the_client_is_who_came_to_the_proxy(kind: Kind) {
    let front = Front::with(kind, "[[plans]]\nname = \"free\"\ndefault = true\n");
    let account = front.stage.account(json!({}));
    let key = text(&front.stage.key(&account, json!({ "ips": ["127.0.0.1/32"] }))["key"]);
    let request = Request::get("/x").bearer(&key).header("X-Forwarded-For", "203.0.113.5").header("X-Real-IP", "203.0.113.5");
    let received = front.passes(&request.header("Forwarded", "for=203.0.113.5").header("X-Forwarded-Proto", "https"));
    let headers = &received["headers"];
    assert_eq!(headers["x-real-ip"], "127.0.0.1", "{received:#}");
    assert_eq!(headers["forwarded"], "for=127.0.0.1, for=127.0.0.1;host=\"test\";proto=http", "{received:#}");
    assert!(headers["upgrade"].is_null() && headers["accept-encoding"].is_null(), "nothing is added: {received:#}");
}

pub fn large_bodies_go_through_as_streams(kind: Kind) {
    for (framing, end) in [(format!("Content-Length: {MANY}"), ""), ("Transfer-Encoding: chunked".into(), "0\r\n\r\n")] {
        let (begun, read) = (Latch::default(), Latch::default());
        let app = App::scripted({
            let (begun, read) = (begun.clone(), read.clone());
            move |call| {
                let mut came = 0;
                while let Some(piece) = call.piece().unwrap() {
                    came += piece.len();
                    begun.open();
                }
                call.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {MANY}\r\nX-Came: {came}\r\n\r\n{}", "d".repeat(1000)));
                read.wait();
                call.say("d".repeat(MANY - 1000));
            }
        });
        let (stage, proxy, key) = scripted(kind, &app, "");
        let mut line = Line::to(&proxy.address);
        line.say(format!("POST /x HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {key}\r\n{framing}\r\n\r\n"));
        let mut send = |length: usize| {
            let bytes = vec![b'u'; length];
            if end.is_empty() { line.say(bytes) } else { line.chunk(&bytes) }
        };
        send(1000);
        // The rest is sent once the app has begun to read.
        begun.wait();
        send(MANY - 1000);
        line.say(end);
        let head = line.head();
        assert_eq!((head.status(), head.header("X-Came")), (Some(200), Some(MANY.to_string())), "{framing}");
        let mut body = Body::of_reply("POST", &head);
        let mut came = 0;
        while let Some(piece) = line.piece(&mut body).unwrap() {
            came += piece.len();
            // And the app says the rest once we have begun.
            read.open();
        }
        assert_eq!(came, MANY);
        assert_eq!(stage.server.get("/auth/v1/me", &key).expect(200).json()["limits"][1]["remaining"], 9999, "charged once");
    }
}

pub fn a_refused_upload_is_told_as_the_style_tells_it(kind: Kind) {
    let app = App::answering(|_| crate::support::app::ok("never"));
    let (_stage, proxy, _) = scripted(kind, &app, "[style]\ncontent_type = \"text/plain\"\nbody = \"told: {verdict}\"\n");
    for _ in 0..20 {
        let reply = Request::new("POST", "/x").body(&vec![b'u'; 300_000]).send(&proxy.address).expect(401);
        assert_eq!(reply.body, "told: missing");
    }
    assert!(app.heard().is_empty());
}

pub fn where_the_app_is_down_tollgate_says_so(kind: Kind) {
    let app = App::answering(|_| crate::support::app::ok("x"));
    let (stage, proxy, key) = scripted(kind, &app, "");
    drop(app);
    for _ in 0..3 {
        let reply = Request::get("/x").bearer(&key).send(&proxy.address).expect(502);
        assert_eq!(reply.verdict(), "upstream_down");
    }
    assert_eq!(stage.server.get("/auth/v1/me", &key).expect(200).json()["limits"][1]["remaining"], 10_000, "nothing was charged");
}
