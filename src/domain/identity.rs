//! Who somebody is, as another service proved it: what is left of its word once it is checked, bounded and fit to be shown.

/// How long a provider's id of somebody may be (OpenID Connect Core, 2), and whatever else it says of them.
const LONGEST_SUBJECT: usize = 255;
const LONGEST_NAME: usize = 200;
const LONGEST_ADDRESS: usize = 254;
const LONGEST_PICTURE: usize = 2000;

/// An address of mail that a provider names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// As the provider writes it; to be read as any other.
    pub address: String,
    /// Whether the provider says that it is theirs, and its word counts.
    pub verified: bool,
}

/// A proven identity. Who it is, is `provider` and `subject` alone: names, addresses and pictures change hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The issuer's URL; of Telegram: `telegram`.
    pub provider: String,
    /// The provider's own id of them, unchanged.
    pub subject: String,
    /// An address, where the provider names one.
    pub email: Option<Named>,
    /// What they are called, where the provider says so.
    pub name: Option<String>,
    /// An `https://` address of a picture.
    pub picture: Option<String>,
    /// For people: an address, a @name, a name, or else the id.
    pub label: String,
    /// How they signed in, as sessions say it: `telegram`, `google`, or what the configuration calls the provider.
    pub method: String,
}

/// What a provider says of somebody, unbounded as yet.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// An address of mail.
    pub email: Option<Named>,
    /// A name that only one has there: `@name`.
    pub handle: Option<String>,
    /// What they are called.
    pub name: Option<String>,
    /// The address of a picture.
    pub picture: Option<String>,
}

impl Proven {
    /// Whom a provider proved. `None` where the id is none: empty, too long, or with a control character in it; cut short or
    /// mended it could be somebody else's.
    pub fn new(provider: &str, subject: &str, method: &str, said: Said) -> Option<Self> {
        if subject.is_empty() || subject.len() > LONGEST_SUBJECT || subject.chars().any(char::is_control) {
            return None;
        }
        let name = said.name.as_deref().and_then(shown);
        let email = said.email.filter(|email| {
            let address = &email.address;
            !address.is_empty() && address.len() <= LONGEST_ADDRESS && !address.chars().any(|c| c.is_control() || c.is_whitespace())
        });
        let picture = said
            .picture
            .filter(|url| url.starts_with("https://") && url.len() <= LONGEST_PICTURE && url.bytes().all(|byte| byte.is_ascii_graphic()));
        let label = email.as_ref().map(|email| email.address.clone());
        let label = label.or_else(|| said.handle.as_deref().and_then(shown)).or_else(|| name.clone()).unwrap_or_else(|| subject.into());
        Some(Self { provider: provider.into(), subject: subject.into(), email, name, picture, label, method: method.into() })
    }
}

/// A text fit to be shown: without control characters, cut to its bound; `None` where nothing is left.
fn shown(text: &str) -> Option<String> {
    let kept: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proven(said: Said) -> Proven {
        Proven::new("https://id.example", "7", "house", said).unwrap()
    }

    #[test]
    fn an_id_is_taken_as_it_is_or_not_at_all() {
        let longest = "x".repeat(LONGEST_SUBJECT);
        for subject in ["7", " 7 ", "auth0|0123", &longest] {
            let proven = Proven::new("p", subject, "house", Said::default()).unwrap();
            assert_eq!((proven.subject.as_str(), proven.label.as_str()), (subject, subject));
        }
        for subject in ["", "7\n", "\u{0}", "7\u{85}", &"x".repeat(LONGEST_SUBJECT + 1)] {
            assert_eq!(Proven::new("p", subject, "house", Said::default()), None, "{subject:?}");
        }
    }

    #[test]
    fn what_is_shown_is_bounded() {
        for (name, left) in [
            ("Ada", Some("Ada".to_owned())),
            (" A\u{1b}[31md\na\u{7f} ", Some("A[31mda".to_owned())),
            ("\n\t ", None),
            (&"ä".repeat(500), Some("ä".repeat(LONGEST_NAME))),
        ] {
            assert_eq!(proven(Said { name: Some(name.into()), ..Said::default() }).name, left, "{name:?}");
        }
    }

    #[test]
    fn an_address_is_taken_as_it_is_or_not_at_all() {
        for (address, is_taken) in [
            ("ada@example.com", true),
            ("", false),
            ("ada@example.com\n", false),
            ("ada @example.com", false),
            (&format!("{}@example.com", "a".repeat(300)), false),
        ] {
            let email = Some(Named { address: address.into(), verified: true });
            assert_eq!(proven(Said { email, ..Said::default() }).email.is_some(), is_taken, "{address:?}");
        }
    }

    #[test]
    fn a_picture_is_an_address_of_the_web() {
        for (url, is_taken) in [
            ("https://t.me/i/userpic/1.jpg", true),
            ("http://t.me/1.jpg", false),
            ("javascript:alert(1)", false),
            ("data:image/png;base64,AA", false),
            ("https://t.me/1 2.jpg", false),
            ("https://t.me/\"><script>", true),
            (&format!("https://t.me/{}", "x".repeat(3000)), false),
        ] {
            assert_eq!(proven(Said { picture: Some(url.into()), ..Said::default() }).picture.is_some(), is_taken, "{url}");
        }
    }

    #[test]
    fn a_label_tells_most_of_whom_it_is() {
        let said = |email: &str, handle: &str, name: &str| {
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let email = some(email).map(|address| Named { address, verified: false });
            proven(Said { email, handle: some(handle), name: some(name), picture: None }).label
        };
        assert_eq!(said("ada@example.com", "@ada", "Ada"), "ada@example.com");
        assert_eq!(said("", "@ada", "Ada"), "@ada");
        assert_eq!(said("", "", "Ada"), "Ada");
        assert_eq!(said("", "", ""), "7");
    }
}
