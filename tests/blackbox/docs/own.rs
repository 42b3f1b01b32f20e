//! What the operator adds: their text, and how the page looks. Nothing in it does anything.

use super::page::is_sound;
use super::section;
use crate::support::{Folder, Request, Server};

fn get(server: &Server, path: &str) -> String {
    server.send(&Request::get(path)).expect(200).body
}

const HOSTILE: &str = r#"
[docs]
title = "<b>Keys</b> & \"more\""
intro = """
# Hello

<script>alert(1)</script> <img src=x onerror=alert(2)>

[click](javascript:alert(3)) [fine](https://example.com/a?b=1&c=2) ![pixel](https://evil.example/pixel.png)
"""

[[docs.section]]
title = "Errors"
before = "errors"
text = "Ours, <svg onload=alert(4)>."

[[docs.section]]
title = "Last <words>"
text = """
# Deep

```
never closed <script>alert(5)</script>
"""

[[plans]]
name = "free"
title = "<i>Free</i> | *star* `tick` [x](javascript:y)"
default = true
limits = [{ requests = 5, per = "minute" }]

[[plans]]
name = "other"
"#;

#[test]
fn nothing_of_the_operators_text_does_anything() {
    let server = Folder::with(HOSTILE).serve();
    let html = get(&server, "/auth/docs");
    is_sound("a hostile page", &html);
    for word in ["<script", "<img", "<svg", "<b>", "<i>", "href=\"javascript", "src=\"https://evil"] {
        assert!(!html.contains(word), "{word} in {html}");
    }
    for word in [
        "<h1>&#60;b&#62;Keys",
        "href=\"https://example.com/a?b=1&amp;c=2\"",
        "&lt;script&gt;alert(1)",
        "&lt;i&gt;Free&lt;/i&gt; | *star* `tick` [x](javascript:y)",
        "&lt;svg onload",
    ] {
        assert!(html.contains(word), "{word} in {html}");
    }
    let page = get(&server, "/auth/docs.md");
    // A fence that never ends would take the rest of the page along.
    assert_eq!(page.lines().filter(|line| line.starts_with("```")).count() % 2, 0, "{page}");
    assert!(page.trim_end().ends_with("```"), "{page}");
}

#[test]
fn sections_stand_where_they_are_put() {
    let config = "[[docs.section]]\ntitle = \"Before plans\"\nbefore = \"plans\"\ntext = { file = \"plans.md\" }\n[[docs.section]]\ntitle = \"At the end\"\ntext = \"The end.\"\n";
    let folder = Folder::with(config);
    std::fs::write(folder.path("plans.md"), "From a *file*.\n").unwrap();
    let server = folder.serve();
    let page = get(&server, "/auth/docs.md");
    let at = |title: &str| page.find(&format!("\n## {title}\n")).unwrap_or_else(|| panic!("{title} in {page}"));
    assert!(
        at("Examples") < at("Before plans") && at("Before plans") < at("Plans and limits") && at("Rotation and safety") < at("At the end")
    );
    assert!(section(&page, "Before plans").contains("From a *file*."));
    let html = get(&server, "/auth/docs");
    is_sound("a page with sections", &html);
    assert!(html.contains("From a <em>file</em>.") && html.contains("href=\"#before-plans\""), "{html}");
}

#[test]
fn the_page_wears_the_brand() {
    let folder = Folder::with("[sign_in]\nname = \"Sunny\"\n[brand]\nlogo = \"logo.svg\"\ncolour = \"#ffe600\"\n");
    std::fs::write(folder.path("logo.svg"), "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>").unwrap();
    let server = folder.serve();
    let logo = server.send(&Request::get("/auth/docs/logo")).expect(200);
    assert_eq!(logo.header("Content-Type").as_deref(), Some("image/svg+xml"));
    assert!(
        logo.header("Content-Security-Policy").is_some_and(|policy| policy.contains("sandbox") && policy.contains("default-src 'none'"))
    );
    let html = get(&server, "/auth/docs");
    assert!(html.contains("<img src=\"docs/logo\" alt=\"\"") && html.contains("Sunny"), "{html}");
    assert!(get(&server, "/auth/docs/reference").contains("<img src=\"logo\""));
    let sheet = get(&server, "/auth/docs/style.css");
    // Yellow is read on black; on white it is darkened.
    assert!(sheet.contains("{--accent:#ffe600}}") && !sheet.starts_with(":root{--accent:#ffe600}"), "{sheet}");
    let printed = folder.run(&["docs", "--html"]);
    assert!(String::from_utf8_lossy(&printed.stdout).contains("<img src=\"data:image/svg+xml;base64,"));
}
