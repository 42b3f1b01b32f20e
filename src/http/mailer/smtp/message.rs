//! A mail as it goes over the wire: its headers, its text, and its page.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use crate::config::mail::MailSettings;
use crate::store::mails::Mail;
use crate::style::letters::Written;

/// How long a line may be that goes as it is (RFC 5322, 2.1.1).
const LONGEST_LINE: usize = 998;

/// Puts one together. The same at each try, so that whoever gets it twice can tell.
pub fn message(settings: &MailSettings, mail: &Mail, to: &Address, written: &Written) -> Result<Vec<u8>, String> {
    let at = UNIX_EPOCH + Duration::from_millis(mail.created_at.millis().unsigned_abs());
    let mut builder = Message::builder()
        .from(settings.from.clone())
        .to(Mailbox::new(None, to.clone()))
        .subject(&written.subject)
        .date(at)
        .message_id(Some(format!("<{}@{}>", mail.id, settings.from.email.domain())))
        // Whoever is away does not answer it (RFC 3834).
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into()));
    if let Some(reply_to) = &settings.reply_to {
        builder = builder.reply_to(reply_to.clone());
    }
    let text = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(body(&written.text));
    let message = match &written.html {
        Some(html) => {
            let html = SinglePart::builder().header(ContentType::TEXT_HTML).body(body(html));
            builder.multipart(MultiPart::alternative().singlepart(text).singlepart(html))
        }
        None => builder.singlepart(text),
    };
    message.map(|message| message.formatted()).map_err(|error| format!("it cannot be put together: {error}"))
}

/// What is plain ASCII goes as it is, so that a link stands in it whole; all else is encoded.
fn body(text: &str) -> Body {
    let lines: Vec<&str> = text.lines().collect();
    if text.is_ascii() && !text.contains(['\r', '\0']) && lines.iter().all(|line| line.len() <= LONGEST_LINE) {
        return Body::dangerous_pre_encoded(lines.join("\r\n").into_bytes(), ContentTransferEncoding::SevenBit);
    }
    Body::new(text.to_owned())
}
