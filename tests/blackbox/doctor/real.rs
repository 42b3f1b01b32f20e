//! By way of the real things: nginx and Caddy with exactly what is printed for them, and the gate in front of the app itself.

use super::{Told, expect_taken_back};
use crate::proxies::app::App;
use crate::proxies::front::{Front, Kind, Proxy};
use crate::support::server::text;
use crate::support::{Folder, Stage};

/// What must come out right, whatever stands in front.
const PROVEN: [&str; 10] = [
    "proxy",
    "proxy_refusal",
    "proxy_identity",
    "proxy_forwarded",
    "proxy_address",
    "proxy_limits",
    "proxy_cookies",
    "proxy_credential",
    "proxy_revocation",
    "proxy_app",
];

#[track_caller]
fn expect_proven(folder: &Folder, url: &str) {
    let told = Told::of(folder, &["--through", url]);
    told.expect_fit();
    for name in PROVEN {
        assert_eq!(told.check(name)["outcome"], "ok", "{:#}\n{}", told.document, told.log);
    }
    expect_taken_back(folder);
}

#[test]
fn what_is_printed_for_a_proxy_is_proven_fit() {
    for kind in [Kind::Nginx, Kind::Caddy, Kind::NginxBefore, Kind::CaddyBefore] {
        let front = Front::with(kind, "");
        expect_proven(&front.stage.folder, &format!("http://{}", front.proxy.address));
        let received = front.app.received();
        assert!(
            !received.is_empty() && received.iter().all(|request| kind.is_before() || request["target"] == "/"),
            "the app's own location is looked at too"
        );
        let told = format!("{received:?}");
        assert!(!told.contains("forged-") && !told.contains("198.51.100.77") && !told.contains("tg_live_"), "{told}");
    }
}

#[test]
fn tls_ends_at_a_proxy_before_the_gate() {
    const CERTIFICATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/blackbox/doctor/certificates");
    for kind in [Kind::NginxBefore, Kind::CaddyBefore] {
        let app = App::tcp();
        let stage = Stage::of(kind.told(Folder::with("[server]\nrequire_https = true\n"), &app));
        let (certificate, key) = (format!("{CERTIFICATES}/localhost.pem"), format!("{CERTIFICATES}/key.pem"));
        // As a reader fills it in.
        let secured = |printed: String| match kind {
            Kind::NginxBefore => {
                let listen = format!(" default_server ssl;\n    ssl_certificate {certificate};\n    ssl_certificate_key {key};");
                printed.replace(" default_server;", &listen)
            }
            _ => printed.replace("http://:", "https://localhost:").replace("\tbind ", &format!("\ttls {certificate} {key}\n\tbind ")),
        };
        let proxy = Proxy::edited(kind, &stage.folder, &stage.server.address, &app, secured);
        let url = format!("https://localhost:{}", proxy.address.rsplit(':').next().unwrap());
        let told = Told::of(&stage.folder, &["--through", &url, "--ca", &format!("{CERTIFICATES}/authority.pem")]);
        told.expect_fit();
        assert!(PROVEN.iter().all(|name| told.check(name)["outcome"] == "ok"), "{:#}\n{}", told.document, told.log);
    }
}

#[test]
fn the_gate_in_front_is_proven_fit() {
    let app = App::tcp();
    let stage = Stage::with(&format!("[server]\ntrusted_proxies = []\n[upstream]\nurl = \"{}\"\n", app.url));
    expect_proven(&stage.folder, &format!("http://{}", stage.server.address));
}

/// What is written into the app's own location, and what the doctor says of it.
const APPS_OWN: [(Kind, &str, &str, &str, &str); 7] = [
    (Kind::Nginx, "    location / {\n", "    location / {\nauth_request off;\n", "was not asked", "nowhere auth_request off;"),
    (
        Kind::Nginx,
        "    location / {\n        proxy_pass http://$tollgate_next;",
        "    location / {\nauth_request off;\nproxy_pass http://tollgate_app;",
        "is let through: 200",
        "nowhere auth_request off;",
    ),
    (
        Kind::Nginx,
        "    location / {\n",
        "    location / {\nproxy_set_header X-Foo bar;\n",
        "a forged X-Auth-Account reaches the app",
        "needs all of them again",
    ),
    (Kind::Nginx, "    location / {\n", "    location / {\nadd_header X-Foo bar;\n", "is missing", "needs all of them again"),
    (Kind::Nginx, "    location / {\n", "    location / {\nerror_page 404 /404;\n", "does not come through", "error_page 401 403"),
    (Kind::Caddy, "\thandle {\n\t\timport tollgate_gate\n", "\thandle {\n", "is let through: 200", "import tollgate_gate"),
    (
        Kind::Caddy,
        "\thandle {\n\t\timport tollgate_gate\n",
        "\thandle {\n\t\timport tollgate_gate\n\t\trequest_header X-Auth-Key {header.X-Foo}\n\t\theader -Ratelimit\n",
        "ratelimit is missing",
        "include",
    ),
];

