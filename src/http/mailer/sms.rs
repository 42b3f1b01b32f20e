//! One try to hand an SMS to a gateway.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{Method, Request};
use http_body_util::Full;

use super::Ended;
use crate::config::sms::SmsSettings;
use crate::domain::time::Timestamp;
use crate::http::outgoing::{Client, asked_wait};
use crate::store::mails::Mail;
use crate::style::gateway::Values;

/// What hands SMS to the gateway of a configuration: made once for each.
pub struct Gateway {
    settings: SmsSettings,
    client: Client,
}

impl Gateway {
    /// For these settings. The operator names it, so it may be anywhere.
    pub fn new(settings: &SmsSettings) -> Self {
        Self { settings: settings.clone(), client: Client::new(&settings.authorities, true) }
    }

    /// What it is set to.
    pub fn settings(&self) -> &SmsSettings {
        &self.settings
    }

    /// Hands an SMS over. Nothing that the gateway says is told on: it may repeat the code.
    pub async fn send(&self, mail: &Mail, text: &str, code: Option<&str>, now: Timestamp) -> Ended {
        if code.is_none() && !self.settings.holds("text") {
            return Ended::Refused { fault: "the gateway is told codes alone: [sms] names no {text}".into() };
        }
        let values = Values { phone: &mail.address, text, code: code.unwrap_or_default(), id: &mail.id };
        let failed = |fault| Ended::Failed { fault, wait: None };
        let answer = match self.settings.address(&values).and_then(|to| Ok((to, self.request(&values)?))) {
            Ok((to, request)) => self.client.send(&to, request).await,
            Err(fault) => return failed(fault),
        };
        match answer {
            Ok(answer) if self.settings.is_success(answer.status) => Ended::Taken,
            Ok(answer) => {
                let wait = asked_wait(answer.status, &answer.headers, now);
                Ended::Failed { fault: format!("the gateway answered {}", answer.status.as_u16()), wait }
            }
            Err(fault) => failed(format!("the gateway: {fault}")),
        }
    }

    fn request(&self, values: &Values<'_>) -> Result<Request<Full<Bytes>>, String> {
        let body = self.settings.body.as_ref().map(|body| body.filled(values)).unwrap_or_default();
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = self.settings.method.clone();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if self.settings.method != Method::GET {
            headers.insert(CONTENT_TYPE, self.settings.content_type.clone());
        }
        for (name, value) in &self.settings.headers {
            let mut value = HeaderValue::from_str(value.expose()).map_err(|_| format!("its header {name} cannot be sent"))?;
            value.set_sensitive(true);
            headers.insert(name.clone(), value);
        }
        Ok(request)
    }
}
