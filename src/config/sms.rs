//! `[sms]`: the gateway that sends SMS, whatever it wants to be told.

use std::net::IpAddr;
use std::path::Path;

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::address::Address;
use super::certificates;
use super::reader::Table;
use super::retries;
use super::secret::Secret;
use crate::domain::phone::Country;
use crate::domain::reach::is_public;
use crate::domain::time::Span;
use crate::style::gateway::{Body, Pattern, Values};

/// What a request of its own writes.
const OURS: [HeaderName; 5] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, CONTENT_TYPE];

/// `[sms]`, where there is a gateway.
#[derive(Clone, Debug)]
pub struct SmsSettings {
    /// Where it is; its query is still to be filled.
    address: Address,
    query: Option<Pattern>,
    /// How it is asked.
    pub method: Method,
    /// What it wants to be told beside; a value may be a secret.
    pub headers: Vec<(HeaderName, Secret)>,
    /// What its body is.
    pub content_type: HeaderValue,
    /// What it is sent; with GET nothing.
    pub body: Option<Body>,
    /// By which statuses it says that it has it; none: by any from 200 to 299.
    pub success: Vec<u16>,
    /// How long after a failed try the next one is.
    pub retries: Vec<Span>,
    /// Authorities that are believed beside those that browsers trust.
    pub authorities: Vec<CertificateDer<'static>>,
}

impl SmsSettings {
    /// Where a request for these values goes.
    pub fn address(&self, values: &Values<'_>) -> Result<Address, String> {
        let mut address = self.address.clone();
        if let Some(query) = &self.query {
            let path = format!("{}?{}", address.path.path(), query.encoded(values));
            address.path = path.parse::<PathAndQuery>().map_err(|error| format!("its address cannot be filled: {error}"))?;
        }
        Ok(address)
    }

    /// Whether it has it, where it answers so.
    pub fn is_success(&self, status: StatusCode) -> bool {
        if self.success.is_empty() { status.is_success() } else { self.success.contains(&status.as_u16()) }
    }

    /// Whether a placeholder stands in what it is sent.
    pub fn holds(&self, name: &str) -> bool {
        self.body.as_ref().is_some_and(|body| body.holds(name)) || self.query.as_ref().is_some_and(|query| query.holds(name))
    }
}

/// The inner `None`: there is no gateway. Beside it the countries that SMS are sent to, whoever sends them; none: all.
pub(super) fn read(table: Table<'_>) -> Option<(Option<SmsSettings>, Vec<Country>)> {
    let is_set = !table.is_empty("url");
    let place = if is_set { place(&table) } else { None };
    let method = table.word("method", "GET, POST or PUT", |name| match name {
        "GET" => Some(&Method::GET),
        "POST" => Some(&Method::POST),
        "PUT" => Some(&Method::PUT),
        _ => None,
    });
    let headers = table.named_secrets("headers").and_then(|headers| all_headers(&table, headers));
    let (content_type, body) = (table.text("content_type"), table.text("body"));
    let body = content_type.as_ref().zip(body).and_then(|(content_type, body)| {
        let name = |fault: &str| if fault.contains("content type") { "content_type" } else { "body" };
        Body::parse(&body, content_type).map_err(|fault| table.fault(name(&fault), fault)).ok()
    });
    let success = table.numbers("success", 200..=399);
    let retries = retries::read(&table);
    let countries = table.all_parsed("countries", Country::parse);
    let authorities = table.parsed("ca", |path| if path.is_empty() { Ok(Vec::new()) } else { certificates::read(Path::new(path)) });
    table.finish();
    let (method, headers, body, success, retries, authorities) = (method?, headers?, body?, success?, retries?, authorities?);
    let (content_type, countries) = (HeaderValue::from_str(&content_type?).ok()?, countries?);
    if !is_set {
        return Some((None, countries));
    }
    let (address, query) = place?;
    let settings = SmsSettings {
        address,
        query,
        method: method.clone(),
        headers,
        content_type,
        body: Some(body).filter(|_| *method != Method::GET),
        success: success.into_iter().filter_map(|status| status.try_into().ok()).collect(),
        retries,
        authorities,
    };
    let holds = |names: [&str; 2]| names.into_iter().any(|name| settings.holds(name));
    if !holds(["phone", "digits"]) || !holds(["text", "code"]) {
        const WHAT: &str = "must hold {phone} or {digits}, and {text} or {code}";
        if *method == Method::GET {
            table.fault("url", format!("its query {WHAT}: GET sends no body"));
        } else {
            table.fault("body", format!("{WHAT}, or the query of url must"));
        }
        return None;
    }
    Some((Some(settings), countries))
}

