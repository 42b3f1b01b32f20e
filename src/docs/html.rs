//! The page as HTML: the same Markdown, and around it a table of contents. Raw HTML in it is text, and links lead only where links may.

use askama::Template;
use base64::Engine;
use pulldown_cmark::{CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd};

use super::words::{ENGLISH, Words};
use super::{Page, style};
use crate::config::Policy;
use crate::config::brand::Logo;

/// Where a page is read: served, with what belongs to it beside it; or in a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At `PREFIX/docs`.
    Docs,
    /// At `PREFIX/docs/reference`.
    Reference,
    /// In one file, anywhere.
    File,
}

/// What stands around a page.
#[derive(Clone, Debug)]
pub struct Assets {
    service: String,
    logo: Option<Logo>,
    sheet: String,
    /// Where this server is; empty: nobody says.
    public_url: String,
    prefix: String,
}

impl Assets {
    /// Of a configuration.
    pub fn of(policy: &Policy) -> Self {
        Self {
            service: policy.service_name().unwrap_or_default(),
            logo: policy.brand.logo.clone(),
            sheet: style::sheet(&policy.brand),
            public_url: policy.server.public_url.clone(),
            prefix: policy.server.prefix.clone(),
        }
    }

    /// The stylesheet.
    pub fn sheet(&self) -> &str {
        &self.sheet
    }

    fn logo(&self, place: Place) -> Option<String> {
        let logo = self.logo.as_ref()?;
        Some(match place {
            Place::Docs => "docs/logo".into(),
            Place::Reference => "logo".into(),
            Place::File => format!("data:{};base64,{}", logo.media, base64::engine::general_purpose::STANDARD.encode(&logo.bytes)),
        })
    }

    /// What else there is to read.
    fn links(&self, place: Place, words: &Words) -> Vec<Link> {
        let link = |url: &str, title: &str| Link { url: url.into(), title: title.into() };
        let reference = format!("{}{}/docs/reference", self.public_url, self.prefix);
        match place {
            Place::Docs => vec![link("docs/reference", words.to_reference), link("docs.md", words.as_markdown)],
            Place::Reference => vec![link("../docs", words.to_page)],
            Place::File if self.public_url.is_empty() => Vec::new(),
            Place::File => vec![link(&reference, words.to_reference)],
        }
    }
}

struct Link {
    url: String,
    title: String,
}

/// A section, rendered.
struct Rendered<'a> {
    id: &'a str,
    title: &'a str,
    html: String,
}

#[derive(Template)]
#[template(path = "docs.html")]
struct Document<'a> {
    language: &'a str,
    words: &'a Words,
    title: &'a str,
    service: &'a str,
    style: Option<&'a str>,
    sheet_url: &'a str,
    icon_url: &'a str,
    logo: Option<String>,
    links: Vec<Link>,
    lead: String,
    sections: Vec<Rendered<'a>>,
}

impl Page {
    /// The whole page as HTML.
    pub fn html(&self, assets: &Assets, place: Place) -> String {
        let words = &ENGLISH;
        let section = |section: &'_ super::Section| render(&section.text, &section.id, 2);
        let document = Document {
            language: words.language,
            words,
            title: &self.title,
            service: &assets.service,
            style: (place == Place::File).then_some(assets.sheet()),
            sheet_url: if place == Place::Reference { "style.css" } else { "docs/style.css" },
            icon_url: if place == Place::Reference { "../icon.svg" } else { "icon.svg" },
            logo: assets.logo(place),
            links: assets.links(place, words),
            lead: format!("<div class=\"lead\">{}</div>", render(&self.lead, "", 1)),
            sections: self.sections.iter().map(|own| Rendered { id: &own.id, title: &own.title, html: section(own) }).collect(),
        };
        // Writing to a String cannot fail.
        document.render().unwrap_or_default()
    }
}

/// Markdown as HTML, alone.
#[cfg(test)]
pub fn fragment(markdown: &str) -> String {
    render(markdown, "", 1)
}

/// What an address calls a heading: `rotating-a-key`.
pub fn slug(title: &str) -> String {
    let words = title.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

/// A section's Markdown as HTML; its headings lie below the level given, and none skips one.
fn render(markdown: &str, id: &str, above: u8) -> String {
    let mut writer = Writer { id, level: above, heading: None, links: Vec::new(), taken: Vec::new() };
    let parser = Parser::new_ext(markdown, Options::ENABLE_TABLES);
    let events: Vec<Event<'_>> = parser.collect();
    let events: Vec<Event<'_>> = events.iter().enumerate().flat_map(|(at, event)| writer.of(event, &events[at..])).collect();
    let mut html = String::with_capacity(2 * markdown.len());
    pulldown_cmark::html::push_html(&mut html, events.into_iter());
    html
}

/// What a section's events become.
struct Writer<'a> {
    id: &'a str,
    /// Of the last heading.
    level: u8,
    /// The level that a heading under way is written at.
    heading: Option<u8>,
    /// Whether each link under way is written.
    links: Vec<bool>,
    /// The ids of headings so far.
    taken: Vec<String>,
}

