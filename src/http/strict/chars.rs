//! Which bytes may stand where.

/// Letters and digits, and these.
const fn alphanumeric_and(more: &[u8]) -> [bool; 256] {
    let mut set = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        set[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < more.len() {
        set[more[at] as usize] = true;
        at += 1;
    }
    set
}

static TOKEN: [bool; 256] = alphanumeric_and(b"!#$%&'*+-.^_`|~");
static HOST: [bool; 256] = alphanumeric_and(b"-._~");
/// Also what browsers leave as it is in a query. `#` would be cut off with all that follows it.
static TARGET: [bool; 256] = alphanumeric_and(b"!$%&'()*+,-./:;=?@[\\]^_`{|}~");

/// Of a method, or the name of a header.
pub(super) fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// Of a host's name.
pub(super) fn is_host(byte: u8) -> bool {
    HOST[usize::from(byte)]
}

/// Of a request's target.
pub(super) fn is_target(byte: u8) -> bool {
    TARGET[usize::from(byte)]
}

/// Whether a line holds a control character other than a tab. It looks at every byte, so that many can be looked at at once.
pub(super) fn has_control(line: &[u8]) -> bool {
    line.iter().fold(false, |found, byte| found | ((*byte < b' ') & (*byte != b'\t')) | (*byte == 0x7f))
}

/// A number as a serializer writes it: digits alone, no more than 19, and no zero before others, which some read as octal.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    let is_plain = (1..=19).contains(&text.len()) && text.iter().all(u8::is_ascii_digit) && (text[0] != b'0' || text.len() == 1);
    is_plain.then(|| text.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// Whether a name is a known one, or one that some readers make of it: `content_length`, `Content.Length`.
pub fn folds_to(name: &[u8], known: &str) -> bool {
    let folds = |(byte, known): (&u8, u8)| byte.to_ascii_lowercase() == known || (known == b'-' && !byte.is_ascii_alphanumeric());
    name.len() == known.len() && name.iter().zip(known.bytes()).all(folds)
}
