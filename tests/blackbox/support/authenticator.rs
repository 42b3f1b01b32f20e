//! An authenticator app: the codes of a secret.

use std::time::{SystemTime, UNIX_EPOCH};

/// An authenticator app.
pub struct Authenticator(pub Vec<u8>);

impl Authenticator {
    /// Of the secret that was shown.
    pub fn of(base32: &str) -> Self {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
        for letter in base32.bytes() {
            let value = letters.iter().position(|known| *known == letter).expect("base32");
            (bits, held) = (bits << 5 | value as u32, held + 5);
            if held >= 8 {
                held -= 8;
                bytes.push((bits >> held) as u8);
                bits &= (1 << held) - 1;
            }
        }
        Self(bytes)
    }

    /// The code of so many steps from now.
    pub fn code(&self, steps: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let totp = totp_rs::Builder::new().with_secret(self.0.clone()).build().unwrap();
        totp.generate((now + 30 * steps) as u64).to_string()
    }

    /// One that is surely none of now.
    pub fn wrong(&self) -> String {
        let near: Vec<String> = (-3..=3).map(|steps| self.code(steps)).collect();
        (0..10).map(|number| format!("{number:06}")).find(|code| !near.contains(code)).unwrap()
    }
}
