//! What the gate decided of one request.

use std::fmt;

macro_rules! verdicts {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A verdict. The order is the order in which they are found; the names stand in the config, the HTTP
        /// answers, the usage table, the metrics and the logs alike.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Verdict { $($(#[$doc])* $variant,)* }

        impl Verdict {
            /// Every verdict, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its one name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

verdicts! {
    /// Plain HTTP where the config asks for HTTPS.
    Insecure = "insecure",
    /// A path, address or forwarded header that can be read in two ways.
    Ambiguous = "ambiguous",
    /// A key in the query string where none may be.
    Misplaced = "misplaced",
    /// No credential on a path that needs one.
    Missing = "missing",
    /// A credential that cannot be read.
    Malformed = "malformed",
    /// Of an environment that never authenticates.
    Reserved = "reserved",
    /// Readable, but no such key.
    Unknown = "unknown",
    /// Revoked.
    Revoked = "revoked",
    /// Past its expiry.
    Expired = "expired",
    /// Key or account switched off.
    Disabled = "disabled",
    /// Not from an address the key allows.
    WrongIp = "wrong_ip",
    /// The plan has no API access, or not to this route.
    WrongPlan = "wrong_plan",
    /// The key lacks a scope.
    WrongScope = "wrong_scope",
    /// The balance does not cover it.
    NoBalance = "no_balance",
    /// A fixed window of a day or longer ran out.
    QuotaExceeded = "quota_exceeded",
    /// Any other window ran out.
    RateLimited = "rate_limited",
    /// tollgate itself cannot tell: it fails closed.
    Unavailable = "unavailable",
    /// Signing in: the address is not proven yet.
    NotVerified = "not_verified",
    /// Signing in: too many tries.
    TooManyTries = "too_many_tries",
    /// Signing in: the second factor comes next.
    SecondFactorNeeded = "second_factor_needed",
    /// The agreement must be accepted first.
    AgreementNeeded = "agreement_needed",
    /// Signing in: fields are wrong.
    BadRequest = "bad_request",
    /// Signing in: this way in is not set up here.
    NotConfigured = "not_configured",
    /// The request's body is over the bound.
    TooLarge = "too_large",
    /// The app behind the gate does not answer.
    UpstreamDown = "upstream_down",
    /// The app behind the gate took too long.
    UpstreamTimeout = "upstream_timeout",
    /// A fault of tollgate's own.
    Internal = "internal",
    /// Passes.
    Ok = "ok",
}

impl Verdict {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|verdict| verdict.name() == name)
    }

    /// Whether it is a sign-in's own, which the gate never finds.
    pub fn is_of_sign_in(self) -> bool {
        (Self::NotVerified..=Self::NotConfigured).contains(&self)
    }

    /// Whether the request passes.
    pub fn passes(self) -> bool {
        self == Self::Ok
    }

    /// Whether a window decided: only then are there a deciding limit and a time to retry.
    pub fn by_limit(self) -> bool {
        matches!(self, Self::QuotaExceeded | Self::RateLimited)
    }

    /// Whether the gate let the request pass: it does, or something failed afterwards.
    pub fn has_passed(self) -> bool {
        (Self::TooLarge..=Self::Ok).contains(&self)
    }

    /// Whether somebody may have been recognised.
    pub fn knows_caller(self) -> bool {
        (Self::Revoked..=Self::RateLimited).contains(&self) || self.has_passed()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_are_unique() {
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::from_name(verdict.name()), Some(*verdict));
        }
        assert_eq!(Verdict::from_name("allowed"), None);
    }
}
