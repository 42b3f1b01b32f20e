//! A browser without a script: it keeps cookies by name and path, follows redirects, reads forms and sends them as they stand.

use std::collections::BTreeMap;

use super::{Reply, Request, Stage};

pub struct Browser<'s> {
    stage: &'s Stage,
    /// By name and path.
    pub cookies: BTreeMap<(String, String), String>,
    /// Where it is.
    pub path: String,
    /// Where it calls from: nobody is throttled for somebody else.
    pub address: String,
}

/// A page that was read.
#[derive(Clone, Debug)]
pub struct Page {
    pub path: String,
    pub reply: Reply,
}

/// A form on it.
#[derive(Clone, Debug)]
pub struct HtmlForm {
    pub method: String,
    pub action: String,
    pub fields: Vec<(String, String)>,
}

impl<'s> Browser<'s> {
    pub fn new(stage: &'s Stage) -> Self {
        Self { stage, cookies: BTreeMap::new(), path: "/".into(), address: "10.9.0.1".into() }
    }

    /// Opens an address as somebody types it, or follows a link of the page it is on.
    #[track_caller]
    pub fn open(&mut self, place: &str) -> Page {
        self.go("GET", place, None)
    }

    /// Fills a form in, and sends it.
    #[track_caller]
    pub fn send(&mut self, page: &Page, action: &str, typed: &[(&str, &str)]) -> Page {
        let mut form = page.form(action);
        for (name, text) in typed {
            form.fields.retain(|(known, _)| known != name);
            form.fields.push(((*name).to_owned(), (*text).to_owned()));
        }
        self.path.clone_from(&page.path);
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form.fields).finish();
        self.go(&form.method, &form.action, Some(body))
    }

    /// The request as this browser sends it.
    pub fn request(&self, method: &str, path: &str, body: Option<&str>) -> Request {
        let mut request = Request::new(method, path)
            .header("Accept", "text/html,*/*;q=0.8")
            .header("X-Forwarded-For", &self.address)
            .header("X-Forwarded-Proto", "https");
        let sent: Vec<_> = self.cookies.iter().filter(|((_, below), _)| path.starts_with(below)).collect();
        if !sent.is_empty() {
            let pairs: Vec<_> = sent.into_iter().map(|((name, _), value)| format!("{name}={value}")).collect();
            request = request.header("Cookie", &pairs.join("; "));
        }
        if let Some(body) = body {
            let typed = request.header("Content-Type", "application/x-www-form-urlencoded").header("Origin", "https://test");
            request = typed.body(body.as_bytes());
        }
        request
    }

    #[track_caller]
    fn go(&mut self, method: &str, place: &str, body: Option<String>) -> Page {
        let (mut method, mut path, mut body) = (method.to_uppercase(), resolved(&self.path, place), body);
        if method == "GET"
            && let Some(query) = body.take()
        {
            path = format!("{}?{query}", path.split('?').next().unwrap_or_default());
        }
        for _ in 0..5 {
            let reply = self.stage.server.send(&self.request(&method, &path, body.as_deref()));
            reply.headers("Set-Cookie").for_each(|cookie| self.keep(&cookie));
            match reply.header("Location").filter(|_| (300..400).contains(&reply.status)) {
                Some(location) => (method, path, body) = ("GET".into(), resolved(&path, &location), None),
                None => {
                    self.path.clone_from(&path);
                    return Page { path, reply };
                }
            }
        }
        panic!("it is sent on and on, at last to {path}");
    }

    fn keep(&mut self, cookie: &str) {
        let mut parts = cookie.split(';').map(str::trim);
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a name and a value");
        let attributes: Vec<(&str, &str)> = parts.map(|part| part.split_once('=').unwrap_or((part, ""))).collect();
        let of = |wanted: &str| attributes.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value);
        assert!(of("HttpOnly").is_some() && of("Secure").is_some() && of("SameSite").is_some(), "{cookie}");
        let key = (name.to_owned(), of("Path").expect("a path").to_owned());
        if of("Max-Age") == Some("0") {
            self.cookies.remove(&key);
        } else {
            self.cookies.insert(key, value.to_owned());
        }
    }
}

