//! `[mail]`: the server that takes mail, and who it comes from.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use http::Uri;
use lettre::message::Mailbox;
use percent_encoding::percent_decode_str;
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::certificates;
use super::letters;
use super::reader::Table;
use super::retries;
use super::secret::Secret;
use crate::domain::time::Span;
use crate::style::letters::Letters;

/// How a URL of a mail server is written.
const HOW: &str = "must be smtp://user:password@mail.example.com:587, smtps://user:password@mail.example.com, or on this machine \
                   smtp://127.0.0.1:25; in the name and the password all but letters and digits is percent-encoded: %40 for @, \
                   %2F for /, %23 for #";

/// How the connection to a mail server is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all: on this machine alone.
    None,
    /// Before anything is said that matters (RFC 3207).
    StartTls,
    /// From its first byte on (RFC 8314).
    Tls,
}

/// A mail server.
#[derive(Clone, Debug)]
pub struct SmtpServer {
    /// A name or an address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection to it is secured.
    pub security: Security,
    /// Who we are to it, where it wants to know.
    pub credentials: Option<(String, Secret)>,
}

impl SmtpServer {
    /// Reads a URL. The fault repeats nothing of it: a password may stand in it.
    fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|_| HOW)?;
        let authority = uri.authority().ok_or(HOW)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let (user, place) = authority.as_str().rsplit_once('@').map_or((None, authority.as_str()), |(user, place)| (Some(user), place));
        let says_port = place.len() > authority.host().len();
        let port = authority.port_u16().filter(|port| *port > 0);
        if host.is_empty() || (says_port && port.is_none()) || !["", "/"].contains(&uri.path()) {
            return Err(HOW.into());
        }
        let security = security(uri.scheme_str(), uri.query(), is_here(host))?;
        let usual = match security {
            Security::None => 25,
            Security::StartTls => 587,
            Security::Tls => 465,
        };
        let credentials = user.map(credentials).transpose()?;
        Ok(Self { host: host.to_owned(), port: port.unwrap_or(usual), security, credentials })
    }
}

fn security(scheme: Option<&str>, query: Option<&str>, is_here: bool) -> Result<Security, String> {
    match (scheme, query.unwrap_or_default()) {
        (Some("smtps"), "") => Ok(Security::Tls),
        (Some("smtp"), "tls=required") => Ok(Security::StartTls),
        (Some("smtp"), "") => Ok(if is_here { Security::None } else { Security::StartTls }),
        (Some("smtp"), "tls=none") if is_here => Ok(Security::None),
        (Some("smtp"), "tls=none") => {
            Err("would send passwords and links in the clear, which it may do on this machine alone: leave out tls=none".into())
        }
        (Some("smtp"), "tls=opportunistic") => {
            Err("would send in the clear wherever somebody on the way says so: write tls=required, or leave it out".into())
        }
        _ => Err(HOW.into()),
    }
}

/// Whether a host is this machine for certain.
fn is_here(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn credentials(user: &str) -> Result<(String, Secret), String> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.into_owned()).ok();
    // A second @ could be read in two ways.
    let (name, password) = user.split_once(':').filter(|_| !user.contains('@')).ok_or(HOW)?;
    let (name, password) = (decoded(name).ok_or(HOW)?, decoded(password).ok_or(HOW)?);
    if name.is_empty() || password.is_empty() || format!("{name}{password}").contains('\0') {
        return Err(HOW.into());
    }
    Ok((name, password.into()))
}

/// `[mail]`, where there is a server.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// Who takes mail.
    pub server: SmtpServer,
    /// Who it comes from.
    pub from: Mailbox,
    /// Where answers go, where that is elsewhere.
    pub reply_to: Option<Mailbox>,
    /// How long after a failed try the next one is.
    pub retries: Vec<Span>,
    /// Authorities that are believed beside those that browsers trust.
    pub authorities: Vec<CertificateDer<'static>>,
}

/// The server, where there is one, and how letters read: by SMS, and where nothing is sent, too.
pub(super) fn read(table: Table<'_>) -> Option<(Option<MailSettings>, Arc<Letters>)> {
    let letters = letters::read(&table);
    let server = if table.is_empty("smtp_url") { Some(None) } else { server(&table).map(Some) };
    let (from, reply_to) = (table.parsed("from", mailbox), table.parsed("reply_to", mailbox));
    let retries = retries::read(&table);
    let authorities = table.parsed("ca", |path| if path.is_empty() { Ok(Vec::new()) } else { certificates::read(Path::new(path)) });
    table.finish();
    let (server, from, reply_to, retries, authorities) = (server?, from?, reply_to?, retries?, authorities?);
    let settings = match (server, from) {
        (None, _) => None,
        (Some(_), None) => {
            table.fault("from", "must be given with smtp_url: who mails come from, \"Example <noreply@example.com>\"");
            return None;
        }
        (Some(server), Some(from)) => {
            if server.security == Security::None && !authorities.is_empty() {
                table.fault("ca", "goes with a server that is reached by TLS");
                return None;
            }
            Some(MailSettings { server, from, reply_to, retries, authorities })
        }
    };
    Some((settings, letters?))
}

