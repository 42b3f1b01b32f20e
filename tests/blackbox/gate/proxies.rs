//! What a proxy says of the client, and who is believed.

use serde_json::json;

use super::{FREE, HOME, HOME_RANGE, told_by};
use crate::support::server::text;
use crate::support::{Folder, Request, Stage};

type Forwarded = (&'static [(&'static str, &'static str)], &'static str);

/// What a proxy says, and what comes of it for a key that is for [`HOME_RANGE`].
const FORWARDED: [Forwarded; 21] = [
    (&[("X-Forwarded-For", "203.0.113.5")], "ok"),
    (&[("X-Forwarded-For", "198.51.100.7")], "wrong_ip"),
    (&[("X-Forwarded-For", "198.51.100.7, 203.0.113.5")], "ok"),
    (&[("X-Forwarded-For", "203.0.113.5, 198.51.100.7")], "wrong_ip"),
    (&[("X-Forwarded-For", "198.51.100.7, 203.0.113.5, 127.0.0.1,127.8.8.8")], "ok"),
    (&[("X-Forwarded-For", "::ffff:203.0.113.5")], "ok"),
    (&[("X-Forwarded-For", "2001:db8::1")], "wrong_ip"),
    (&[("X-Real-IP", "203.0.113.5"), ("Forwarded", "for=203.0.113.5")], "wrong_ip"),
    (&[("X-Forwarded-For", "203.0.113.5"), ("X-Forwarded-For", "203.0.113.5")], "ambiguous"),
    (&[("X-Forwarded-For", "203.0.113.5"), ("x-forwarded-for", "198.51.100.7")], "ambiguous"),
    (&[("X-Forwarded-For", "")], "ambiguous"),
    (&[("X-Forwarded-For", "unknown")], "ambiguous"),
    (&[("X-Forwarded-For", "203.0.113.5,")], "ambiguous"),
    (&[("X-Forwarded-For", "203.0.113.5, nobody")], "ambiguous"),
    (&[("X-Forwarded-For", "nobody, 203.0.113.5")], "ambiguous"),
    (&[("X-Forwarded-For", "203.0.113.500")], "ambiguous"),
    (&[("X-Forwarded-For", "203.0.113.5\u{e9}")], "ambiguous"),
    (&[("X-Forwarded-For", "203.0.113.5"), ("X-Forwarded-Proto", "gopher")], "ambiguous"),
    (&[("X-Forwarded-For", "203.0.113.5"), ("X-Forwarded-Proto", "https, http")], "ambiguous"),
    (&[("X-Forwarded-For", "203.0.113.5"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "https")], "ambiguous"),
    (&[("X-Forwarded-For", "203.0.113.5"), ("X-Forwarded-Host", "a"), ("X-Forwarded-Host", "b")], "ambiguous"),
];

#[test]
fn a_trusted_proxy_is_believed_unless_it_can_be_read_in_two_ways() {
    let stage = Stage::with(FREE);
    let account = stage.account(json!({}));
    let key = text(&stage.key(&account, json!({ "ips": [HOME_RANGE] }))["key"]);
    for (headers, verdict) in FORWARDED {
        assert_eq!(stage.verdict(&told_by(Request::get("/x").bearer(&key), headers)), verdict, "{headers:?}");
        let asked = Request::get("/auth/v1/check").header("X-Forwarded-Uri", "/x").bearer(&key);
        let reply = stage.server.send(&told_by(asked, headers));
        let told = if verdict == "ok" { reply.header("X-Auth-Verdict").unwrap() } else { reply.verdict() };
        assert_eq!(told, verdict, "{headers:?}");
    }
}

#[test]
fn whoever_is_no_trusted_proxy_is_not_believed_nor_refused_for_it() {
    let stage = Stage::with(&format!("[server]\ntrusted_proxies = []\n{FREE}"));
    let account = stage.account(json!({}));
    let [here, there] = ["127.0.0.0/8", HOME_RANGE].map(|range| text(&stage.key(&account, json!({ "ips": [range] }))["key"]));
    for (headers, _) in FORWARDED {
        assert_eq!(stage.verdict(&told_by(Request::get("/x").bearer(&here), headers)), "ok", "{headers:?}");
        assert_eq!(stage.verdict(&told_by(Request::get("/x").bearer(&there), headers)), "wrong_ip", "{headers:?}");
    }
    let forged = [("X-Forwarded-Uri", "/x"), ("X-Forwarded-Method", "GET"), ("X-Forwarded-For", HOME), ("X-Forwarded-Proto", "https")];
    assert_eq!(stage.verdict(&told_by(Request::get("/auth/v1/check").bearer(&here), &forged)), "ambiguous");
}

#[test]
fn plain_http_is_told_from_https_by_trusted_proxies_alone() {
    let rows = [
        (&[][..], "insecure", "insecure"),
        (&[("X-Forwarded-Proto", "http")], "insecure", "insecure"),
        (&[("X-Forwarded-Proto", "https")], "ok", "insecure"),
        (&[("X-Forwarded-Proto", "HTTPS")], "ok", "insecure"),
        (&[("X-Forwarded-Proto", "wss")], "ok", "insecure"),
    ];
    for is_trusted in [true, false] {
        let trusted = if is_trusted { "" } else { "trusted_proxies = []" };
        let stage = Stage::with(&format!("[server]\nrequire_https = true\n{trusted}\n{FREE}"));
        let key = stage.raw_key("free");
        for (headers, by_proxy, by_stranger) in rows {
            let expected = if is_trusted { by_proxy } else { by_stranger };
            assert_eq!(stage.verdict(&told_by(Request::get("/x").bearer(&key), headers)), expected, "{is_trusted} {headers:?}");
        }
    }
}

#[test]
fn it_listens_on_a_unix_socket_whose_peer_counts_as_a_trusted_proxy() {
    let folder = Folder::with(&format!("[server]\ntrusted_proxies = []\n{FREE}")).variable("TOLLGATE_SERVER__LISTEN", "unix:gate.sock");
    let account = folder.account(&[]);
    let key = text(&folder.key(&account, &["--ip", HOME_RANGE])["key"]);
    let server = folder.serve();
    let send = |request: Request| request.send_unix(&folder.path("gate.sock"));
    assert!(server.address.starts_with("unix:"), "{}", server.address);
    send(Request::get("/auth/v1/health")).expect(200);
    assert_eq!(send(Request::get("/x").bearer(&key)).expect(403).verdict(), "wrong_ip", "whose address nobody knows is in no range");
    send(Request::get("/x").bearer(&key).header("X-Forwarded-For", HOME)).expect(200);
    assert_eq!(send(Request::get("/x").bearer(&key).header("X-Forwarded-For", "nobody")).expect(400).verdict(), "ambiguous");
    let checked = Request::get("/auth/v1/check").bearer(&key).header("X-Forwarded-Uri", "/x").header("X-Forwarded-For", HOME);
    assert_eq!(send(checked).expect(200).header("X-Auth-Account"), Some(account));
    assert_eq!(send(Request::get("/x").header("X-Request-Id", "mine")).header("X-Request-Id").as_deref(), Some("mine"));
    let (code, _) = server.stop();
    assert_eq!(code, Some(0));
}