impl Page {
    /// Fails unless it is a page with this status that says this, is safe to be shown and stands in the language's tag.
    #[track_caller]
    pub fn says(self, status: u16, text: &str) -> Self {
        assert_eq!(self.reply.status, status, "{}: {:?}", self.path, self.reply);
        let html = &self.reply.body;
        assert!(html.contains(text), "{} does not say {text:?}: {html}", self.path);
        for (name, value) in [("Content-Language", "en"), ("Vary", "Accept-Language")] {
            assert_eq!(self.reply.header(name).as_deref(), Some(value), "{name}");
        }
        assert!(
            status != 429 || self.reply.header("Retry-After").is_some(),
            "{} does not say when to try again: {:?}",
            self.path,
            self.reply
        );
        let policy = self.reply.header("Content-Security-Policy").expect("a policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        for (name, value) in [("X-Frame-Options", "DENY"), ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")] {
            assert_eq!(self.reply.header(name).as_deref(), Some(value), "{name}");
        }
        assert!(html.starts_with("<!doctype html>") && html.contains("<html lang=\"en\">"), "{html}");
        assert!(!html.contains("style=") && !html.contains("onclick") && !html.contains("<script>"), "{html}");
        assert!(html.len() < 30_000, "{} weighs {} bytes", self.path, html.len());
        self
    }

    /// Fails where it says this.
    #[track_caller]
    pub fn says_not(self, text: &str) -> Self {
        assert!(!self.reply.body.contains(text), "{} says {text:?}: {}", self.path, self.reply.body);
        self
    }

    /// The form that is sent there, with what stands in its fields.
    #[track_caller]
    pub fn form(&self, action: &str) -> HtmlForm {
        let all = self.forms();
        let is_it = |form: &&HtmlForm| form.action.trim_start_matches("../").trim_start_matches("./") == action;
        let ends_so = |form: &&HtmlForm| form.action.ends_with(&format!("/{action}"));
        let found = all.iter().find(is_it).or_else(|| all.iter().find(ends_so));
        found.cloned().unwrap_or_else(|| panic!("{} has no form to {action}, but {all:?}", self.path))
    }

    /// Every form.
    pub fn forms(&self) -> Vec<HtmlForm> {
        let pieces = self.reply.body.split("<form ").skip(1).map(|piece| piece.split("</form>").next().unwrap_or_default());
        pieces.map(HtmlForm::read).collect()
    }

    /// What stands in the element with this id.
    #[track_caller]
    pub fn text_of(&self, id: &str) -> String {
        let after = self.reply.body.split_once(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("there is no {id}")).1;
        let inner = after.split_once('>').and_then(|(_, rest)| rest.split_once('<')).expect("an element").0;
        unescaped(inner)
    }

    /// Where the links of the page lead.
    pub fn links(&self) -> Vec<String> {
        let tags = self.reply.body.split("<a ").skip(1).filter_map(|tag| attribute(tag.split('>').next()?, "href"));
        tags.map(|href| resolved(&self.path, &href)).collect()
    }
}

impl HtmlForm {
    fn read(piece: &str) -> Self {
        let head = piece.split('>').next().unwrap_or_default();
        let mut fields = Vec::new();
        for tag in piece.split("<input ").skip(1).filter_map(|tag| tag.split('>').next()) {
            let kind = attribute(tag, "type").unwrap_or_default();
            let is_sent = !["checkbox", "radio"].contains(&kind.as_str()) || tag.contains(" checked");
            if let Some(name) = attribute(tag, "name").filter(|_| is_sent) {
                fields.push((name, attribute(tag, "value").unwrap_or_default()));
            }
        }
        for select in piece.split("<select ").skip(1).filter_map(|select| select.split("</select>").next()) {
            let options: Vec<&str> = select.split("<option").skip(1).collect();
            let chosen = options.iter().find(|option| option.split('>').next().is_some_and(|tag| tag.contains(" selected")));
            if let (Some(name), Some(option)) = (attribute(select, "name"), chosen.or(options.first())) {
                let (tag, text) = option.split_once('>').expect("an option");
                fields.push((name, attribute(tag, "value").unwrap_or_else(|| unescaped(text.split('<').next().unwrap_or_default()))));
            }
        }
        for area in piece.split("<textarea ").skip(1) {
            let (tag, text) = area.split_once('>').expect("an element");
            if let Some(name) = attribute(tag, "name") {
                fields.push((name, unescaped(text.split("</textarea>").next().unwrap_or_default())));
            }
        }
        Self {
            method: attribute(head, "method").unwrap_or_else(|| "get".into()),
            action: attribute(head, "action").unwrap_or_default(),
            fields,
        }
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let after = tag.split(&format!("{name}=\"")).nth(1)?;
    after.split('"').next().map(unescaped)
}

fn unescaped(text: &str) -> String {
    let named = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ];
    named.into_iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

/// An address seen from a page (RFC 3986, 5.2), as far as pages of ours write such.
pub fn resolved(from: &str, place: &str) -> String {
    if place.starts_with('/') {
        return place.to_owned();
    }
    let base = from.split('?').next().unwrap_or_default();
    if place.is_empty() || place.starts_with('?') {
        return format!("{base}{place}");
    }
    let mut folders: Vec<&str> = base.split('/').collect();
    folders.pop();
    let (path, query) = place.split_once('?').map_or((place, None), |(path, query)| (path, Some(query)));
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        match part {
            "." | ".." => {
                if part == ".." {
                    folders.pop();
                }
                if parts.peek().is_none() {
                    folders.push("");
                }
            }
            part => folders.push(part),
        }
    }
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}{query}", folders.join("/"))
}
