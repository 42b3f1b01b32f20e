//! Telegram's Login Widget, as core.telegram.org/widgets/login has it: a payload that a bot's token signs, for a short time.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::error::FieldFault;
use super::identity::{Proven, Said};
use super::nearest::hint;
use super::time::{Span, Timestamp};

/// What identities that Telegram proves are kept under, by whichever way.
pub const PROVIDER: &str = "telegram";

/// How old a payload may be, and how far ahead of our clock Telegram's may be.
const OLDEST: Span = Span::from_secs(600);
const AHEAD: Span = Span::from_secs(60);

/// Every field that there is, in the order in which they are signed; `hash` is the signature.
const FIELDS: [&str; 7] = ["auth_date", "first_name", "hash", "id", "last_name", "photo_url", "username"];
const REQUIRED: [&str; 3] = ["id", "auth_date", "hash"];

/// How long a field may be, and how many unknown ones one answer names.
const LONGEST: usize = 2000;
const MOST_FAULTS: usize = 100;

/// What a bot's token signs with: SHA-256 of it.
#[derive(Clone)]
pub struct BotKey([u8; 32]);

impl BotKey {
    /// Of a bot's token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

impl fmt::Debug for BotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BotKey(…)")
    }
}

/// Whom a payload proves, and what has to be spent before that counts: each payload is good once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Who it is.
    pub proven: Proven,
    /// What was used with this, whatever else is written otherwise.
    pub hash: [u8; 32],
    /// From then on it is refused anyhow.
    pub until: Timestamp,
}

/// Why a payload proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is none: each wrong field.
    Fields(Vec<FieldFault>),
    /// It is well-formed and not good: the reason, for the log.
    Unknown(&'static str),
}

/// Checks the fields of a payload. That no field stands there twice, is up to whoever read them.
pub fn prove(fields: &Map<String, Value>, key: &BotKey, now: Timestamp) -> Result<Login, Refused> {
    let payload = Payload::read(fields).map_err(Refused::Fields)?;
    let mut mac = match Hmac::<Sha256>::new_from_slice(&key.0) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes keys of any length"),
    };
    mac.update(payload.signed().as_bytes());
    // In constant time.
    mac.verify_slice(&payload.hash).map_err(|_| Refused::Unknown("its signature is not of this bot"))?;
    if now.millis_since(payload.at) > OLDEST.millis() {
        return Err(Refused::Unknown("it is too old"));
    }
    if payload.at.millis_since(now) > AHEAD.millis() {
        return Err(Refused::Unknown("it is ahead of this machine's clock"));
    }
    let proven = payload.proven().ok_or(Refused::Unknown("its id is none"))?;
    Ok(Login { proven, hash: payload.hash, until: payload.at.plus(OLDEST).plus(Span::from_millis(1)) })
}

/// A payload's fields as text, each that is there, in the order in which they are signed.
struct Payload {
    texts: Vec<(&'static str, String)>,
    hash: [u8; 32],
    at: Timestamp,
}

impl Payload {
    fn read(fields: &Map<String, Value>) -> Result<Self, Vec<FieldFault>> {
        let mut faults = Vec::new();
        let mut fault = |field: &str, message: String| faults.push(FieldFault { field: field.into(), message });
        let mut texts = Vec::new();
        for name in FIELDS {
            match fields.get(name).map(text) {
                Some(Ok(text)) => texts.push((name, text)),
                Some(Err(wrong)) => fault(name, wrong.into()),
                None if REQUIRED.contains(&name) => fault(name, "must be given".into()),
                None => {}
            }
        }
        for name in fields.keys().filter(|name| !FIELDS.contains(&name.as_str())).take(MOST_FAULTS) {
            fault(name, format!("there is no such field{}", hint(name, FIELDS)));
        }
        let mut read = |name: &str, wrong: &str, is_right: &dyn Fn(&str) -> bool| {
            let given = texts.iter().find(|(own, _)| *own == name);
            if given.is_some_and(|(_, text)| !is_right(text)) {
                fault(name, wrong.into());
            }
        };
        read("id", "must be a whole number", &|text| number(text).is_some());
        read("auth_date", "must be a time, in Unix seconds", &|text| instant(text).is_some());
        read("hash", "must be 64 hex digits", &|text| bytes(text).is_some());
        let of = |name: &str| texts.iter().find(|(own, _)| *own == name).map(|(_, text)| text.as_str());
        match (of("hash").and_then(bytes), of("auth_date").and_then(instant)) {
            (Some(hash), Some(at)) if faults.is_empty() => Ok(Self { texts, hash, at }),
            _ => Err(faults),
        }
    }

