//! Signing in: registration, passwords, codes, other people's sign-in, second factors, and the sessions that come of it.

pub mod access;
pub mod again;
pub mod caller;
pub mod change;
pub mod closing;
pub mod first;
pub mod identity;
pub mod invited;
pub mod leaving;
pub mod link;
pub mod login;
pub mod pages;
pub mod password;
pub mod people;
pub mod profile;
pub mod proof;
pub mod register;
pub mod reset;
pub mod second_factor;
pub mod secret;
pub mod session;
pub mod throttle;
pub mod told;

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;

use crate::config::Policy;
use crate::config::sign_in::Signing;
use crate::domain::act::Act;
use crate::domain::error::{Error, Result};
use access::Signer;
use password::Passwords;
use secret::ServerSecret;
use throttle::Throttles;

/// What the flows share, under one configuration.
pub struct SignIn {
    /// What tokens, codes and the secrets of second factors are worked out of.
    pub(crate) secret: ServerSecret,
    /// Makes access tokens, and reads them.
    pub(crate) signer: Signer,
    /// Hashes passwords, and checks them.
    pub(crate) passwords: Arc<Passwords>,
    /// How often somebody guesses, and has something sent.
    pub(crate) throttles: Arc<Throttles>,
    /// The secret beside the database.
    own: ServerSecret,
}

impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignIn(…)")
    }
}

impl SignIn {
    /// Under a configuration; `own` is the secret beside the database.
    pub fn new(policy: &Policy, own: ServerSecret) -> Result<Self> {
        Self::counting(policy, own, Arc::new(Throttles::new(policy.sign_in.throttle.clone())), None)
    }

    fn counting(policy: &Policy, own: ServerSecret, throttles: Arc<Throttles>, passwords: Option<Arc<Passwords>>) -> Result<Self> {
        let given: Vec<&[u8]> = policy.sign_in.secrets.iter().map(|secret| secret.expose().as_bytes()).collect();
        let secret = own.after(&given);
        let issuer = if policy.server.public_url.is_empty() { "tollgate".to_owned() } else { policy.server.public_url.clone() };
        let signer = match &policy.sign_in.signing {
            Signing::Hs256 => {
                // Where secrets are given, the one beside the database signs nobody in any more: it may be why they were given.
                let counting = if given.is_empty() { usize::MAX } else { given.len() };
                let secrets: Vec<_> = secret.derived("access tokens").into_iter().take(counting).collect();
                Signer::of_secrets(&secrets, issuer)?
            }
            Signing::EdDsa(keys) => Signer::of_keys(keys, issuer)?,
        };
        // The same pool while its settings are: what it has learnt of times stays, and no two hash at once.
        let passwords = match passwords.filter(|passwords| *passwords.settings() == policy.sign_in.passwords) {
            Some(passwords) => passwords,
            None => Arc::new(Passwords::new(policy.sign_in.passwords.clone()).map_err(Error::Internal)?),
        };
        Ok(Self { secret, signer, passwords, throttles, own })
    }

    /// The same under the next configuration.
    pub fn under(&self, policy: &Policy) -> Result<Self> {
        self.throttles.follow(policy.sign_in.throttle.clone());
        Self::counting(policy, self.own.clone(), self.throttles.clone(), Some(self.passwords.clone()))
    }
}

/// Somebody at the door: who asks, and from where.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Who asks, under which request, when.
    pub act: Act,
    /// The client's address, as far as it is known.
    pub address: Option<IpAddr>,
    /// The User-Agent, cut short.
    pub agent: String,
}

/// A sign-in, to be answered.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The access token.
    pub access_token: String,
    /// How many seconds it counts.
    pub expires_in: u64,
    /// The refresh token, for the cookie.
    pub refresh_token: crate::domain::key::PlainKey,
    /// How many seconds the cookie is kept.
    pub refresh_for: u64,
    /// The session.
    pub session: String,
    /// Who it is, as `{id, name, plan, token_balance}`.
    pub user: Value,
    /// Whether the sign-in made the user.
    pub is_new_user: bool,
}

/// What a first factor came to.
#[derive(Clone, Debug)]
pub enum Entered {
    /// Somebody is signed in.
    SignedIn(Box<SignedIn>),
    /// The second factor comes next; this token says who waits for it.
    SecondFactor(crate::domain::key::PlainKey),
}

/// Cuts a User-Agent short.
pub fn short_agent(agent: &str) -> String {
    agent.chars().filter(|c| !c.is_control()).take(200).collect()
}