#[test]
fn what_the_apps_own_location_does_otherwise_is_found() {
    for (kind, printed, written, detail, fix) in APPS_OWN {
        let (stage, app) = (Stage::with(""), App::tcp());
        let proxy = Proxy::edited(kind, &stage.folder, &stage.server.address, &app, |config| {
            assert!(config.contains(printed), "{printed} is printed");
            config.replace(printed, written)
        });
        let told = Told::of(&stage.folder, &["--through", &format!("http://{}", proxy.address)]);
        println!("{written}: {:#}", told.document);
        told.expect_failed(&["proxy_app"]);
        let check = told.check("proxy_app");
        assert!(text(&check["detail"]).to_lowercase().contains(&detail.to_lowercase()), "{check:#}");
        assert!(text(&check["fix"]).contains(fix), "{check:#}");
        expect_taken_back(&stage.folder);
    }
}

#[test]
fn an_app_that_is_down_is_told_apart_from_a_gate_that_is_not_asked() {
    for kind in [Kind::Nginx, Kind::Caddy] {
        let (stage, app) = (Stage::with(""), App::tcp());
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let place = app.url.trim_start_matches("http://").to_owned();
        let proxy = Proxy::edited(kind, &stage.folder, &stage.server.address, &app, |config| config.replace(&place, &free));
        let told = Told::of(&stage.folder, &["--through", &format!("http://{}", proxy.address)]);
        told.expect_failed(&["proxy_app"]);
        assert!(text(&told.check("proxy_app")["fix"]).starts_with("start the app"), "{:#}", told.document);
        // Where tollgate is not where the proxy looks for it.
        let place = stage.server.address.clone();
        let proxy = Proxy::edited(kind, &stage.folder, &stage.server.address, &app, |config| config.replace(&place, &free));
        let told = Told::of(&stage.folder, &["--through", &format!("http://{}", proxy.address)]);
        told.expect_failed(&["proxy"]);
        let check = told.check("proxy");
        assert!(text(&check["detail"]).contains("does not reach tollgate") && text(&check["fix"]).contains(&place), "{check:#}");
    }
}

#[test]
fn where_no_site_answers_or_no_app_it_is_told() {
    let (stage, app) = (Stage::with(""), App::tcp());
    // The site is for another name than the one that is called.
    let elsewhere = |config: String| config.replace("http://:", "http://api.example.com:");
    let proxy = Proxy::edited(Kind::Caddy, &stage.folder, &stage.server.address, &app, elsewhere);
    let told = Told::of(&stage.folder, &["--through", &format!("http://{}", proxy.address)]);
    told.expect_failed(&["proxy"]);
    let check = told.check("proxy");
    assert!(text(&check["detail"]).contains("has no site for the name 127.0.0.1"), "{check:#}");
    assert!(text(&check["fix"]).contains("127.0.0.1 {"), "{check:#}");
    // The gate itself, with nothing behind it.
    let told = Told::of(&stage.folder, &["--through", &format!("http://{}", stage.server.address)]);
    told.expect_failed(&["proxy"]);
    let check = told.check("proxy");
    assert!(text(&check["detail"]).contains("this is tollgate itself, without an app behind it"), "{check:#}");
    assert!(text(&check["fix"]).contains("[upstream] url") && !text(&check["fix"]).contains("auth_request"), "{check:#}");
    expect_taken_back(&stage.folder);
}

#[test]
fn a_proxy_without_its_questions_or_without_its_way_to_tollgate_is_told_so() {
    let told = |listen: Option<&str>, kind: Kind, edit: &dyn Fn(String) -> String| {
        let mut folder = Folder::new();
        if let Some(listen) = listen {
            folder = folder.variable("TOLLGATE_SERVER__LISTEN", listen);
        }
        let (stage, app) = (Stage::of(folder), App::tcp());
        let proxy = Proxy::edited(kind, &stage.folder, &stage.server.address, &app, edit);
        let told = Told::of(&stage.folder, &["--through", &format!("http://{}", proxy.address)]);
        println!("{:#}", told.document);
        told.expect_failed(&["proxy"]);
        (text(&told.check("proxy")["detail"]), text(&told.check("proxy")["fix"]))
    };
    let (detail, fix) = told(None, Kind::Nginx, &|config| config.replace("    auth_request /auth", "    # auth_request /auth"));
    assert!(detail.contains("was not asked") && fix.contains("auth_request /auth/v1/check/nginx;"), "{detail}\n{fix}");
    for kind in [Kind::Nginx, Kind::Caddy] {
        // As if its user might not open the socket.
        let (detail, fix) = told(Some("unix:gate.sock"), kind, &|config| config.replace("gate.sock", "shut.sock"));
        assert!(detail.contains("does not reach tollgate") && fix.contains("socket_mode"), "{detail}\n{fix}");
    }
}

