//! What a page is made of: well-formed, in order, light, and with nothing of anybody else's.

use super::{APIS, markdown};
use crate::support::{Folder, Request, Server};

/// The most that a page may weigh, its style sheet with it.
const HEAVIEST: usize = 30 * 1024;

const VOID: [&str; 6] = ["meta", "link", "img", "br", "hr", "input"];

/// Tags with their attributes, in order; an end tag begins with `/`.
fn tags(html: &str) -> Vec<(String, String)> {
    let inner = html.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag);
    inner
        .filter(|tag| !tag.starts_with('!'))
        .map(|tag| tag.split_once(' ').unwrap_or((tag, "")))
        .map(|(name, rest)| (name.to_owned(), rest.to_owned()))
        .collect()
}

fn attribute<'t>(attributes: &'t str, name: &str) -> Option<&'t str> {
    attributes.split(&format!("{name}=\"")).nth(1)?.split('"').next()
}

/// Fails where a page is not as pages are.
#[track_caller]
pub fn is_sound(what: &str, html: &str) {
    let (mut open, mut level, mut ids, mut targets) = (Vec::new(), 0, Vec::new(), Vec::new());
    for (name, attributes) in tags(html) {
        if let Some(ended) = name.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(ended), "{what}: </{ended}> ends something else");
            continue;
        }
        assert!(!["script", "iframe", "object", "form", "style"].contains(&name.as_str()), "{what}: <{name}>");
        for attribute in attributes.split(' ') {
            assert!(!attribute.starts_with("on") && !attribute.starts_with("style="), "{what}: <{name} {attributes}>");
        }
        if let Some(next) = name.strip_prefix('h').and_then(|level| level.parse::<u8>().ok()) {
            // The contents' heading comes before the page's own.
            assert!(next <= level + 1 || (level == 0 && next == 2), "{what}: h{next} after h{level}");
            level = next;
        }
        ids.extend(attribute(&attributes, "id").map(str::to_owned));
        let loaded = if name == "a" { None } else { attribute(&attributes, "src").or(attribute(&attributes, "href")) };
        assert!(loaded.is_none_or(|url| !url.contains("//")), "{what}: {loaded:?} is somebody else's");
        targets.extend(attribute(&attributes, "href").and_then(|url| url.strip_prefix('#')).map(str::to_owned));
        if !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{what}: {open:?} never end");
    let mut sorted = ids.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), ids.len(), "{what}: an id is there twice: {ids:?}");
    let lost: Vec<_> = targets.iter().filter(|target| !ids.contains(target)).collect();
    assert!(lost.is_empty(), "{what}: {lost:?} lead nowhere");
    assert_eq!(html.matches("<h1>").count(), 1, "{what}");
    assert!(html.contains("<html lang=\"en\">") && html.contains("class=\"skip\" href=\"#text\""), "{what}");
    assert!(html.contains("<meta name=\"viewport\""), "{what}");
}

fn get(server: &Server, path: &str) -> String {
    server.send(&Request::get(path)).expect(200).body
}

#[test]
fn every_examples_pages_are_sound_and_light() {
    for api in &APIS {
        let folder = Folder::with_file(&api.config());
        let server = folder.serve();
        let sheet = get(&server, "/auth/docs/style.css");
        for path in ["/auth/docs", "/auth/docs/reference"] {
            let html = get(&server, path);
            let what = format!("{} {path}", api.name);
            is_sound(&what, &html);
            assert!(html.len() + sheet.len() <= HEAVIEST, "{what} has {} bytes, and {} of style", html.len(), sheet.len());
        }
        // The reference tells nothing of what is the operator's.
        let reference = get(&server, "/auth/docs/reference");
        assert!(reference.contains("/auth/v1/me") && reference.contains("user/me") && reference.contains("/auth/v1/keys"), "{}", api.name);
        for word in ["/users", "/webhooks", "/tokens", "/import", "/backup", "/metrics", "/v1/verify", "/approve", "/v1/check"] {
            assert!(!reference.contains(word), "{}: {word}", api.name);
        }
    }
}

/// What an API's page tells of, and another's does not.
#[test]
fn a_page_tells_of_its_own_api_alone() {
    let rows: [(&str, &[&str], &[&str]); 5] = [
        (
            "elumenta",
            &[
                "`nb_`",
                "48 characters",
                "VIP and Elite",
                "402",
                "auth/telegram",
                "auth/google",
                "auth/login-phone",
                "+7XXXXXXXXXX",
                "15 minutes",
                "the account's: all of its keys share them",
            ],
            &["### Paths", "granted by review", "agreement", "Limits of a key", "Tokens a month", "reserved"],
        ),
        (
            "neuralbox",
            &["`nb_`", "Tokens a month", "1,500", "never expire", "auth/telegram", "neuralbox.top/web/billing"],
            &["login-phone", "### Paths", "granted by review", "agreement", "sliding"],
        ),
        (
            "elestrals",
            &[
                "elestrals_live_",
                "`elestrals_test_` are reserved",
                "/v1/health",
                "Partner is granted by review",
                "the [agreement](",
                "sliding",
                "the 1st of each month",
                "as an unknown key is",
                "100,000 a month",
            ],
            &["402", "auth/telegram", "### Balance", "Calls the API", "auth/google"],
        ),
        (
            "lumyx",
            &["`nova_`", "64 characters", "the letters a to f", "from 1 to 1,000", "Limits of a key", "the scope `chat`", "rolling", "402"],
            &["auth/telegram", "agreement", "Calls the API", "granted by review", "as an unknown key is", "sliding"],
        ),
        (
            "ilumiera",
            &["`ilm_`", "the header `api-key`", "API key is required", "organization", "100 a minute"],
            &["Bearer ilm", "402", "auth/telegram", "### Paths", "agreement", "starts anew"],
        ),
    ];
    for (name, holds, lacks) in rows {
        let api = APIS.iter().find(|api| api.name == name).expect("it is there");
        let folder = Folder::with_file(&api.config());
        let page = markdown(&folder.serve());
        for word in holds {
            assert!(page.contains(word), "{name}'s page lacks '{word}':\n{page}");
        }
        for word in lacks {
            assert!(!page.contains(word), "{name}'s page tells of '{word}':\n{page}");
        }
    }
}
