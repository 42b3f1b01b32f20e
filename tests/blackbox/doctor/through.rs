//! By way of a proxy: one that does everything right, and the same broken in one way each.

use super::proxy::{App, Fault, Proxy};
use super::{Told, expect_taken_back};
use crate::support::server::text;
use crate::support::{Request, Stage};

fn through(stage: &Stage, proxy: &Proxy, more: &[&str]) -> Told {
    Told::of(&stage.folder, &[&["--through", &proxy.url()], more].concat())
}

/// What each fault is found by, and a word of the fix.
const FAULTS: [(Fault, &[&str], &str); 28] = [
    (Fault::Account, &["proxy_identity"], "proxy_set_header X-Auth-Account $tollgate_told_x_auth_account;"),
    (Fault::KeyBeside, &["proxy_identity"], "request_header X-Auth-Key {rp.header.X-Auth-Key}"),
    (Fault::KeyInstead, &["proxy_identity"], "proxy_set_header X-Auth-Key $tollgate_told_x_auth_key;"),
    (Fault::Underscores, &["proxy_identity"], "request_header -*_*"),
    (Fault::Appends, &["proxy_forwarded"], "proxy_set_header X-Forwarded-For $remote_addr;"),
    (Fault::RealIp, &["proxy_forwarded"], "proxy_set_header X-Real-IP \"\";"),
    (Fault::Forwarded, &["proxy_forwarded"], "proxy_set_header Forwarded \"\";"),
    (Fault::Uri, &["proxy_forwarded"], "proxy_set_header X-Forwarded-Uri $request_uri;"),
    (Fault::HostTwice, &["proxy_forwarded"], "proxy_set_header X-Forwarded-Host $http_host;"),
    (Fault::NoAddress, &["proxy_address"], "proxy_set_header X-Forwarded-For $remote_addr;"),
    (Fault::Statuses, &["proxy_limits"], "error_page 401 403 = @tollgate_refused;"),
    (Fault::Bodies, &["proxy_limits"], "no handle_errors"),
    (Fault::NoRetryAfter, &["proxy_limits"], "whole"),
    (Fault::NoLimitHeaders, &["proxy_limits"], "add_header Ratelimit-Policy $tollgate_told_ratelimit_policy always;"),
    (Fault::Twice, &["proxy_limits"], "exactly once"),
    (Fault::NoChallenge, &["proxy_refusal", "proxy_revocation"], "whole"),
    (Fault::FoldsCookies, &["proxy_cookies"], "Set-Cookie must never be joined"),
    (Fault::StripsCookies, &["proxy_cookies"], "no proxy_cookie_path"),
    (Fault::NoCookie, &["proxy_cookies"], "no header_up Cookie"),
    (Fault::Credential, &["proxy_credential"], "proxy_set_header authorization \"\";"),
    (Fault::Stale, &["proxy_revocation"], "no proxy_cache"),
    (Fault::Caches, &["proxy_limits", "proxy_revocation"], "no cache before the reverse_proxy"),
    (Fault::Unguarded, &["proxy_refusal"], "auth_request"),
    (Fault::AppUnguarded, &["proxy_app"], "nowhere auth_request off;"),
    (Fault::NoUri, &["proxy"], "trusted_proxies"),
    (Fault::NoCredential, &["proxy"], "no proxy_set_header Authorization"),
    (Fault::Redirects, &["proxy"], "--through"),
    (Fault::AppDown, &["proxy"], "start the app"),
];