/// The address, and its query taken apart. In it may stand a secret, so it is one.
fn place(table: &Table<'_>) -> Option<(Address, Option<Pattern>)> {
    let url = table.secrets("url", 1)?.into_iter().next()?;
    // Of one that could not be read, where nothing is sent, nothing is known.
    let text = if url.is_unread() { "https://localhost/" } else { url.expose() };
    let (address, query) = parse_place(text).map_err(|fault| table.fault("url", fault)).ok()?;
    if query.is_none() {
        table.is_no_secret("url");
    }
    Some((address, query))
}

fn parse_place(text: &str) -> Result<(Address, Option<Pattern>), String> {
    const HOW: &str = "https://sms.example.com/send";
    let (before, query) = text.split_once('?').map_or((text, None), |(before, query)| (before, Some(query)));
    if before.contains(['{', '}']) {
        return Err("has a placeholder before its query, where a value could lead elsewhere".into());
    }
    let query = query.map(Pattern::parse).transpose()?;
    let empty = Values { phone: "", text: "", code: "", id: "" };
    let filled = query.as_ref().map_or_else(|| before.to_owned(), |query| format!("{before}?{}", query.encoded(&empty)));
    let address = Address::parse(&filled, HOW)?;
    if !address.is_https && !may_be_plain(address.host()) {
        return Err(format!("would send codes in the clear over the internet: write {HOW}"));
    }
    Ok((address, query))
}

/// Whether a host is on this machine or in a private network, as far as its name says: an address, or a name without dots.
fn may_be_plain(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => !is_public(address),
        Err(_) => !host.contains('.'),
    }
}

fn all_headers(table: &Table<'_>, headers: Vec<(String, Secret)>) -> Option<Vec<(HeaderName, Secret)>> {
    let read = headers.into_iter().map(|(name, value)| {
        let header = name.parse::<HeaderName>().ok().filter(|name| !OURS.contains(name));
        let is_value = HeaderValue::from_str(value.expose()).is_ok();
        if header.is_none() {
            table.fault_below(&format!("headers.{name}"), "is no header that can be set here");
        } else if !is_value {
            table.fault_below(&format!("headers.{name}"), "holds what no header may hold");
        }
        header.filter(|_| is_value).map(|header| (header, value))
    });
    // Gathered first, so that every fault is told.
    read.collect::<Vec<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_gateway_can_be() {
        for url in [
            "https://sms.example.com/send",
            "https://sms.example.com/send?key=x&to={digits}&text={text}",
            "http://127.0.0.1:8080/send",
            "http://10.0.0.5/send",
            "http://gateway:8080/send",
            "http://localhost/",
        ] {
            assert!(parse_place(url).is_ok(), "{url}");
        }
        for (url, says) in [
            ("http://sms.example.com/send?key=hush", "in the clear"),
            ("http://1.1.1.1/", "in the clear"),
            ("https://{phone}.example.com/", "before its query"),
            ("https://sms.example.com/{phone}", "before its query"),
            ("https://sms.example.com/?to={fone}", "{phone}"),
            ("https://sms.example.com/?to={phone", "brace"),
            ("https://u:hush@sms.example.com/", "names a user"),
            ("sms.example.com", "https://"),
        ] {
            let fault = parse_place(url).expect_err(url);
            assert!(fault.contains(says) && !fault.contains("hush"), "{url}: {fault}");
        }
        let (address, query) = parse_place("https://sms.example.com/send?to={digits}&text={text}").unwrap();
        assert_eq!((address.host(), query.is_some()), ("sms.example.com", true));
    }
}
