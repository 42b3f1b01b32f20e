//! A mail as it goes over the wire: its headers, its text, and its page.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use crate::config::mail::MailSettings;
use crate::store::mails::Mail;
use crate::style::letters::Written;

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
    let message = match &written.html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(written.text.clone(), html.clone())),
        None => builder.singlepart(SinglePart::plain(written.text.clone())),
    };
    message.map(|message| message.formatted()).map_err(|error| format!("it cannot be put together: {error}"))
}
