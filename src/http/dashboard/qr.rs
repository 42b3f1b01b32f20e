//! A text as a QR code, drawn by the server: what it holds is a secret, and goes to nobody who draws such things for others.

use qrcodegen::{QrCode, QrCodeEcc};

/// How many modules stay white around it (ISO/IEC 18004).
const QUIET: i32 = 4;

/// What an SVG shows: a path of strokes that are as wide as a module, each from the left to the right.
pub struct Qr {
    /// Modules in each direction, the white around them among them.
    pub size: i32,
    /// The path's `d`.
    pub path: String,
}

impl Qr {
    /// `None` where it is too long.
    pub fn of(text: &str) -> Option<Self> {
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
        let mut path = String::new();
        for y in 0..code.size() {
            let mut x = 0;
            while x < code.size() {
                let length = (x..code.size()).take_while(|x| code.get_module(*x, y)).count();
                if length > 0 {
                    path.push_str(&format!("M{} {}.5h{length}", x + QUIET, y + QUIET));
                }
                x += i32::try_from(length).unwrap_or(0) + 1;
            }
        }
        Some(Self { size: code.size() + 2 * QUIET, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_the_code() {
        let text = format!("otpauth://totp/Example:{}?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example", "a".repeat(60));
        let (drawn, code) = (Qr::of(&text).unwrap(), QrCode::encode_text(&text, QrCodeEcc::Medium).unwrap());
        let mut dark = Vec::new();
        for stroke in drawn.path.split('M').skip(1) {
            let (start, length) = stroke.split_once('h').unwrap();
            let (x, y) = start.split_once(' ').unwrap();
            let (x, y): (i32, i32) = (x.parse().unwrap(), y.strip_suffix(".5").unwrap().parse().unwrap());
            dark.extend((0..length.parse().unwrap()).map(|more| (x + more - QUIET, y - QUIET)));
        }
        let wanted: Vec<_> =
            (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y))).filter(|(x, y)| code.get_module(*x, *y)).collect();
        assert_eq!(dark, wanted);
        assert!(drawn.size == code.size() + 8 && drawn.path.len() < 8_000, "{}", drawn.path.len());
    }

    #[test]
    fn a_book_is_none() {
        assert!(Qr::of(&"x".repeat(5_000)).is_none());
    }
}
