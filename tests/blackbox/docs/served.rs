//! How the pages are served and printed: by whom, with which headers, kept for how long, and changed with the configuration.

use crate::support::{Folder, Reply, Request, Server};

const NAMED: &str = "[server]\npublic_url = \"https://api.example.org\"\n[sign_in]\nname = \"Widgets & Co\"\n";

fn ask(server: &Server, path: &str, headers: &[(&str, &str)]) -> Reply {
    let request = headers.iter().fold(Request::get(path), |request, (name, value)| request.header(name, value));
    server.send(&request)
}

#[test]
fn anybody_reads_them_with_strict_headers() {
    let server = Folder::with(NAMED).serve();
    for (path, media) in [
        ("/auth/docs", "text/html; charset=utf-8"),
        ("/auth/docs.md", "text/markdown; charset=utf-8"),
        ("/auth/docs/reference", "text/html; charset=utf-8"),
        ("/auth/docs/style.css", "text/css; charset=utf-8"),
    ] {
        let reply = ask(&server, path, &[]).expect(200);
        assert_eq!(reply.header("Content-Type").as_deref(), Some(media), "{path}");
        let policy = reply.header("Content-Security-Policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'; style-src 'self'") && !policy.contains("unsafe"), "{path}: {policy}");
        for (name, value) in [
            ("X-Frame-Options", "DENY"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "public, max-age=60"),
        ] {
            assert_eq!(reply.header(name).as_deref(), Some(value), "{path} {name}");
        }
        assert!(reply.header("Last-Modified").is_some() && reply.header("X-Request-Id").is_some(), "{path}");
        let tag = reply.header("ETag").unwrap_or_else(|| panic!("{path} has no ETag"));
        for headers in
            [[("If-None-Match", tag.as_str())], [("If-None-Match", "*")], [("If-Modified-Since", &reply.header("Last-Modified").unwrap())]]
        {
            let again = ask(&server, path, &headers).expect(304);
            assert!(again.body.is_empty() && again.header("ETag") == Some(tag.clone()), "{path}: {again:?}");
        }
        ask(&server, path, &[("If-None-Match", "\"other\"")]).expect(200);
        let head = server.send(&Request::new("HEAD", path)).expect(200);
        assert_eq!((head.body.len(), head.header("Content-Length")), (0, reply.header("Content-Length")), "{path}");
        server.send(&Request::new("POST", path)).expect(405);
    }
    ask(&server, "/auth/docs/logo", &[]).expect(404);
}

#[test]
fn whoever_asks_for_markdown_gets_it() {
    let server = Folder::with(NAMED).serve();
    let markdown = ask(&server, "/auth/docs.md", &[]).expect(200);
    for (accept, is_markdown) in [
        ("text/markdown", true),
        ("text/markdown, text/html;q=0.5", true),
        ("text/html,application/xhtml+xml,*/*;q=0.8", false),
        ("*/*", false),
        ("application/json", false),
    ] {
        let reply = ask(&server, "/auth/docs", &[("Accept", accept)]).expect(200);
        assert_eq!(reply.body == markdown.body, is_markdown, "{accept}");
        assert_eq!(reply.header("Vary").as_deref(), Some("Accept"), "{accept}");
    }
    assert!(markdown.body.starts_with("# Widgets \\& Co authentication\n"), "{}", &markdown.body[..80]);
    assert!(markdown.body.contains("https://api.example.org/auth/"), "{}", markdown.body);
}

#[test]
fn without_them_there_is_nothing() {
    let server = Folder::with("[docs]\nenabled = false\n").serve();
    for path in ["/auth/docs", "/auth/docs.md", "/auth/docs/reference", "/auth/docs/style.css", "/auth/docs/logo"] {
        ask(&server, path, &[]).expect(404);
    }
}

#[test]
fn they_lie_below_the_prefix_and_change_with_a_reload() {
    let folder = Folder::with("[server]\nprefix = \"/gate\"\n[docs]\nintro = \"First words.\"\n");
    let server = folder.serve();
    ask(&server, "/auth/docs", &[]).expect(401);
    let before = ask(&server, "/gate/docs", &[]).expect(200);
    assert!(before.body.contains("First words.") && before.body.contains("GET /gate/v1/me"), "{}", before.body);
    folder.rewrite("[server]\nprefix = \"/gate\"\n[docs]\nintro = \"Second words.\"\n");
    server.reload();
    let tag = before.header("ETag").unwrap();
    let after = ask(&server, "/gate/docs", &[("If-None-Match", &tag)]).expect(200);
    assert!(after.body.contains("Second words.") && !after.body.contains("First words."), "{}", after.body);
}

#[test]
fn without_sign_in_nothing_is_told_of_it() {
    let server = Folder::with("[sign_in]\nenabled = false\n").serve();
    let page = ask(&server, "/auth/docs.md", &[]).expect(200).body;
    for word in ["## Sign-in", "dashboard", "access token", "second factor", "organization", "#sign-in"] {
        assert!(!page.contains(word), "'{word}' in {page}");
    }
    assert!(page.contains("Keys are given out by the operator"), "{page}");
    let reference = ask(&server, "/auth/docs/reference", &[]).expect(200).body;
    assert!(reference.contains("/auth/v1/me") && !reference.contains("Sign-in") && !reference.contains("/v1/keys"), "{reference}");
}

#[test]
fn the_command_line_prints_them_without_a_server() {
    let folder = Folder::with(NAMED);
    let served = ask(&folder.serve(), "/auth/docs.md", &[]).expect(200).body;
    let printed = |arguments: &[&str]| String::from_utf8(folder.run(arguments).stdout).unwrap();
    assert_eq!(printed(&["docs"]).trim_end(), served.trim_end());
    let html = printed(&["docs", "--html"]);
    assert!(html.starts_with("<!doctype html>") && html.contains("<style>:root") && !html.contains("<link"), "{html}");
    assert!(html.contains("href=\"https://api.example.org/auth/docs/reference\""), "{html}");
    assert!(printed(&["docs", "--reference"]).starts_with("# Widgets \\& Co API reference\n"));
    let json = folder.json(&["docs"]);
    assert_eq!((json["title"].as_str(), json["markdown"].as_str()), (Some("Widgets & Co authentication"), Some(served.as_str())));
    assert!(folder.json(&["docs", "--html"])["html"].is_string());
}
