//! Where a mailed link leads: to what the configuration says, never to what a request does.

use crate::config::Policy;
use crate::config::policy::Listen;
use crate::domain::letter::Template;
use crate::service::Services;
use crate::service::sign_in::secret::PlainToken;

impl Services {
    /// The link of a letter with its token: `https://api.example.com/auth/verify?token=…`.
    pub(super) fn link(&self, template: Template, token: &PlainToken) -> String {
        let links = &self.policy.sign_in.links;
        let (own, page) = match template {
            Template::Reset | Template::Several => (&links.reset, "reset"),
            Template::Invitation => (&links.invitation, "invitation"),
            _ => (&links.verify, "verify"),
        };
        let place = own.clone().unwrap_or_else(|| format!("{}{}/{page}", self.public_address(), self.policy.server.prefix));
        format!("{place}?token={}", token.expose())
    }

    /// How the world reaches this server, as the configuration has it; where it does not say, as it listens.
    pub fn public_address(&self) -> String {
        let listening = || self.serving.get().map(|serving| serving.address.clone()).filter(|address| address.starts_with("http"));
        match (&self.policy.server.public_url, &self.policy.server.listen) {
            (url, _) if !url.is_empty() => url.clone(),
            (_, Listen::Tcp(address)) => listening().unwrap_or_else(|| format!("http://{address}")),
            (_, Listen::Unix(_)) => "http://localhost".into(),
        }
    }
}

/// What the service is called to people.
pub fn service_name(policy: &Policy) -> String {
    policy.service_name().unwrap_or_else(|| "tollgate".into())
}
