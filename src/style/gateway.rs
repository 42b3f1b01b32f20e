//! What an SMS gateway is sent: a body of JSON or a form, and a query, with placeholders; no value can break out of any of them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::domain::nearest::hint;

/// The placeholders.
const NAMES: [&str; 5] = ["phone", "digits", "text", "code", "id"];

/// What is written as it is in a form or a query (RFC 3986, 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What the placeholders stand for.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    /// `+4915112345678`.
    pub phone: &'a str,
    /// The whole text.
    pub text: &'a str,
    /// The code alone; of a text without one: empty.
    pub code: &'a str,
    /// The same at each try, so that a gateway can tell what it has already.
    pub id: &'a str,
}

impl Values<'_> {
    fn of(&self, name: &str) -> &str {
        match name {
            "phone" => self.phone,
            "digits" => self.phone.trim_start_matches('+'),
            "text" => self.text,
            "code" => self.code,
            _ => self.id,
        }
    }
}

/// What is most likely wrong with a body that is no JSON.
const NOT_JSON: &str = "a placeholder stands in quotes, \"{phone}\", and a brace is written twice within a text alone";

/// A text with placeholders, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(&'static str),
}

impl Pattern {
    /// Reads `to={phone}`; a brace itself is written twice.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let (name, after) = rest.split_once('}').filter(|_| brace == "{").ok_or("has a brace that stands alone: write it twice")?;
            let known = NAMES.into_iter().find(|known| *known == name);
            let unknown = || {
                format!(
                    "there is no placeholder {{{name}}}{}; there are {}",
                    hint(name, NAMES),
                    NAMES.map(|name| format!("{{{name}}}")).join(", ")
                )
            };
            parts.extend([Part::Text(std::mem::take(&mut plain)), Part::Name(known.ok_or_else(unknown)?)]);
            rest = after;
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        Ok(Self(parts))
    }

    /// Whether a placeholder stands in it.
    pub fn holds(&self, name: &str) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Name(own) if *own == name))
    }

    /// With the values as they are.
    fn plain(&self, values: &Values<'_>) -> String {
        self.0.iter().map(|part| if let Part::Name(name) = part { values.of(name) } else { part.text() }).collect()
    }

    /// With the values percent-encoded, as a query or a form has them.
    pub fn encoded(&self, values: &Values<'_>) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Name(name) => utf8_percent_encode(values.of(name), ENCODED).to_string(),
        };
        self.0.iter().map(part).collect()
    }
}

impl Part {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Name(_) => "",
        }
    }
}

/// The body of a request to a gateway.
#[derive(Clone, Debug)]
pub enum Body {
    /// JSON; the placeholders stand in its texts.
    Json(Leaf),
    /// A form, percent-encoded.
    Form(Pattern),
    /// A text as it is.
    Plain(Pattern),
}

/// JSON whose texts are taken apart.
#[derive(Clone, Debug)]
pub enum Leaf {
    /// A text.
    Text(Pattern),
    /// A list.
    List(Vec<Leaf>),
    /// An object, its names as they are.
    Object(Vec<(String, Leaf)>),
    /// What holds no text.
    Other(Value),
}

impl Body {
    /// Reads one as its content type has it.
    pub fn parse(text: &str, content_type: &str) -> Result<Self, String> {
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json" => {
                let value = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}; {NOT_JSON}"))?;
                Leaf::of(value).map(Self::Json)
            }
            "application/x-www-form-urlencoded" => Pattern::parse(text).map(Self::Form),
            "text/plain" => Pattern::parse(text).map(Self::Plain),
            other => Err(format!(
                "'{other}' is no content type that tollgate can fill: there are application/json, application/x-www-form-urlencoded, text/plain"
            )),
        }
    }

    /// Whether a placeholder stands in it.
    pub fn holds(&self, name: &str) -> bool {
        match self {
            Self::Json(leaf) => leaf.holds(name),
            Self::Form(pattern) | Self::Plain(pattern) => pattern.holds(name),
        }
    }

    /// Filled.
    pub fn filled(&self, values: &Values<'_>) -> String {
        match self {
            Self::Json(leaf) => leaf.filled(values).to_string(),
            Self::Form(pattern) => pattern.encoded(values),
            Self::Plain(pattern) => pattern.plain(values),
        }
    }
}

impl Leaf {
    fn of(value: Value) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => Self::Text(Pattern::parse(&text)?),
            Value::Array(items) => Self::List(items.into_iter().map(Self::of).collect::<Result<_, _>>()?),
            Value::Object(map) => {
                Self::Object(map.into_iter().map(|(name, value)| Ok((name, Self::of(value)?))).collect::<Result<_, String>>()?)
            }
            other => Self::Other(other),
        })
    }

    fn holds(&self, name: &str) -> bool {
        match self {
            Self::Text(pattern) => pattern.holds(name),
            Self::List(items) => items.iter().any(|item| item.holds(name)),
            Self::Object(map) => map.iter().any(|(_, value)| value.holds(name)),
            Self::Other(_) => false,
        }
    }

    fn filled(&self, values: &Values<'_>) -> Value {
        match self {
            Self::Text(pattern) => pattern.plain(values).into(),
            Self::List(items) => items.iter().map(|item| item.filled(values)).collect(),
            Self::Object(map) => map.iter().map(|(name, value)| (name.clone(), value.filled(values))).collect(),
            Self::Other(value) => value.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: Values<'_> = Values { phone: "+4915112345678", text: "It's \"5\" & {text}\\ \n\u{e4}", code: "123456", id: "eml_1" };

    #[test]
    fn no_value_breaks_out() {
        let filled = |text: &str, content_type: &str| Body::parse(text, content_type).unwrap().filled(&VALUES);
        let json = filled(
            r#"{"to": ["{phone}", "{digits}"], "body": {"text": "{text}", "n": 1, "x{y": null}, "{{id}}": "{{{id}}}"}"#,
            "application/json; charset=utf-8",
        );
        let read: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["to"], serde_json::json!(["+4915112345678", "4915112345678"]));
        assert_eq!((read["body"]["text"].as_str(), read["{{id}}"].as_str()), (Some(VALUES.text), Some("{eml_1}")));
        let form = filled("to={phone}&text={text}&c={code}", "application/x-www-form-urlencoded");
        assert_eq!(form, "to=%2B4915112345678&text=It%27s%20%225%22%20%26%20%7Btext%7D%5C%20%0A%C3%A4&c=123456");
        assert_eq!(filled("{phone} {code}", "text/plain"), "+4915112345678 123456");
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, content_type, says) in [
            (r#"{"to": "{phone"}"#, "application/json", "brace"),
            (r#"{"to": "{fone}"}"#, "application/json", "{phone}"),
            (r#"{"to": "#, "application/json", "not JSON"),
            ("to={phone}}", "application/x-www-form-urlencoded", "brace"),
            ("<to>{phone}</to>", "application/xml", "content type"),
        ] {
            let fault = Body::parse(text, content_type).unwrap_err();
            assert!(fault.contains(says), "{text}: {fault}");
        }
    }
}
