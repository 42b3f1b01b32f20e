//! Hashes of other programs, as those wrote them.

use super::*;

const BETTER_AUTH_SALT: &str = "00112233445566778899aabbccddeeff";
const BETTER_AUTH_KEY: &str =
    "753d04d23e883cb9b8ba8a99b1997548b870dd228898b1d2b2e4d9d512bd3bb7902b20cf8d8aa478afbb0ce8cac58b70d4ad99c3b30c37e2679d80d91024a50c";

/// A hash, its password, and how much memory it says that it takes.
fn known() -> Vec<(String, &'static str, u64)> {
    let fixed = [
        // The reference implementation's own.
        ("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password", 65_536),
        ("$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA", "password", 65_536),
        ("$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ", "password", 65_536),
        // passlib's.
        ("$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E", "password", 65_536),
        // libxcrypt's.
        ("$2a$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "correct horse", 4),
        ("$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "correct horse", 4),
        ("$2x$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "correct horse", 4),
        ("$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "correct horse", 4),
        ("$2y$05$abcdefghijklmnopqrstuuQNr.NUko7cjRuTOhPz.WP0eA4f4.Xuq", "päss", 4),
        // Django's, with its own prefixes.
        ("bcrypt$$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "correct horse", 4),
        ("argon2$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password", 65_536),
        // Werkzeug's.
        (
            "scrypt:32768:8:1$1hRjJprkkH2pqFtS$e08bd34cb27af97ee9b56e5fcf0a01e2177b660decd20af07c3372a39cee054bfbb50a64a0d3d3db07d5dfc1c51785026845f8a2f9ef8d173e4d2f2f247d3a88",
            "correct horse",
            32_768,
        ),
    ];
    let mut all: Vec<(String, &str, u64)> = fixed.into_iter().map(|(hash, plain, kib)| (hash.to_owned(), plain, kib)).collect();
    all.push((format!("{BETTER_AUTH_SALT}:{BETTER_AUTH_KEY}"), "gr\u{fc}n und fish", 32_768));
    all
}

#[test]
fn what_other_programs_wrote() {
    for (hash, plain, kib) in known() {
        let stored = Stored::parse(&hash).unwrap_or_else(|fault| panic!("{hash} {fault}"));
        assert_eq!(stored.kib(), kib, "{hash}");
        assert_eq!(stored.matches(plain), Ok(true), "{hash}");
        for wrong in [format!("{plain} "), plain.to_uppercase(), String::new()] {
            assert_eq!(stored.matches(&wrong), Ok(false), "{hash} of {wrong}");
        }
        assert!(!stored.is_current(&PasswordSettings::DEFAULT), "{hash}");
    }
}

#[test]
fn bcrypt_has_seen_seventy_two_bytes() {
    let stored = Stored::parse("$2b$05$abcdefghijklmnopqrstuujf8SX2ahXLwp9w/B.Y5XdysS6yR576q").unwrap();
    assert_eq!(stored.matches(&"x".repeat(80)), Ok(true));
    assert_eq!(stored.matches(&"x".repeat(72)), Ok(true));
    assert_eq!(stored.matches(&"x".repeat(71)), Ok(false));
}

#[test]
fn what_is_refused_and_why() {
    const TAIL: &str = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let long = "0".repeat(LONGEST + 1);
    for (hash, says) in [
        ("", "no password hash that is known"),
        ("hunter2", "no password hash that is known"),
        ("5f4dcc3b5aa765d61d8327deb882cf99", "no password hash that is known"),
        (
            "$6$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS130MTSuDDl3aCI6WouIL9AjRbLCelDCy.g.",
            "no password hash that is known",
        ),
        ("pbkdf2_sha256$600000$salt$b64", "no password hash that is known"),
        (&long, "longer than"),
        (&format!("$argon2id$v=19$m=2097152,t=1,p=4${TAIL}"), "2048 MiB of memory"),
        (&format!("$argon2id$v=19$m=4294967295,t=1,p=1${TAIL}"), "MiB of memory"),
        (&format!("$argon2id$v=19$m=65536,t=17,p=1${TAIL}"), "to write 1088 MiB"),
        (&format!("$argon2id$v=19$m=8,t=4294967295,p=1${TAIL}"), "to write"),
        (&format!("$argon2id$v=19$m=8192,t=1,p=1000${TAIL}"), "1000 lanes"),
        (&format!("$argon2id$v=20$m=8192,t=1,p=1${TAIL}"), "begins as an Argon2 hash"),
        (&format!("$argon2x$v=19$m=8192,t=1,p=1${TAIL}"), "begins as an Argon2 hash"),
        ("$argon2id$v=19$m=8192,t=1,p=1$c29tZXNhbHQ", "begins as an Argon2 hash"),
        ("$argon2id$v=19$m=8192,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaM", "a result of 11 bytes"),
        ("$2b$16$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "the bcrypt cost 16"),
        ("$2b$31$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "the bcrypt cost 31"),
        ("$2b$03$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "the bcrypt cost 3"),
        ("$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy", "begins as a bcrypt hash"),
        ("$2b$05$äbcdefghijklmnopqrstuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", "begins as a bcrypt hash"),
        ("$scrypt$ln=22,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E", "4096 MiB of memory"),
        ("$scrypt$ln=63,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E", "MiB of memory"),
        ("$scrypt$ln=64,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E", "begins as a scrypt hash"),
        ("$scrypt$ln=4,r=8,p=1000000$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E", "to write"),
        ("$scrypt$ln=16,r=8$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E", "begins as a scrypt hash"),
        ("scrypt:32767:8:1$salt$00112233445566778899aabbccddeeff", "a power of two"),
        ("scrypt:18446744073709551616:8:1$salt$00112233445566778899aabbccddeeff", "begins as a scrypt hash of Werkzeug"),
        ("scrypt:9223372036854775808:8:1$salt$00112233445566778899aabbccddeeff", "MiB of memory"),
        ("scrypt:+16384:8:1$salt$00112233445566778899aabbccddeeff", "begins as a scrypt hash of Werkzeug"),
        ("scrypt:32768:8:1$salt$xyz", "begins as a scrypt hash of Werkzeug"),
        (&format!("{BETTER_AUTH_SALT}:{}", &BETTER_AUTH_KEY[..126]), "no password hash that is known"),
        (&format!("{}zz:{BETTER_AUTH_KEY}", &BETTER_AUTH_SALT[..30]), "no password hash that is known"),
    ] {
        let fault = Stored::parse(hash).err().unwrap_or_else(|| panic!("{hash} is taken"));
        assert!(fault.contains(says), "{hash}: {fault}");
        assert!(hash.len() < 10 || !fault.contains(&hash[hash.len() - 8..]), "the fault repeats it: {fault}");
    }
}

proptest::proptest! {
    #[test]
    fn nothing_panics(text in "(\\$argon2id|\\$scrypt|\\$2b|scrypt:)?[$:=,a-z0-9]{0,80}") {
        let _ = Stored::parse(&text);
    }

    #[test]
    fn nothing_panics_on_anything(text in "\\PC{0,80}") {
        let _ = Stored::parse(&text);
    }
}
