//! By way of the real things: nginx and Caddy with exactly what is printed for them, and the gate in front of the app itself.

use super::{Told, expect_taken_back};
use crate::proxies::app::App;
use crate::proxies::front::{Front, Kind, Proxy};
use crate::support::{Folder, Stage};

/// What must come out right, whatever stands in front.
const PROVEN: [&str; 9] = [
    "proxy",
    "proxy_refusal",
    "proxy_identity",
    "proxy_forwarded",
    "proxy_address",
    "proxy_limits",
    "proxy_cookies",
    "proxy_credential",
    "proxy_revocation",
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
        let before = front.app.asked();
        expect_proven(&front.stage.folder, &format!("http://{}", front.proxy.address));
        // The gate in front of an app looks whether it answers.
        assert!(kind.is_before() || front.app.asked() == before, "the probe stands for the app");
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

#[test]
fn a_line_too_few_is_found_in_a_real_proxy() {
    for (kind, line, check) in [
        (Kind::Nginx, "proxy_set_header X-Auth-Account", "proxy_identity"),
        (Kind::Nginx, "error_page 401 403", "proxy_refusal"),
        (Kind::Nginx, "proxy_set_header X-Forwarded-For", "proxy_forwarded"),
        (Kind::Caddy, "request_header X-Auth-Plan", "proxy_identity"),
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