#[test]
fn before_the_gate_in_front_a_proxy_that_only_ends_tls_is_fit() {
    let app = App::tcp();
    let stage = Stage::with(&format!("[upstream]\nurl = \"{}\"\n", app.url));
    // All that it says itself is who calls.
    let plain = |lines: &'static str| {
        move |config: String| {
            let at = config.find("server {\n").unwrap();
            let listen = config.lines().find(|line| line.trim_start().starts_with("listen ")).unwrap().to_owned();
            let upstream = config.find("upstream tollgate {").unwrap();
            let end = upstream + config[upstream..].find("\n}\n").unwrap() + 3;
            assert!(at > end);
            format!(
                "{}server {{\n{listen}\nlocation / {{ proxy_pass http://tollgate; proxy_set_header Host $http_host;\n{lines} }}\n}}\n",
                &config[upstream..end]
            )
        }
    };
    const SAYS: &str = "proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; \
                        proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Real-IP \"\";";
    let proxy = Proxy::edited(Kind::Nginx, &stage.folder, &stage.server.address, &app, plain(SAYS));
    expect_proven(&stage.folder, &format!("http://{}", proxy.address));
    let proxy = Proxy::edited(Kind::Nginx, &stage.folder, &stage.server.address, &app, plain(""));
    let told = Told::of(&stage.folder, &["--through", &format!("http://{}", proxy.address)]);
    println!("{:#}", told.document);
    let check = told.check("proxy_forwarded");
    assert_eq!(check["outcome"], "failed", "{check:#}");
    let fix = text(&check["fix"]);
    assert!(
        fix.contains("X-Forwarded-For $remote_addr") && fix.contains("[server] trusted_proxies") && !fix.contains("auth_request"),
        "{fix}"
    );
    assert!(!text(&check["detail"]).contains("X-Forwarded-Uri") && !text(&check["detail"]).contains("X-Forwarded-Method"), "{check:#}");
}

#[test]
fn an_open_path_is_called_so_and_another_one_can_be_named() {
    let folder = Folder::with("[[routes]]\npath = \"/\"\nopen = true\n");
    let front = Front::of(Kind::Nginx, folder, App::tcp());
    let url = format!("http://{}", front.proxy.address);
    let told = Told::of(&front.stage.folder, &["--through", &url]);
    told.expect_fit();
    assert!(text(&told.check("proxy_app")["detail"]).contains("open route"), "{:#}", told.document);
    let told = Told::of(&front.stage.folder, &["--through", &url, "--path", "/x?y=1"]);
    told.expect_fit();
    assert!(text(&told.check("proxy_app")["detail"]).contains("nothing forged reaches the app"), "{:#}", told.document);
}

#[test]
fn a_line_too_few_is_found_in_a_real_proxy() {
    for (kind, line, check) in [
        (Kind::Nginx, "proxy_set_header X-Auth-Account", "proxy_identity"),
        (Kind::Nginx, "error_page 401 403", "proxy_refusal"),
        (Kind::Nginx, "proxy_set_header X-Forwarded-For", "proxy_forwarded"),
        (Kind::Caddy, "request_header X-Auth-Plan", "proxy_identity"),
        (Kind::Caddy, "request_header X-Auth-Key", "proxy_identity"),
        (Kind::Caddy, "request_header -Authorization", "proxy_credential"),
    ] {
        let (stage, app) = (Stage::with(""), App::tcp());
        let without = |printed: String| {
            let left: String =
                printed.lines().filter(|text| !text.trim_start().starts_with(line)).map(|text| format!("{text}\n")).collect();
            assert!(left.len() < printed.len(), "{line} is printed");
            left
        };
        let proxy = Proxy::edited(kind, &stage.folder, &stage.server.address, &app, without);
        let told = Told::of(&stage.folder, &["--through", &format!("http://{}", proxy.address)]);
        assert!(told.ended("failed").contains(check), "{line}: {:#}", told.document);
        assert_eq!(told.code, Some(1), "{line}");
    }
}