#[test]
fn a_good_proxy_is_fit_and_nothing_is_left() {
    let stage = Stage::with("");
    let proxy = Proxy::before(&stage.server.address, Fault::None, App::Probed);
    let told = through(&stage, &proxy, &[]);
    told.expect_fit();
    assert!(told.ended("not proven").is_empty(), "{:#}", told.document);
    for name in
        ["", "_refusal", "_identity", "_forwarded", "_address", "_limits", "_cookies", "_credential", "_revocation", "_app", "_clock"]
    {
        assert_eq!(told.check(&format!("proxy{name}"))["outcome"], "ok", "{:#}", told.document);
    }
    let app = text(&told.check("proxy_app")["detail"]);
    assert!(
        app.contains("proven for /auth/v1/probe alone: the app's own location must share its lines") && app.contains("--path"),
        "{app}"
    );
    expect_taken_back(&stage.folder);
    let keys: Vec<String> = proxy.credentials().into_iter().filter(|credential| !credential.is_empty()).collect();
    assert!(keys.len() >= 4, "the proxy saw the doctor's keys");
    for credential in &keys {
        stage.server.send(&Request::get("/x").header("Authorization", credential)).expect(401);
    }
    let (_, log) = stage.server.stop();
    for credential in &keys {
        let raw = credential.trim_start_matches("Bearer ");
        assert!(!log.contains(raw) && !told.document.to_string().contains(raw));
    }
}

#[test]
fn each_fault_of_a_proxy_is_found_by_its_check_with_the_line_to_change() {
    std::thread::scope(|scope| {
        for cases in FAULTS.chunks(FAULTS.len().div_ceil(3)) {
            scope.spawn(move || {
                for (fault, names, fix) in cases {
                    let stage = Stage::with("");
                    let proxy = Proxy::before(&stage.server.address, *fault, App::Probed);
                    let told = through(&stage, &proxy, &[]);
                    println!("{fault:?}: {:#}", told.document);
                    // What is wrong for everything is found at the app's own path too.
                    let mut failed = told.ended("failed");
                    failed.retain(|name| name != "proxy_app" || names.contains(&"proxy_app"));
                    assert_eq!(failed.iter().map(String::as_str).collect::<Vec<_>>(), *names, "{fault:?}: {:#}", told.document);
                    assert_eq!(told.code, Some(1));
                    told.expect_whole();
                    let all: String = names.iter().map(|name| text(&told.check(name)["fix"])).collect();
                    assert!(all.contains(fix), "{fault:?}: {all}");
                    expect_taken_back(&stage.folder);
                }
            });
        }
    });
}

#[test]
fn what_works_and_should_be_mended_is_a_warning() {
    let stage = Stage::with("");
    for (fault, name) in [(Fault::NoPlan, "proxy_identity"), (Fault::Clock, "proxy_clock")] {
        let proxy = Proxy::before(&stage.server.address, fault, App::Probed);
        let told = through(&stage, &proxy, &[]);
        let check = told.check(name);
        let failed = fault == Fault::Clock;
        assert_eq!(check["outcome"], if failed { "failed" } else { "warning" }, "{check:#}");
        assert!(check["fix"].is_string(), "{check:#}");
    }
}

#[test]
fn a_proxy_that_tollgate_does_not_trust_is_told_apart() {
    let stage = Stage::with("[server]\ntrusted_proxies = [\"192.0.2.0/24\"]\n");
    let proxy = Proxy::before(&stage.server.address, Fault::None, App::Probed);
    let told = through(&stage, &proxy, &[]);
    told.expect_failed(&["proxy"]);
    assert!(text(&told.check("proxy")["fix"]).contains("[server] trusted_proxies"), "{:#}", told.document);
    // Another one before it, which is none of those whose word counts: its address is taken for the client's.
    let stage = Stage::with("[server]\ntrusted_proxies = [\"127.0.0.1/32\"]\n");
    let proxy = Proxy::before(&stage.server.address, Fault::None, App::Probed);
    let told = through(&stage, &proxy, &["--address", "192.0.2.55"]);
    told.expect_failed(&["proxy_address"]);
    let check = told.check("proxy_address");
    assert!(text(&check["detail"]).contains("tollgate takes it for 127.0.0.1"), "{check:#}");
    assert!(
        text(&check["fix"]).contains("[server] trusted_proxies must name 127.0.0.1") && text(&check["fix"]).contains("--address"),
        "{check:#}"
    );
}

