//! How a key looks. A plain key and its hash are two types, so that the wrong one cannot be stored, compared or shown.

use std::fmt;
use std::hash::{Hash, Hasher};

use base64::Engine as _;
use rand::RngExt;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The random part of a key holds at least this many bits.
pub const LEAST_RANDOM_BITS: f64 = 128.0;

/// No key is longer than this; a credential that is, is not read.
pub const LONGEST: usize = 512;

/// How many letters after its prefix make a word a key of an environment whose keys have any shape.
const LEAST_IMPORTED: usize = 12;

/// How many characters after the prefix are kept for display.
pub const SHOWN: usize = 4;

/// A key as its holder knows it. Never stored, logged or shown again: `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainKey(String);

impl PlainKey {
    /// Takes a key that was just made.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The raw key. Who calls this is about to send it to its holder.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.0)
    }
}

impl fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainKey(…)")
    }
}

/// SHA-256 of a key or service token. Both are random, so a fast hash is enough.
/// Equality takes the same time wherever two hashes differ.
#[derive(Clone, Copy)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Hashes a raw credential.
    pub fn of(raw: &str) -> Self {
        Self(Sha256::digest(raw.as_bytes()).into())
    }

    /// As stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads one that was made elsewhere: 64 hex digits, or base64 of either alphabet, padded or not.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: Vec<u8> = match text.len() {
            // The digits alone: a number may also have a sign.
            64 if text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                (0..32).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()).collect::<Option<_>>()?
            }
            43 | 44 => {
                let standard: String = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
                base64::engine::general_purpose::STANDARD_NO_PAD.decode(standard).ok()?
            }
            _ => return None,
        };
        bytes.try_into().ok().map(Self)
    }

    /// As 64 hex digits.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// For storing.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A few of its bits, to spread hashes over slots.
    pub const fn slot(&self) -> usize {
        u32::from_le_bytes([self.0[0], self.0[1], self.0[2], self.0[3]]) as usize
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KeyHash {}

impl Hash for KeyHash {
    /// A hash of a hash needs no more than eight of its bytes.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0[..8]);
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// The letters that a key is written in, in the order of their value as digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alphabet {
    letters: Vec<u8>,
    /// A bit for each ASCII character that is one of them.
    set: u128,
}

impl Alphabet {
    /// `base62`, `base58`, `base32`, `hex`, or the letters themselves.
    pub fn parse(text: &str) -> Result<Self, String> {
        let letters = match text {
            "base62" => "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            "base58" => "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
            "base32" => "abcdefghijklmnopqrstuvwxyz234567",
            "hex" => "0123456789abcdef",
            own => own,
        };
        let bytes = letters.as_bytes();
        let usable = |b: &u8| b.is_ascii_alphanumeric() || b"-._~".contains(b);
        if !(10..=66).contains(&bytes.len()) || !bytes.iter().all(usable) {
            return Err(format!(
                "'{text}' is no alphabet: name base62, base58, base32 or hex, or give 10 or more of the letters A-Z a-z 0-9 - . _ ~"
            ));
        }
        let repeated = bytes.iter().enumerate().find(|(i, b)| bytes[..*i].contains(b));
        match repeated {
            Some((_, letter)) => Err(format!("the letter '{}' stands in the alphabet twice", *letter as char)),
            None => Ok(Self { letters: bytes.to_vec(), set: bytes.iter().fold(0, |set, letter| set | 1 << letter) }),
        }
    }

    /// The letters, in the order of their value.
    pub fn letters(&self) -> &[u8] {
        &self.letters
    }

    /// Whether a text could be written in these letters.
    pub fn spells(&self, text: &str) -> bool {
        text.bytes().all(|byte| self.contains(byte))
    }

    fn contains(&self, byte: u8) -> bool {
        byte.is_ascii() && self.set >> byte & 1 == 1
    }

    /// How many bits one letter carries.
    pub fn bits(&self) -> f64 {
        (self.letters.len() as f64).log2()
    }

    /// How many digits 32 bits take: six in base62, eight in hex.
    pub fn checksum_digits(&self) -> usize {
        (32.0 / self.bits()).ceil() as usize
    }

    /// The digits of a number, the least significant first.
    fn digits(&self, number: u32) -> impl Iterator<Item = u8> {
        let base = self.letters.len() as u32;
        let rest = std::iter::successors(Some(number), move |rest| Some(rest / base));
        rest.map(move |rest| self.letters[(rest % base) as usize]).take(self.checksum_digits())
    }
}

/// One kind of key: `live`, `test`.
#[derive(Clone, Debug)]
pub struct Environment {
    /// What the config calls it.
    pub name: String,
    /// What its keys begin with.
    pub prefix: String,
    /// The length of a whole key, prefix and checksum included.
    pub length: usize,
    /// The letters after the prefix.
    pub alphabet: Alphabet,
    /// Whether a key ends in a checksum.
    pub checksum: bool,
    /// Whether its keys never authenticate.
    pub reserved: bool,
    /// Whether it holds keys made elsewhere: then no shape and no checksum refuses by itself.
    pub imported: bool,
}

impl Environment {
    /// How many letters of a key are random.
    pub fn random_letters(&self) -> usize {
        let checksum = if self.checksum { self.alphabet.checksum_digits() } else { 0 };
        self.length.saturating_sub(self.prefix.len() + checksum)
    }

    /// How many bits of a key are random.
    pub fn random_bits(&self) -> f64 {
        self.random_letters() as f64 * self.alphabet.bits()
    }

    /// A new key.
    pub fn generate(&self) -> PlainKey {
        let mut rng = rand::rng();
        let mut key = self.prefix.clone();
        key.extend((0..self.random_letters()).map(|_| self.alphabet.letters[rng.random_range(0..self.alphabet.letters.len())] as char));
        if self.checksum {
            let digits: Vec<u8> = self.alphabet.digits(crc32fast::hash(key.as_bytes())).collect();
            key.extend(digits.into_iter().rev().map(char::from));
        }
        PlainKey(key)
    }

    /// The part of a key that is kept for display: the prefix and the four characters after it.
    pub fn shown(&self, key: &PlainKey) -> String {
        key.0.chars().take(self.prefix.len() + SHOWN).collect()
    }

    /// Prefix, length and letters are right.
    fn fits(&self, key: &str) -> bool {
        key.len() == self.length && key.strip_prefix(&*self.prefix).is_some_and(|rest| self.alphabet.spells(rest))
    }

    /// Whether this may be one of its keys: one that holds imported keys takes any shape.
    pub fn takes(&self, key: &str) -> bool {
        !self.reserved
            && key.starts_with(&*self.prefix)
            && (self.imported || self.fits(key) && (!self.checksum || self.checksum_holds(key)))
    }

    fn checksum_holds(&self, key: &str) -> bool {
        let (body, digits) = key.split_at(self.length - self.alphabet.checksum_digits());
        self.alphabet.digits(crc32fast::hash(body.as_bytes())).eq(digits.bytes().rev())
    }
}

/// What the looks of a credential say before anything is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// It may be a key: hash it and look.
    Plausible,
    /// Of an environment that never authenticates.
    Reserved,
    /// No key of this server looks like that.
    Alien,
}

