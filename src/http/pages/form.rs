//! Reads what a form of ours sends: application/x-www-form-urlencoded, each field once.

use crate::domain::error::Error;
use crate::http::request::{Call, Unreadable};

/// The fields of a form.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the body.
    pub async fn read(call: &mut Call) -> Result<Self, Unreadable> {
        call.form().await.map(Self)
    }

    /// A field that must be there, once.
    pub fn text(&self, name: &str) -> Result<String, Unreadable> {
        let mut given = self.0.iter().filter(|(known, _)| known == name);
        match (given.next(), given.next()) {
            (Some((_, text)), None) => Ok(text.clone()),
            (None, _) => Err(Error::field(name, "must be given").into()),
            _ => Err(Error::field(name, "is there more than once").into()),
        }
    }
}