#[test]
fn without_the_probe_an_app_that_shows_its_headers_will_do() {
    let seen_by_an_echo = ["proxy_identity", "proxy_forwarded", "proxy_credential"];
    let stage = Stage::with("");
    let run = |fault, app, path| {
        let proxy = Proxy::before(&stage.server.address, fault, app);
        let told = through(&stage, &proxy, &["--path", path]);
        println!("{fault:?} {app:?}: {:#}", told.document);
        told.expect_whole();
        assert_eq!(told.code, Some(1), "what is not proven is not fit");
        told
    };
    let told = run(Fault::None, App::Echo, "/echo");
    assert!(told.ended("failed").is_empty());
    assert_eq!(told.ended("not proven").into_iter().collect::<Vec<_>>(), ["proxy_cookies"]);
    for (fault, name) in
        [(Fault::Account, seen_by_an_echo[0]), (Fault::Forwarded, seen_by_an_echo[1]), (Fault::Credential, seen_by_an_echo[2])]
    {
        run(fault, App::Echo, "/echo").expect_failed(&[name]);
    }
    for app in [App::Echo, App::Silent] {
        let told = run(Fault::None, app, "/plain");
        assert!(told.ended("failed").is_empty());
        for name in seen_by_an_echo {
            assert_eq!(told.check(name)["outcome"], "not proven");
            let fix = text(&told.check(name)["fix"]);
            assert!(fix.contains("/auth/v1/probe") && fix.contains("--path"), "{fix}");
        }
        for name in ["proxy_refusal", "proxy_address", "proxy_limits", "proxy_revocation"] {
            assert_eq!(told.check(name)["outcome"], "ok", "what the gate answers needs no eyes behind it");
        }
    }
    // The probe is there, and is not told who calls.
    let proxy = Proxy::before(&stage.server.address, Fault::NoKey, App::Probed);
    let told = through(&stage, &proxy, &[]);
    assert_eq!(told.check("proxy_identity")["outcome"], "not proven");
    assert!(
        text(&told.check("proxy_identity")["fix"]).contains("proxy_set_header X-Auth-Key $tollgate_told_x_auth_key;"),
        "{:#}",
        told.document
    );
    run(Fault::Unguarded, App::Silent, "/").expect_failed(&["proxy_refusal"]);
}

#[test]
fn every_api_of_the_examples_is_proven_through_a_good_proxy() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap() {
        let config = entry.unwrap().path().join("auth.toml");
        if !config.exists() {
            continue;
        }
        println!("{}", config.display());
        let stage = Stage::with(&std::fs::read_to_string(&config).unwrap());
        let proxy = Proxy::before(&stage.server.address, Fault::None, App::Probed);
        let told = through(&stage, &proxy, &[]);
        println!("{:#}", told.document);
        told.expect_fit();
        expect_taken_back(&stage.folder);
    }
}

#[test]
fn limits_are_proven_however_they_count() {
    for (what, limits, is_proven) in [
        ("rolling", "{ requests = 60, per = \"minute\" }", true),
        ("sliding", "{ requests = 60, per = \"minute\", shape = \"sliding\" }", true),
        ("fixed", "{ requests = 60, per = \"day\" }", true),
        ("by account", "{ requests = 60, per = \"day\", count = \"account\" }", true),
        ("by address", "{ requests = 60, per = \"day\", count = \"address\" }", true),
        ("with a small burst", "{ requests = 600, per = \"minute\", burst = 4 }", true),
        ("with a large burst", "{ requests = 600, per = \"minute\", burst = 100 }", false),
        ("in tokens", "{ requests = 600, per = \"minute\", unit = \"tokens\" }", false),
        ("observed", "{ requests = 600, per = \"minute\", observe = true }", false),
    ] {
        println!("{what}");
        let stage = Stage::with(&format!("[[plans]]\nname = \"free\"\nlimits = [{limits}]\n"));
        let proxy = Proxy::before(&stage.server.address, Fault::None, App::Probed);
        // Again: what an earlier visit counted does not stand in the way.
        for _ in 0..2 {
            let told = through(&stage, &proxy, &[]);
            let outcome = if is_proven { "ok" } else { "not proven" };
            assert_eq!(told.check("proxy_limits")["outcome"], outcome, "{what}: {:#}", told.document);
            assert_eq!(told.code, Some(if is_proven { 0 } else { 1 }), "{:#}", told.document);
            let app = text(&told.check("proxy_app")["detail"]);
            assert_eq!(app.contains("charged once a call"), is_proven, "{what}: {app}");
        }
    }
    let narrow = "[keys]\nlimits = [{ name = \"day\", minimum = 100, maximum = 1000 }]\n[[plans]]\nname = \"free\"\nlimits = [{ requests = 100, per = \"day\" }]\n";
    let stage = Stage::with(narrow);
    let proxy = Proxy::before(&stage.server.address, Fault::None, App::Probed);
    assert_eq!(through(&stage, &proxy, &[]).check("proxy_limits")["outcome"], "not proven");
}

