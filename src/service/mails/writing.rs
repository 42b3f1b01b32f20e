//! A letter as it goes out: its template filled, with the link or the code in it.

use serde_json::Value;

use super::{Parcel, link};
use crate::domain::letter::harmless;
use crate::domain::proof::Channel;
use crate::domain::time::Timestamp;
use crate::service::Services;
use crate::service::sign_in::secret::PlainToken;
use crate::style::letters::Written;

/// What is to be sent. In all of it may stand a link or a code.
#[derive(Clone)]
pub enum Ready {
    /// A mail.
    Mail {
        /// What stands in it.
        written: Written,
        /// Its link, where it has one.
        link: Option<String>,
    },
    /// An SMS.
    Sms {
        /// The whole text.
        text: String,
        /// Its code, where it has one.
        code: Option<String>,
    },
}

/// Why a letter is not written. None of these goes away by trying again.
#[derive(Clone, Debug)]
pub struct Unwritten(pub String);

impl Services {
    /// Writes a letter that is due. Answers with it what of it may stand in no log and no fault.
    pub fn write_mail(&self, parcel: &Parcel, now: Timestamp) -> Result<(Ready, Option<PlainToken>), Unwritten> {
        let mail = &parcel.mail;
        let secret = self.secret_of(parcel, now)?;
        let mut fields = harmless(mail.fields.clone());
        fields.insert("service".into(), link::service_name(&self.policy).into());
        fields.insert("address".into(), mail.address.as_str().into());
        let told = |(file, fault): (String, String)| Unwritten(format!("its template {file} cannot be filled: {fault}"));
        let letters = &self.policy.letters;
        let ready = match mail.channel {
            Channel::Phone => {
                let code = secret.as_ref().map(|secret| secret.expose().to_owned());
                fields.extend(code.iter().map(|code| ("code".to_owned(), Value::from(code.as_str()))));
                Ready::Sms { text: letters.sms(mail.template, &fields).map_err(told)?, code }
            }
            Channel::Email | Channel::None => {
                let link = secret.as_ref().map(|secret| self.link(mail.template, secret));
                fields.extend(link.iter().map(|link| ("link".to_owned(), Value::from(link.as_str()))));
                Ready::Mail { written: letters.mail(mail.template, &fields).map_err(told)?, link }
            }
        };
        Ok((ready, secret))
    }

    /// The token or the code of a letter that has one, worked out anew.
    fn secret_of(&self, parcel: &Parcel, now: Timestamp) -> Result<Option<PlainToken>, Unwritten> {
        let Some(id) = &parcel.mail.secret_of else { return Ok(None) };
        let sealed = parcel.sealed.as_ref().filter(|sealed| sealed.counts_at(now));
        let sealed = sealed.ok_or_else(|| Unwritten("what stands in it was used, or has expired".into()))?;
        let secret = &self.sign_in.secret;
        let plain = match parcel.mail.channel {
            Channel::Phone => secret.code_with(id, &sealed.hash),
            Channel::Email | Channel::None => secret.token_with(id, &sealed.hash),
        };
        plain.map(Some).ok_or_else(|| Unwritten("the server's secret is another than when it was written".into()))
    }
}