/// Every kind of key that this server knows.
#[derive(Clone, Debug)]
pub struct Environments {
    /// As configured; the first that is not reserved is the default.
    all: Vec<Environment>,
    /// Indices into `all`, the longest prefix first: `nb_test_` is asked before `nb_`.
    by_prefix: Vec<usize>,
}

impl Environments {
    /// In the order of the config.
    pub fn new(all: Vec<Environment>) -> Self {
        let mut by_prefix: Vec<usize> = (0..all.len()).collect();
        by_prefix.sort_by_key(|i| std::cmp::Reverse(all[*i].prefix.len()));
        Self { all, by_prefix }
    }

    /// In the order of the config.
    pub fn all(&self) -> &[Environment] {
        &self.all
    }

    /// By its name.
    pub fn named(&self, name: &str) -> Option<&Environment> {
        self.all.iter().find(|environment| environment.name == name)
    }

    /// What a key is made in where nobody says.
    pub fn default(&self) -> Option<&Environment> {
        self.all.iter().find(|environment| !environment.reserved)
    }

    fn by_prefix(&self) -> impl Iterator<Item = &Environment> {
        self.by_prefix.iter().map(|i| &self.all[*i])
    }

    /// Judges a credential by its looks: no hash, no lookup, no allocation.
    pub fn looks(&self, key: &str) -> Looks {
        let Some(longest) = self.by_prefix().find(|environment| key.starts_with(&*environment.prefix)) else {
            return Looks::Alien;
        };
        if longest.reserved {
            return Looks::Reserved;
        }
        // One prefix may serve several environments.
        if self.by_prefix().any(|environment| environment.takes(key)) { Looks::Plausible } else { Looks::Alien }
    }

    /// The environment that a plausible key is of.
    pub fn of_key(&self, key: &str) -> Option<&Environment> {
        self.by_prefix().find(|environment| environment.takes(key)).filter(|_| self.looks(key) == Looks::Plausible)
    }

    /// Whether what stands in a text could be a key of this server that was mistyped, cut short or written on: most of the true one
    /// would be in it. For logs, where a word too many that is left out does no harm.
    pub fn resembles_key(&self, text: &str) -> bool {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-._~".contains(letter);
        self.all.iter().any(|environment| match environment.prefix.as_str() {
            "" => text
                .split(|letter| !is_letter(letter))
                .any(|word| word.len() + LEAST_IMPORTED >= environment.length && environment.alphabet.spells(word)),
            prefix => text
                .match_indices(prefix)
                .any(|(at, _)| text[at + prefix.len()..].chars().take_while(|letter| is_letter(*letter)).count() >= LEAST_IMPORTED),
        })
    }