impl Writer<'_> {
    fn of<'e>(&mut self, event: &Event<'e>, from_here: &[Event<'e>]) -> Vec<Event<'e>> {
        let raw = |html: String| vec![Event::Html(html.into())];
        match event {
            Event::Html(text) | Event::InlineHtml(text) => vec![Event::Text(text.clone())],
            Event::Start(Tag::HtmlBlock) => vec![Event::Start(Tag::Paragraph)],
            Event::End(TagEnd::HtmlBlock) => vec![Event::End(TagEnd::Paragraph)],
            Event::Start(Tag::Heading { level, .. }) => {
                let level = (*level as u8).clamp(2, self.level + 1);
                (self.level, self.heading) = (level, Some(level));
                let id = self.heading_id(&text_of(from_here));
                raw(format!("<h{level} id=\"{id}\">"))
            }
            Event::End(TagEnd::Heading(_)) => raw(format!("</h{}>\n", self.heading.take().unwrap_or(2))),
            // An address may be anywhere: no picture of somebody else's is loaded.
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                self.links.push(may_lead_to(dest_url));
                if may_lead_to(dest_url) { raw(format!("<a href=\"{}\">", escaped(dest_url))) } else { Vec::new() }
            }
            Event::End(TagEnd::Link | TagEnd::Image) => {
                if self.links.pop() == Some(true) {
                    raw("</a>".into())
                } else {
                    Vec::new()
                }
            }
            Event::Start(Tag::CodeBlock(kind)) => raw(code_block(kind)),
            Event::End(TagEnd::CodeBlock) => raw("</code></pre>\n".into()),
            // What may be wider than the page is scrolled, by keys too.
            Event::Start(Tag::Table(_)) => vec![Event::Html("<div class=\"table\" tabindex=\"0\">".into()), event.clone()],
            Event::End(TagEnd::Table) => vec![event.clone(), Event::Html("</div>\n".into())],
            other => vec![other.clone()],
        }
    }

    /// An id that no heading before has.
    fn heading_id(&mut self, title: &str) -> String {
        let own = [self.id, &slug(title)].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
        let count = self.taken.iter().filter(|taken| **taken == own).count();
        self.taken.push(own.clone());
        if count == 0 { own } else { format!("{own}-{}", count + 1) }
    }
}

/// The text of the element that these events begin with.
fn text_of(events: &[Event<'_>]) -> String {
    let inner = events.iter().skip(1).take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
    inner.filter_map(|event| if let Event::Text(text) | Event::Code(text) = event { Some(text.as_ref()) } else { None }).collect()
}

/// Answers are wrapped, for their bodies are one line each; programs are not.
fn code_block(kind: &CodeBlockKind<'_>) -> String {
    let language: String = match kind {
        CodeBlockKind::Fenced(info) => info.chars().take_while(|letter| letter.is_ascii_alphanumeric()).collect(),
        CodeBlockKind::Indented => String::new(),
    };
    let wrap = if ["http", "json", "text"].contains(&language.as_str()) { " class=\"wrap\"" } else { " tabindex=\"0\"" };
    format!("<pre{wrap}><code>")
}

/// Whether a link may lead there: to the web, to somebody's mail, or within this server.
fn may_lead_to(url: &CowStr<'_>) -> bool {
    let scheme = url.split(['/', '?', '#']).next().unwrap_or_default().split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    let is_sound = !url.chars().any(|letter| letter.is_control() || letter == '\\');
    is_sound && scheme.is_none_or(|scheme| ["http", "https", "mailto"].contains(&scheme.as_str()))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_does_anything() {
        let html = fragment(
            "<script>alert(1)</script>\n\na <b onclick=x>b</b> <img src=x onerror=y>\n\n[one](javascript:alert(1)) [two](JaVaScript:x) [three](data:text/html,x) \
             [four](https://example.com/?a=1&b=2) [five](/path) [six](#part) [seven](mailto:a@example.com) ![eight](https://evil.example/x.png) \
             [nine](vbscript:x) <javascript:alert(1)> <https://example.com/\"onclick=x>",
        );
        assert!(!html.contains("<script") && !html.contains("<b") && !html.contains("<img"), "{html}");
        assert!(!html.contains("\"javascript") && !html.contains("\"data:") && !html.contains("vbscript:x\""), "{html}");
        assert!(!html.to_lowercase().contains("href=\"javascript"), "{html}");
        for kept in [
            "href=\"https://example.com/?a=1&amp;b=2\">four</a>",
            "href=\"/path\">five",
            "href=\"#part\">six",
            "href=\"mailto:a@example.com\">seven",
        ] {
            assert!(html.contains(kept), "{kept} in {html}");
        }
        assert!(html.contains(">eight</a>") && html.contains("one") && html.contains("&lt;script&gt;"), "{html}");
    }

    #[test]
    fn headings_are_in_order_and_have_ids_that_differ() {
        let html = render("###### Deep\n\n# Top\n\n### Same\n\n### Same\n\nText\n====", "part", 2);
        let ids: Vec<&str> = html.split("id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(ids, ["part-deep", "part-top", "part-same", "part-same-2", "part-text"]);
        let levels: Vec<&str> = html.split("<h").skip(1).map(|rest| &rest[..1]).collect();
        assert_eq!(levels, ["3", "2", "3", "3", "2"], "{html}");
    }

    #[test]
    fn code_is_escaped() {
        let html = fragment("```js\" onclick=\"x\n<b>&\n```\n\n    indented <i>");
        assert!(html.contains("<pre tabindex=\"0\"><code>&lt;b&gt;&amp;"), "{html}");
        assert!(html.contains("<code>indented &lt;i&gt;"), "{html}");
    }

    #[test]
    fn slugs() {
        assert_eq!(slug("Rotating a key"), "rotating-a-key");
        assert_eq!(slug("401: no key, “x”"), "401-no-key-x");
        assert_eq!(slug("Überblick & mehr"), "überblick-mehr");
    }
}
