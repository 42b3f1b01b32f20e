//! What is sent to others until they take it: where it is on its way, and when it is tried again.

use super::time::{Span, Timestamp};

/// Nothing waits longer for its next try, whatever its receiver asks for.
pub const LONGEST_WAIT: Span = Span::from_secs(86_400);

/// Where a message, a mail or an SMS is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageState {
    /// It is still to be sent, or sent again.
    Waiting,
    /// Somebody took it.
    Taken,
    /// Nobody did, and it is tried no more.
    GivenUp,
}

impl MessageState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Taken, Self::GivenUp];

    /// Where something is that is tried next at `due_at`, and was taken at `taken_at`.
    pub const fn of(due_at: Option<Timestamp>, taken_at: Option<Timestamp>) -> Self {
        match (due_at, taken_at) {
            (Some(_), _) => Self::Waiting,
            (None, Some(_)) => Self::Taken,
            (None, None) => Self::GivenUp,
        }
    }

    /// Its one name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Taken => "taken",
            Self::GivenUp => "given_up",
        }
    }

    /// By its name; the fault says which there are.
    pub fn parse(name: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|state| state.name() == name).ok_or_else(|| format!("must be one of {}", known()))
    }
}

/// When what failed `tries` times is tried again; `None`: no more. `luck` spreads what failed together over a tenth of the time
/// more; a receiver may ask for more, within [`LONGEST_WAIT`].
pub fn next_try(retries: &[Span], tries: u32, asked: Option<Span>, luck: u8, now: Timestamp) -> Option<Timestamp> {
    let wait = retries.get(usize::try_from(tries).ok()?.checked_sub(1)?)?;
    let wait = asked.map_or(*wait, |asked| asked.min(LONGEST_WAIT).max(*wait));
    Some(now.plus(wait).plus(Span::from_millis(wait.millis() / 10 * u64::from(luck) / 256)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_by_what_is_stored_and_by_name() {
        let at = Some(Timestamp::from_millis(1));
        for (due_at, taken_at, state) in [(at, None, "waiting"), (at, at, "waiting"), (None, at, "taken"), (None, None, "given_up")] {
            let read = MessageState::of(due_at, taken_at);
            assert_eq!((read.name(), MessageState::parse(state)), (state, Ok(read)));
        }
        assert_eq!(MessageState::parse("Taken"), Err("must be one of waiting, taken, given_up".into()));
    }

    #[test]
    fn tries_are_spread_and_end() {
        let (now, retries) = (Timestamp::from_millis(0), [Span::from_secs(10), Span::from_secs(100)]);
        let after = |tries, asked, luck| next_try(&retries, tries, asked, luck, now).map(Timestamp::millis);
        assert_eq!(after(1, None, 0), Some(10_000));
        assert_eq!(after(2, None, 0), Some(100_000));
        assert_eq!(after(3, None, 0), None);
        assert_eq!(after(0, None, 0), None);
        assert!((10_900..=11_000).contains(&after(1, None, 255).unwrap()));
        // A receiver may ask for more, never for less, and not for ever.
        assert_eq!(after(1, Some(Span::from_secs(60)), 0), Some(60_000));
        assert_eq!(after(1, Some(Span::from_secs(1)), 0), Some(10_000));
        assert_eq!(after(1, Some(Span::from_secs(1_000_000)), 0), Some(86_400_000));
        assert_eq!(next_try(&[], 1, None, 0, now), None);
    }
}