fn server(table: &Table<'_>) -> Option<SmtpServer> {
    let url = table.secrets("smtp_url", 1)?.into_iter().next()?;
    // Of one that could not be read, where nothing is sent, nothing is known.
    if url.is_unread() {
        return Some(SmtpServer { host: "localhost".into(), port: 25, security: Security::Tls, credentials: None });
    }
    let server = SmtpServer::parse(url.expose()).map_err(|fault| table.fault("smtp_url", fault)).ok()?;
    if server.credentials.is_none() {
        table.is_no_secret("smtp_url");
    }
    Some(server)
}

/// `Example <noreply@example.com>`; none where it is empty.
fn mailbox(text: &str) -> Result<Option<Mailbox>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let mailbox = text.parse::<Mailbox>().ok().filter(|_| !text.chars().any(char::is_control));
    mailbox.map(Some).ok_or_else(|| format!("'{}' is no address: write it as Example <noreply@example.com>", text.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_mail_server_can_be() {
        for (url, host, port, security, user) in [
            ("smtp://127.0.0.1:1025", "127.0.0.1", 1025, Security::None, None),
            ("smtp://localhost", "localhost", 25, Security::None, None),
            ("smtp://[::1]:2525/", "::1", 2525, Security::None, None),
            ("smtp://127.0.0.1:1025?tls=none", "127.0.0.1", 1025, Security::None, None),
            ("smtp://localhost?tls=required", "localhost", 587, Security::StartTls, None),
            ("smtp://mail.example.com", "mail.example.com", 587, Security::StartTls, None),
            ("smtp://mail.example.com:25?tls=required", "mail.example.com", 25, Security::StartTls, None),
            ("smtp://10.0.0.5:25", "10.0.0.5", 25, Security::StartTls, None),
            ("smtps://mail.example.com", "mail.example.com", 465, Security::Tls, None),
            (
                "smtps://ada%40example.com:p%3Aw%2F%20d@mail.example.com",
                "mail.example.com",
                465,
                Security::Tls,
                Some(("ada@example.com", "p:w/ d")),
            ),
            ("smtp://u:a:b@localhost:25", "localhost", 25, Security::None, Some(("u", "a:b"))),
        ] {
            let server = SmtpServer::parse(url).unwrap_or_else(|fault| panic!("{url}: {fault}"));
            assert_eq!((server.host.as_str(), server.port, server.security), (host, port, security), "{url}");
            let told = server.credentials.as_ref().map(|(name, password)| (name.as_str(), password.expose()));
            assert_eq!(told, user, "{url}");
        }
    }

    #[test]
    fn what_is_no_mail_server_is_refused_without_being_repeated() {
        for (url, says) in [
            ("", "smtp://"),
            ("mail.example.com", "smtp://"),
            ("http://hush@mail.example.com", "smtp://"),
            ("smtp://", "smtp://"),
            ("smtp://mail.example.com:0", "smtp://"),
            ("smtp://mail.example.com:99999", "smtp://"),
            ("smtp://mail.example.com/hush", "smtp://"),
            ("smtp://u:hush@mail.example.com?tls=none", "in the clear"),
            ("smtp://u:hush@mail.example.com?tls=opportunistic", "in the clear"),
            ("smtp://u:hush@mail.example.com?tls=maybe", "smtp://"),
            ("smtps://u:hush@mail.example.com?tls=none", "smtp://"),
            ("smtp://hush@mail.example.com", "smtp://"),
            ("smtp://u:@mail.example.com", "smtp://"),
            ("smtp://u:%00hush@mail.example.com", "smtp://"),
            ("smtp://a@b.example:hush@mail.example.com", "smtp://"),
        ] {
            let fault = SmtpServer::parse(url).expect_err(url);
            assert!(fault.contains(says) && !fault.contains("hush"), "{url}: {fault}");
        }
    }

    #[test]
    fn who_mails_come_from() {
        let read = |text: &str| mailbox(text).map(|mailbox| mailbox.map(|mailbox| mailbox.to_string()));
        assert_eq!(read("Example <noreply@example.com>").unwrap().unwrap(), "Example <noreply@example.com>");
        assert_eq!(read("noreply@example.com").unwrap().unwrap(), "noreply@example.com");
        assert_eq!(read(""), Ok(None));
        for wrong in ["Example", "a@b@c.example", "A <a@example.com>\r\nBcc: b@example.com", "a@example.com, b@example.com"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
