//! Sign-in: people, and how they prove who they are.

pub mod secret;

use secret::ServerSecret;

/// What the flows share.
#[derive(Debug)]
pub struct SignIn {
    /// What mailed tokens and codes are worked out of.
    pub secret: ServerSecret,
}