    /// Telegram's data-check-string: all fields but the signature.
    fn signed(&self) -> String {
        let lines = self.texts.iter().filter(|(name, _)| *name != "hash").map(|(name, text)| format!("{name}={text}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.texts.iter().find(|(own, _)| *own == name).map(|(_, text)| text.as_str())
    }

    fn proven(&self) -> Option<Proven> {
        let names = [self.get("first_name"), self.get("last_name")];
        let said = Said {
            email: None,
            handle: self.get("username").filter(|name| !name.is_empty()).map(|name| format!("@{name}")),
            name: Some(names.into_iter().flatten().collect::<Vec<_>>().join(" ")),
            picture: self.get("photo_url").map(str::to_owned),
        };
        Proven::new(PROVIDER, self.get("id")?, "telegram", said)
    }
}

/// A value as it was signed: a text, or a whole number in decimal. One line of it: with a line's end in it, a value could say what
/// other fields say.
fn text(value: &Value) -> Result<String, &'static str> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if !number.is_f64() => number.to_string(),
        _ => return Err("must be a text or a whole number"),
    };
    match text {
        text if text.contains(['\n', '\r']) => Err("must be one line"),
        text if text.len() > LONGEST => Err("is too long"),
        text => Ok(text),
    }
}

/// An id as Telegram's tokens say it, a number or a text, in its one spelling.
pub fn id(value: &Value) -> Option<String> {
    text(value).ok().filter(|text| number(text).is_some())
}

/// A whole number as Telegram writes it: no sign, no leading zero.
fn number(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().filter(|number| *number > 0 && number.to_string() == text)
}

fn instant(text: &str) -> Option<Timestamp> {
    number(text)?.checked_mul(1000).map(Timestamp::from_millis)
}

fn bytes(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let bytes: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()).collect::<Option<_>>()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
    const AT: i64 = 1_775_001_600;

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            _ => panic!("an object"),
        }
    }

    /// What Telegram would have signed, worked out on its own: every field but `hash`, sorted, by lines.
    fn signature(fields: &Map<String, Value>) -> String {
        let mut lines: Vec<String> = fields
            .iter()
            .filter(|(name, _)| *name != "hash")
            .map(|(name, value)| format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            .collect();
        lines.sort();
        let mut mac = Hmac::<Sha256>::new_from_slice(&Sha256::digest(TOKEN)).unwrap();
        mac.update(lines.join("\n").as_bytes());
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn signed(value: Value) -> Map<String, Value> {
        let mut fields = map(value);
        fields.insert("hash".into(), signature(&fields).into());
        fields
    }

    fn whole() -> Value {
        json!({ "id": 42, "first_name": "Ada", "last_name": "Lovelace", "username": "ada", "photo_url": "https://t.me/i/ada.jpg", "auth_date": AT })
    }

    fn try_at(fields: &Map<String, Value>, seconds: i64) -> Result<Login, Refused> {
        prove(fields, &BotKey::of(TOKEN), Timestamp::from_millis((AT + seconds) * 1000))
    }

    #[test]
    fn a_vector_that_was_worked_out_elsewhere() {
        // Python: hmac.new(sha256(b"110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw").digest(),
        //   b"auth_date=1775001600\nfirst_name=Ada\nid=42\nusername=ada", sha256).hexdigest()
        let hash = "09df6caa05d1d1600079219f324ddf495697a6c3fb0662d4ede57177b456b82c";
        let fields = map(json!({ "id": 42, "first_name": "Ada", "username": "ada", "auth_date": AT, "hash": hash }));
        assert_eq!(try_at(&fields, 0).unwrap().proven.label, "@ada");
    }

    #[test]
    fn whom_it_proves() {
        let login = try_at(&signed(whole()), 0).unwrap();
        let proven = &login.proven;
        assert_eq!((proven.provider.as_str(), proven.subject.as_str(), proven.method.as_str()), ("telegram", "42", "telegram"));
        assert_eq!((proven.name.as_deref(), proven.label.as_str()), (Some("Ada Lovelace"), "@ada"));
        assert_eq!((proven.picture.as_deref(), &proven.email), (Some("https://t.me/i/ada.jpg"), &None));
        // From when it is too old, it need not be remembered.
        assert!(login.until.millis() > (AT + 600) * 1000);
        // Fewer fields, numbers as text, and a hash in capitals: the same payload, and the same to be spent.
        let fewer = signed(json!({ "id": "42", "auth_date": AT.to_string() }));
        let mut capitals = signed(json!({ "auth_date": AT, "id": 42 }));
        let hash = capitals["hash"].as_str().unwrap().to_uppercase();
        capitals.insert("hash".into(), hash.into());
        assert_eq!(try_at(&fewer, 0).unwrap().hash, try_at(&capitals, 0).unwrap().hash);
        assert_eq!(try_at(&fewer, 0).unwrap().proven.label, "42");
    }

    #[test]
    fn it_is_good_for_ten_minutes() {
        let fields = signed(whole());
        for (seconds, is_good) in [(0, true), (600, true), (601, false), (-60, true), (-61, false), (86_400, false)] {
            let tried = try_at(&fields, seconds);
            assert_eq!(tried.is_ok(), is_good, "{seconds}");
            assert!(is_good || matches!(tried, Err(Refused::Unknown(_))), "{seconds}");
        }
    }

    #[test]
    fn whatever_was_changed_is_told() {
        for (name, value) in [
            ("id", json!(43)),
            ("first_name", json!("Adb")),
            ("auth_date", json!(AT + 1)),
            ("username", json!("")),
            ("hash", json!("0".repeat(64))),
        ] {
            let mut fields = signed(whole());
            fields.insert(name.into(), value);
            assert!(matches!(try_at(&fields, 0), Err(Refused::Unknown(_))), "{name}");
        }
        for name in ["first_name", "last_name", "username", "photo_url"] {
            let mut fields = signed(whole());
            fields.shift_remove(name);
            assert!(matches!(try_at(&fields, 0), Err(Refused::Unknown(_))), "without {name}");
        }
        let other = prove(&signed(whole()), &BotKey::of("1:other"), Timestamp::from_millis(AT * 1000));
        assert!(matches!(other, Err(Refused::Unknown(_))));
    }

    #[test]
    fn each_wrong_field_is_named() {
        // Signed all of them: it is not the signature that refuses.
        for (change, wrong) in [
            (json!({ "first_name": "Ada\nid=1" }), vec!["first_name"]),
            (json!({ "last_name": "A\rB" }), vec!["last_name"]),
            (json!({ "extra": "1" }), vec!["extra"]),
            (json!({ "first_nam": "1", "ID": 1 }), vec!["first_nam", "ID"]),
            (json!({ "id": true }), vec!["id"]),
            (json!({ "id": 4.5 }), vec!["id"]),
            (json!({ "id": "x" }), vec!["id"]),
            (json!({ "id": -4 }), vec!["id"]),
            (json!({ "id": "042" }), vec!["id"]),
            (json!({ "id": "" }), vec!["id"]),
            (json!({ "auth_date": "soon", "photo_url": ["x"] }), vec!["photo_url", "auth_date"]),
            (json!({ "auth_date": i64::MAX }), vec!["auth_date"]),
            (json!({ "username": null }), vec!["username"]),
            (json!({ "username": { "a": 1 } }), vec!["username"]),
            (json!({ "username": "x".repeat(2001) }), vec!["username"]),
        ] {
            let mut fields = map(whole());
            fields.extend(map(change));
            let fields = signed(Value::Object(fields));
            match try_at(&fields, 0) {
                Err(Refused::Fields(faults)) => {
                    assert_eq!(faults.iter().map(|fault| fault.field.as_str()).collect::<Vec<_>>(), wrong)
                }
                other => panic!("{wrong:?}: {other:?}"),
            }
        }
        let mut fields = signed(whole());
        fields.insert("hash".into(), "abc".into());
        assert!(matches!(try_at(&fields, 0), Err(Refused::Fields(_))));
        match try_at(&Map::new(), 0) {
            Err(Refused::Fields(faults)) => assert_eq!(faults.len(), REQUIRED.len()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bots_key_is_not_shown() {
        assert_eq!(format!("{:?}", BotKey::of(TOKEN)), "BotKey(…)");
    }
}
