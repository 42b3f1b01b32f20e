//! Rows of records: JSON lines and CSV, read one by one, however many there are, and written.

mod cells;
mod read;

use http::HeaderValue;
use serde_json::Value;

use crate::domain::error::FieldFault;
pub use cells::for_people;
pub use read::Rows;

/// The fields of a key, in the order of the columns.
pub const KEY: [&str; 18] = [
    "id",
    "hash",
    "key",
    "prefix",
    "name",
    "account",
    "environment",
    "plan",
    "limits",
    "scopes",
    "ips",
    "metadata",
    "disabled",
    "created_at",
    "expires_at",
    "revoked_at",
    "last_used_at",
    "replaced_by",
];

/// Those of an account.
pub const ACCOUNT: [&str; 12] =
    ["id", "name", "kind", "plan", "plan_until", "balance", "plan_tokens", "bonus_tokens", "period", "limits", "disabled", "created_at"];

/// Those of a user.
pub const USER: [&str; 12] = [
    "email",
    "phone",
    "name",
    "password_hash",
    "verified",
    "disabled",
    "created_at",
    "account",
    "account_name",
    "plan",
    "plan_until",
    "balance",
];

/// The longest row.
const MOST: usize = 256 * 1024;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object a line.
    Jsonl,
    /// Comma-separated values (RFC 4180), the first row naming the fields.
    Csv,
}

impl Format {
    /// By the type of a body.
    pub fn of_media(media: &str) -> Option<Self> {
        match media {
            "application/jsonl" | "application/x-ndjson" | "application/x-jsonlines" => Some(Self::Jsonl),
            "text/csv" => Some(Self::Csv),
            _ => None,
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "jsonl" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    /// The type of such a body.
    pub const fn media(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Jsonl => "application/jsonl",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        })
    }

    /// What stands before the first row.
    pub fn header(self, fields: &[&str]) -> String {
        match self {
            Self::Jsonl => String::new(),
            Self::Csv => format!("{}\r\n", fields.join(",")),
        }
    }

    /// A record as a row, with its end.
    pub fn row(self, fields: &[&str], record: &Value) -> Vec<u8> {
        match self {
            Self::Jsonl => format!("{record}\n").into_bytes(),
            Self::Csv => cells::row(fields, record),
        }
    }
}

/// A row that was read: its line, and what stands on it.
pub type Row = (u64, Result<Value, Vec<FieldFault>>);

fn fault(field: &str, message: impl Into<String>) -> FieldFault {
    FieldFault { field: field.into(), message: message.into() }
}