#[test]
fn routes_that_hold_for_the_probe_too_are_taken_into_account() {
    let plans = "[[plans]]\nname = \"free\"\ndefault = true\nlimits = [{ requests = 60, per = \"day\" }]\n\
                 [[plans]]\nname = \"paid\"\nneeds_balance = true\nlimits = [{ requests = 60, per = \"day\" }]\n";
    for (route, unproven) in [
        ("plans = [\"paid\"]", &[][..]),
        ("scopes = [\"sets:read\"]", &[]),
        ("cost = 7", &[]),
        ("tokens = 3", &[]),
        ("cost = 0", &["proxy_limits"]),
        ("open = true", &["proxy_refusal", "proxy_limits"]),
    ] {
        let stage = Stage::with(&format!("{plans}[[routes]]\npath = \"/**\"\n{route}\n"));
        let proxy = Proxy::before(&stage.server.address, Fault::None, App::Probed);
        let told = through(&stage, &proxy, &[]);
        println!("{route}: {:#}", told.document);
        if route.starts_with("open") {
            assert_eq!(told.code, Some(1));
            continue;
        }
        assert!(told.ended("failed").is_empty());
        assert_eq!(told.ended("not proven").iter().map(String::as_str).collect::<Vec<_>>(), unproven);
    }
}

#[test]
fn a_credential_in_the_query_is_a_warning_wherever_it_can_travel_there() {
    for (carriers, outcome) in [("\"query:api_key\"", "warning"), ("\"query:api_key\", \"bearer\"", "warning"), ("\"bearer\"", "ok")] {
        let stage = Stage::with(&format!("[keys]\ncarriers = [{carriers}]\n"));
        let proxy = Proxy::before(&stage.server.address, Fault::None, App::Probed);
        let told = through(&stage, &proxy, &[]);
        told.expect_fit();
        assert_eq!(told.check("proxy_credential")["outcome"], outcome, "{:#}", told.document);
        let (_, log) = stage.server.stop();
        assert!(!log.contains("tg_live_"), "{log}");
    }
}

#[test]
fn whoever_lets_callers_in_without_a_key_is_shown_an_unknown_one_refused() {
    let stage = Stage::with(
        "[keys]\nanonymous = \"guest\"\n[[plans]]\nname = \"guest\"\nlimits = [{ requests = 100, per = \"day\", count = \"address\" }]\n\
         [[plans]]\nname = \"free\"\ndefault = true\nlimits = [{ requests = 60, per = \"day\" }]\n",
    );
    let proxy = Proxy::before(&stage.server.address, Fault::None, App::Probed);
    let told = through(&stage, &proxy, &[]);
    told.expect_fit();
    assert!(text(&told.check("proxy_refusal")["detail"]).contains("unknown"), "{:#}", told.document);
}

#[test]
fn a_proxy_that_is_down_is_told_and_the_rest_is_proven() {
    let stage = Stage::with("");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let told = Told::of(&stage.folder, &["--through", &format!("http://{free}")]);
    told.expect_failed(&["proxy"]);
    assert_eq!(told.check("round_trip")["outcome"], "ok");
    assert_eq!(told.check("proxy_limits")["outcome"], "not proven");
    expect_taken_back(&stage.folder);
}

#[test]
fn where_no_server_runs_one_is_booted_where_the_proxy_looks_for_it() {
    let place = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let folder = crate::support::Folder::new().variable("TOLLGATE_SERVER__LISTEN", &place);
    let proxy = Proxy::before(&place, Fault::None, App::Probed);
    let told = Told::of(&folder, &["--through", &proxy.url()]);
    told.expect_fit();
    assert_eq!(told.document["server"], "booted");
}
