//! The operator's name, colour and picture on every page, and in which language it is told.

use crate::support::browser::{Browser, Page};
use crate::support::{Folder, Request, Stage};

const PICTURE: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";

fn stage(brand: &str) -> Stage {
    let folder = Folder::with("");
    std::fs::write(folder.path("logo.svg"), PICTURE).expect("a file");
    let config = brand.replace("LOGO", folder.path("logo.svg").to_str().expect("a path"));
    folder.rewrite(&config);
    Stage::of(folder)
}

/// The version under which a page asks for a file.
fn version(page: &Page, file: &str) -> Option<String> {
    let after = page.reply.body.split(&format!("{file}?v=")).nth(1)?;
    after.split('"').next().map(str::to_owned)
}

#[test]
fn colour_and_picture_stand_on_every_page() {
    let stage = stage("[sign_in]\nname = \"Widgets & <Co>\"\n[brand]\nlogo = \"LOGO\"\ncolour = \"#ffe600\"\n");
    let mut browser = Browser::new(&stage);
    for path in ["/auth/sign-in", "/auth/register", "/auth/forgot", "/auth/verify?token=x", "/auth/reset?token=x", "/auth/second-factor"] {
        let page = browser.open(path);
        let status = page.reply.status;
        let page = page.says(status, "Widgets &#38; &#60;Co&#62;").says(status, "<img src=\"./logo?v=");
        let version = version(&page, "./brand.css").expect("a sheet");
        for (file, media) in [("brand.css", "text/css; charset=utf-8"), ("logo", "image/svg+xml"), ("icon.svg", "image/svg+xml")] {
            let reply = stage.server.send(&Request::get(&format!("/auth/{file}?v={version}"))).expect(200);
            assert_eq!(reply.header("Content-Type").as_deref(), Some(media));
            assert_eq!(reply.header("Cache-Control").as_deref(), Some("public, max-age=31536000, immutable"));
            assert_eq!(reply.header("X-Content-Type-Options").as_deref(), Some("nosniff"));
            let policy = reply.header("Content-Security-Policy").expect("a policy");
            assert!(policy.contains("default-src 'none'") && !policy.contains("script-src 'unsafe"), "{policy}");
            // A picture that is opened by itself runs nothing.
            assert_eq!(policy.contains("sandbox"), media.starts_with("image/"), "{policy}");
        }
    }
    let sheet = stage.server.send(&Request::get("/auth/brand.css")).expect(200).body;
    // Black on yellow, and links in a shade that can be read on white.
    assert!(
        sheet.contains("--fill:#ffe600") && sheet.contains("--on-brand:#000000") && !sheet.contains("--brand:#ffe600;--fill"),
        "{sheet}"
    );
    let icon = stage.server.send(&Request::get("/auth/icon.svg")).expect(200).body;
    assert!(icon.contains(">W</text>") && icon.contains("#ffe600"), "{icon}");
    assert_eq!(stage.server.send(&Request::get("/auth/logo")).expect(200).body, PICTURE);
}

#[test]
fn without_any_there_is_an_icon_alone() {
    let stage = stage("[server]\npublic_url = \"https://api.example.com\"\n");
    let mut browser = Browser::new(&stage);
    let page =
        browser.open("/auth/sign-in").says(200, "api.example.com").says(200, "rel=\"icon\" href=\"./icon.svg?v=").says_not("brand.css");
    assert!(!page.reply.body.contains("<img"), "{page:?}");
    for (file, status) in [("brand.css", 404), ("logo", 404), ("icon.svg", 200)] {
        stage.server.send(&Request::get(&format!("/auth/{file}"))).expect(status);
    }
}

#[test]
fn what_changes_gets_another_version() {
    let stage = stage("[brand]\ncolour = \"#1a56db\"\n");
    let mut browser = Browser::new(&stage);
    let before = version(&browser.open("/auth/sign-in"), "brand.css").expect("a sheet");
    stage.folder.rewrite("[brand]\ncolour = \"#a02050\"\n");
    stage.server.reload();
    let after = version(&browser.open("/auth/sign-in"), "brand.css").expect("a sheet");
    assert_ne!(before, after);
    assert!(stage.server.send(&Request::get("/auth/brand.css")).expect(200).body.contains("#a02050"));
}

#[test]
fn where_nobody_signs_in_there_is_nothing() {
    let stage = stage("[sign_in]\nenabled = false\n[brand]\ncolour = \"#1a56db\"\n");
    for file in ["brand.css", "logo", "register", "forgot"] {
        stage.server.send(&Request::get(&format!("/auth/{file}"))).expect(404);
    }
    // The authentication page has it, too.
    stage.server.send(&Request::get("/auth/icon.svg")).expect(200);
}

/// Of the languages that are there the one that a browser likes best; and caches learn that it may be another.
#[test]
fn a_page_says_in_which_language_it_is() {
    let stage = stage("");
    for wanted in ["de-DE,de;q=0.9,en;q=0.8", "", "xx", "en-GB"] {
        let reply = stage.server.send(&Request::get("/auth/sign-in").header("Accept-Language", wanted));
        Page { path: "/auth/sign-in".into(), reply }.says(200, "Sign in");
    }
    // What is no page is in no language.
    let reply = stage.server.send(&Request::get("/auth/dashboard.css")).expect(200);
    assert!(reply.header("Content-Language").is_none() && reply.header("Vary").is_none(), "{reply:?}");
}
