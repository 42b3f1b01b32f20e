//! A browser, as far as cookies and forms go (RFC 6265bis): it keeps cookies by their path, sends strict ones along only where its own
//! page led, follows relative addresses, and comes by a proxy that may take a part of the path away.

use crate::support::browser::resolved;
use crate::support::{Reply, Request, Server};

/// How the world reaches the server, without what the proxy takes away.
pub const ORIGIN: &str = "https://api.example.com";

/// Whose page leads there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum By {
    Own,
    Other,
}

#[derive(Clone, Debug)]
struct Cookie {
    name: String,
    value: String,
    path: String,
    is_strict: bool,
}

pub struct Browser<'s> {
    server: &'s Server,
    /// What the proxy takes away: `/api`, or nothing.
    mount: String,
    jar: Vec<Cookie>,
    /// The page that it shows: its path and query.
    at: String,
    /// Where it comes from, as the proxy tells.
    pub address: &'static str,
}

impl<'s> Browser<'s> {
    pub fn new(server: &'s Server, mount: &str) -> Self {
        Self { server, mount: mount.into(), jar: Vec::new(), at: "/".into(), address: "10.7.0.1" }
    }

    /// Opens an address: whole, from the root, or seen from the page that is shown.
    #[track_caller]
    pub fn open(&mut self, address: &str, by: By) -> Reply {
        self.at = self.resolved(address);
        let request = self.request("GET", by, false);
        self.send(&request)
    }

    /// Sends the page's form with this action, with these fields over its hidden ones.
    #[track_caller]
    pub fn press(&mut self, page: &Reply, action: &str, fields: &[(&str, &str)]) -> Reply {
        let html = page.body.clone();
        let form = html.split("<form ").skip(1).find(|form| form.contains(&format!("action=\"{action}\"")));
        let form = form.unwrap_or_else(|| panic!("no form for {action}: {html}")).split("</form>").next().unwrap();
        let hidden = form.split("<input type=\"hidden\" name=\"").skip(1).map(|input| {
            let (name, rest) = input.split_once("\" value=\"").expect("it has a value");
            (name, rest.split('"').next().unwrap())
        });
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(hidden.chain(fields.iter().copied()));
        self.at = self.resolved(action);
        let request = self.request("POST", By::Own, true).header("Content-Type", "application/x-www-form-urlencoded");
        self.send(&request.body(body.finish().as_bytes()))
    }

    /// Goes where a redirect leads, without anybody pressing anything: still by whoever began.
    #[track_caller]
    pub fn follow(&mut self, reply: &Reply, by: By) -> Reply {
        let location = reply.header("Location").unwrap_or_else(|| panic!("it leads nowhere: {reply:?}"));
        self.open(&location, by)
    }

    /// The path and query of the page that it shows.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// A cookie that it keeps.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar.iter().find(|cookie| cookie.name == name).map(|cookie| cookie.value.clone())
    }

    /// How many sign-ins it has begun that are not over.
    pub fn begun(&self) -> usize {
        self.kept("sign_in_begun_").len()
    }

    /// What it keeps in the cookies whose names begin so.
    pub fn kept(&self, begin: &str) -> Vec<String> {
        self.jar.iter().filter(|cookie| cookie.name.starts_with(begin)).map(|cookie| cookie.value.clone()).collect()
    }

    /// Where a cookie lies.
    pub fn path_of(&self, name: &str) -> Option<String> {
        self.jar.iter().find(|cookie| cookie.name == name).map(|cookie| cookie.path.clone())
    }

    /// Puts a value of its own making into the cookies that it keeps with names that begin so.
    pub fn forge(&mut self, name: &str, value: &str) {
        self.jar.iter_mut().filter(|cookie| cookie.name.starts_with(name)).for_each(|cookie| cookie.value = value.into());
    }

    /// Takes the cookies of an answer that came otherwise.
    pub fn take(&mut self, reply: &Reply) {
        for (_, set) in reply.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let mut parts = set.split(';').map(str::trim);
            let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a name and a value");
            let rest: Vec<&str> = parts.collect();
            let of = |wanted: &str| rest.iter().find_map(|part| part.strip_prefix(wanted)).map(str::to_owned);
            assert!(rest.contains(&"HttpOnly") && rest.contains(&"Secure"), "{set}");
            let path = of("Path=").expect("each has a path");
            self.jar.retain(|cookie| cookie.name != name || cookie.path != path);
            if of("Max-Age=").as_deref() != Some("0") {
                let is_strict = of("SameSite=").as_deref() == Some("Strict");
                self.jar.push(Cookie { name: name.into(), value: value.into(), path, is_strict });
            }
        }
    }

    fn request(&self, method: &str, by: By, is_form: bool) -> Request {
        let (path, _) = self.at.split_once('?').unwrap_or((&self.at, ""));
        // RFC 6265bis, 5.1.4.
        let lies_below = |cookie: &&Cookie| {
            let rest = path.strip_prefix(cookie.path.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || cookie.path.ends_with('/'))
        };
        let sent: Vec<String> = self
            .jar
            .iter()
            .filter(lies_below)
            .filter(|cookie| by == By::Own || !cookie.is_strict)
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        let target = self.at.strip_prefix(&self.mount).unwrap_or_else(|| panic!("{} is not below {}", self.at, self.mount));
        let request = Request::new(method, target).header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        let request = request.header("X-Forwarded-For", self.address).header("X-Forwarded-Proto", "https");
        let request = request.header("Sec-Fetch-Site", if by == By::Own { "same-origin" } else { "cross-site" });
        let request = if is_form { request.header("Origin", ORIGIN) } else { request };
        if sent.is_empty() { request } else { request.header("Cookie", &sent.join("; ")) }
    }

    #[track_caller]
    fn send(&mut self, request: &Request) -> Reply {
        let reply = self.server.send(request);
        self.take(&reply);
        reply
    }

    fn resolved(&self, address: &str) -> String {
        let address = address.replace("&#38;", "&").replace("&amp;", "&");
        let address = address.strip_prefix(ORIGIN).unwrap_or(&address);
        let path = address.split('?').next().unwrap_or_default();
        assert!(!path.contains("://") && !path.starts_with("//"), "{address} leads elsewhere");
        resolved(&self.at, address)
    }
}

/// Where the link with these words leads.
#[track_caller]
pub fn link(page: &Reply, words: &str) -> String {
    let html = page.body.replace("&#38;", "&").replace("&amp;", "&");
    let before = html.split(&format!(">{words}</a>")).next().filter(|before| before.len() < html.len());
    let before = before.unwrap_or_else(|| panic!("no link '{words}': {html}"));
    before.rsplit_once("href=\"").expect("it leads somewhere").1.trim_end_matches('"').to_owned()
}
