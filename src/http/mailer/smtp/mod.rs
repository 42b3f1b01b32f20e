//! One try to hand a mail to a mail server (RFC 5321). What it refuses for good of this mail is told from all else, which may be
//! mended: then nothing is lost.

mod message;
mod wire;

use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use tokio_rustls::TlsConnector;

use super::Ended;
use crate::config::mail::{MailSettings, Security};
use crate::http::outgoing::reach;
use crate::http::tls::{connector, secured};
use crate::store::mails::Mail;
use crate::style::letters::Written;
use message::message;
use wire::Wire;

/// How long all of it may take: many servers let strangers wait a while.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a server is waited for that is told goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a server says that wants to know first who asks (RFC 4954, 6): a fault of the configuration.
const NOT_SIGNED_IN: [&str; 4] = ["530", "534", "535", "538"];

/// How much of what a server says is told on.
const MOST_TOLD: usize = 200;

/// What hands mails to the server of a configuration: made once for each.
pub struct Smtp {
    settings: MailSettings,
    secured: Result<Secured, String>,
}

/// What secures a connection.
enum Secured {
    Not,
    Later(TlsParameters),
    AtOnce(TlsConnector),
}

/// Why it did not go.
struct Fault {
    /// Whether it never will.
    is_final: bool,
    told: String,
}

impl From<String> for Fault {
    fn from(told: String) -> Self {
        Self { is_final: false, told }
    }
}

impl Smtp {
    /// For these settings.
    pub fn new(settings: &MailSettings) -> Self {
        let secured = match settings.server.security {
            Security::None => Ok(Secured::Not),
            Security::StartTls => parameters(settings).map(Secured::Later),
            Security::Tls => connector(&settings.authorities).map(Secured::AtOnce),
        };
        Self { settings: settings.clone(), secured }
    }

    /// How long after each failed try the next one is.
    pub fn settings(&self) -> &MailSettings {
        &self.settings
    }

    /// Hands a mail over. `secret` stands in no fault, whatever the server says.
    pub async fn send(&self, mail: &Mail, written: &Written, secret: Option<&str>) -> Ended {
        let refused = |fault| Ended::Refused { fault };
        let to: Address = match mail.address.parse() {
            Ok(to) => to,
            Err(_) => return refused("its address is none".into()),
        };
        let message = match message(&self.settings, mail, &to, written) {
            Ok(message) => message,
            Err(fault) => return refused(fault),
        };
        match tokio::time::timeout(PATIENCE, self.converse(to, &message)).await {
            Ok(Ok(())) => Ended::Taken,
            Ok(Err(fault)) if fault.is_final => refused(without(&fault.told, secret)),
            Ok(Err(fault)) => Ended::Failed { fault: without(&fault.told, secret), wait: None },
            Err(_) => Ended::Failed { fault: format!("it did not take it within {} s", PATIENCE.as_secs()), wait: None },
        }
    }

    async fn converse(&self, to: Address, message: &[u8]) -> Result<(), Fault> {
        let mut connection = self.connect().await?;
        let from = self.settings.from.email.clone();
        // Of these two it says something of this mail; of all before, of itself and of us.
        connection.command(MailFrom::new(Some(from), Vec::new())).await.map_err(|error| told("MAIL FROM", &error))?;
        connection.command(Rcpt::new(to, Vec::new())).await.map_err(|error| judged("RCPT TO", &error))?;
        connection.command(Data).await.map_err(|error| judged("DATA", &error))?;
        connection.message(message).await.map_err(|error| judged("the mail", &error))?;
        // It has it, whatever it says now.
        let _ = tokio::time::timeout(GOODBYE, connection.quit()).await;
        Ok(())
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Fault> {
        let (server, secured_by) = (&self.settings.server, self.secured.as_ref().map_err(String::clone)?);
        let hello = ClientId::Domain(self.settings.from.email.domain().to_owned());
        let stream = reach(&server.host, server.port, true).await?;
        let wire = match secured_by {
            Secured::AtOnce(tls) => Wire::new(secured(tls, &server.host, stream).await?),
            Secured::Not | Secured::Later(_) => Wire::new(Box::new(stream)),
        };
        let greeted = AsyncSmtpConnection::connect_with_transport(Box::new(wire), &hello).await;
        let mut connection = greeted.map_err(|error| told("its greeting", &error))?;
        if let Secured::Later(parameters) = secured_by {
            connection.starttls(parameters.clone(), &hello).await.map_err(|error| told("STARTTLS", &error))?;
        }
        if let Some((name, password)) = &server.credentials {
            let credentials = Credentials::new(name.clone(), password.expose().to_owned());
            connection.auth(DEFAULT_MECHANISMS, &credentials).await.map_err(|error| told("AUTH", &error))?;
        }
        Ok(connection)
    }
}

fn parameters(settings: &MailSettings) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(settings.server.host.clone());
    for certificate in &settings.authorities {
        builder = builder.add_root_certificate(Certificate::from_der(certificate.to_vec()).map_err(|error| error.to_string())?);
    }
    builder.build_rustls().map_err(|error| format!("TLS cannot be used: {error}"))
}

/// What is wrong with the server, or with what it was told of us: that can be mended.
fn told(after: &str, error: &SmtpError) -> Fault {
    let source = std::error::Error::source(error).map(ToString::to_string);
    let told = match (error.status(), source) {
        (Some(code), text) => format!("to {after} it answered {code} {}", text.unwrap_or_default()),
        (None, Some(text)) => format!("after {after}: {text}"),
        (None, None) => format!("after {after}: {error}"),
    };
    Fault { is_final: false, told }
}

/// The same, where a refusal for good is one of this mail.
fn judged(after: &str, error: &SmtpError) -> Fault {
    let is_ours = error.status().is_some_and(|code| NOT_SIGNED_IN.contains(&code.to_string().as_str()));
    Fault { is_final: error.is_permanent() && !is_ours, ..told(after, error) }
}

/// A fault without what nobody may know: a server may repeat what it was sent.
fn without(fault: &str, secret: Option<&str>) -> String {
    /// So much of a secret in a row is as good as the whole of it.
    const TOO_MUCH: usize = 6;
    let line: String = fault.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let line: String = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lower = line.to_lowercase();
    let is_repeated = secret.is_some_and(|secret| {
        let letters = secret.to_lowercase();
        letters.as_bytes().windows(TOO_MUCH).any(|part| lower.as_bytes().windows(TOO_MUCH).any(|other| part == other))
    });
    match is_repeated {
        // Up to the code, which says what it is about.
        true => line.split_once(" it answered ").map_or_else(
            || "it repeated what it was sent".to_owned(),
            |(before, after)| format!("{before} it answered {}, and repeated what it was sent", after.chars().take(3).collect::<String>()),
        ),
        false => line.chars().take(MOST_TOLD).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_repeats_no_secret() {
        let secret = Some("Abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG");
        for fault in [
            "to the mail it answered 554 5.7.1 blocked https://x/?token=Abcdefghijklmnop",
            "to the mail it answered 554 URL ABCDEFGHIJKL is bad",
        ] {
            assert_eq!(without(fault, secret), "to the mail it answered 554, and repeated what it was sent");
        }
        assert_eq!(
            without("to RCPT TO it answered 550 5.1.1\r\n no\u{1b}[31m such user", secret),
            "to RCPT TO it answered 550 5.1.1 no [31m such user"
        );
        assert_eq!(without(&"x".repeat(1000), secret).len(), 200);
    }
}