    /// Whether a key of this server stands anywhere in a text: used on query strings.
    pub fn holds_key(&self, text: &str) -> bool {
        self.all.iter().any(|environment| match environment.prefix.as_str() {
            // Without a prefix only a whole text can be told from any other word, and only by its checksum.
            "" => environment.fits(text) && (!environment.checksum || environment.checksum_holds(text)),
            prefix => (0..text.len()).filter(|at| text.get(*at..).is_some_and(|rest| rest.starts_with(prefix))).any(|at| {
                let rest = &text[at..];
                let letters = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"-._~".contains(b)).count();
                // Keys made elsewhere have any shape: a long enough word after the prefix is taken for one.
                environment.imported && letters >= prefix.len() + LEAST_IMPORTED
                    || rest.get(..environment.length).is_some_and(|part| environment.fits(part))
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn environment(prefix: &str, length: usize, alphabet: &str, checksum: bool) -> Environment {
        Environment {
            name: "live".into(),
            prefix: prefix.into(),
            length,
            alphabet: Alphabet::parse(alphabet).unwrap(),
            checksum,
            reserved: false,
            imported: false,
        }
    }

    #[test]
    fn the_checksum_is_crc32_in_the_keys_own_alphabet() {
        let written = |alphabet: &str, number| {
            let mut digits: Vec<u8> = Alphabet::parse(alphabet).unwrap().digits(number).collect();
            digits.reverse();
            String::from_utf8(digits).unwrap()
        };
        // CRC-32 (IEEE) of "123456789" is 0xCBF43926, the standard's check value.
        assert_eq!(crc32fast::hash(b"123456789"), 0xCBF4_3926);
        assert_eq!(written("hex", 0xCBF4_3926), "cbf43926");
        assert_eq!(written("base62", 61), "00000z");
        assert_eq!(written("base62", 62 * 62 + 10), "00010A");
    }

    #[test]
    fn debug_shows_neither_key_nor_hash() {
        let key = environment("nb_", 48, "base62", true).generate();
        let shown = format!("{key:?} {:?}", key.hash());
        assert_eq!(shown, "PlainKey(…) KeyHash(…)");
    }

    #[test]
    fn hashes_are_read_as_others_write_them() {
        // SHA-256 of "abc" (FIPS 180-2).
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let base64 = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
        let safe = base64.replace('+', "-").replace('/', "_");
        for text in [hex, &hex.to_uppercase(), base64, base64.trim_end_matches('='), &safe, safe.trim_end_matches('=')] {
            assert_eq!(KeyHash::parse(text), Some(KeyHash::of("abc")), "{text}");
        }
        for wrong in
            ["", "abc", &hex[1..], &hex.replace('b', "g"), &"é".repeat(32), &base64.replace('u', "*"), &"+1".repeat(32), &"=".repeat(44)]
        {
            assert_eq!(KeyHash::parse(wrong), None, "{wrong}");
        }
        assert_eq!(KeyHash::of("abc").hex(), hex);
    }

    #[test]
    fn a_reserved_prefix_is_told_from_an_alien_one() {
        let mut test = environment("el_test_", 40, "base62", false);
        test.reserved = true;
        let all = Environments::new(vec![environment("el_", 40, "base62", true), test]);
        assert_eq!(all.looks("el_test_anything"), Looks::Reserved);
        assert_eq!(all.looks("sk_live_1234"), Looks::Alien);
        assert_eq!(all.looks("el_"), Looks::Alien);
        assert_eq!(all.looks(""), Looks::Alien);
    }

    #[test]
    fn imported_keys_are_looked_up_whatever_their_shape() {
        let mut old = environment("nb_", 48, "base62", true);
        old.imported = true;
        assert_eq!(Environments::new(vec![old]).looks("nb_short"), Looks::Plausible);
    }

    #[test]
    fn alphabets_are_checked() {
        for wrong in ["", "abc", "0123456789 ", "00123456789", "0123456789é", "base64"] {
            assert!(Alphabet::parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_key_made_is_plausible_and_no_slip_of_a_letter_is(at in 0usize..48, to in "[0-9A-Za-z]", hex in any::<bool>()) {
            let environment = environment("nb_", 48, if hex { "hex" } else { "base62" }, true);
            let key = environment.generate();
            let all = Environments::new(vec![environment.clone()]);
            prop_assert_eq!(key.expose().len(), 48);
            prop_assert_eq!(all.looks(key.expose()), Looks::Plausible);
            let amid = format!("a=[{}],", key.expose());
            prop_assert!(all.holds_key(&amid));
            prop_assert_eq!(environment.shown(&key).len(), 7);
            let mut slipped = key.expose().to_owned();
            slipped.replace_range(at..=at, &to);
            if slipped != key.expose() {
                prop_assert_eq!(all.looks(&slipped), Looks::Alien);
            }
        }

        #[test]
        fn nothing_a_client_sends_panics(text in ".{0,80}", rest in "[0-9A-Za-z\u{e9}]{0,60}") {
            let all = Environments::new(vec![environment("nb_", 48, "base62", true)]);
            all.looks(&text);
            all.looks(&format!("nb_{rest}"));
            all.holds_key(&text);
            all.holds_key(&format!("{text}nb_{rest}{text}"));
        }
    }
}
