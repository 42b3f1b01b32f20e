//! Slows down who guesses, who has things sent, and who writes without end, without ever locking a user out.
//!
//! A guess is taken from its counts before it is looked at, and given back where it was right: so many at once see no more than one
//! after the other would, and who knows their password is never counted.
//!
//! A user who is guessed at from everywhere uses up `wrong_by_target`. Then addresses that have guessed wrong at them already must
//! wait, and each that has not still has a few tries of its own (`wrong_when_attacked`); in IPv6 a network of 48 bits is one address
//! here, because that is what one can rent. An address from which the user has signed in before has its own count and looks at no
//! other. What is sent is counted whatever comes of it. What whoever is signed in does is counted by user, or by session.
//!
//! All is in memory, bounded: where there is too much of it, what is used up least goes.

mod buckets;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::config::throttle::ThrottleSettings;
use crate::domain::address;
use crate::domain::proof::Channel;
use crate::domain::rate::Rate;
use crate::domain::time::Timestamp;
use crate::measure::Counter;
use buckets::{Bucket, Buckets};

/// What is guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// A password.
    Password,
    /// A code that was sent.
    Code,
    /// A second factor. Whoever guesses it knows the password already, so a stranger's address has nothing of its own here.
    SecondFactor,
}

/// Why something is sent. Each has its own count for an address or number, so that nobody can use up a user's resets by registering
/// them over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// Somebody registers.
    Registration,
    /// Somebody proves that an address is theirs: a first one, or another.
    Proof,
    /// Somebody has forgotten their password.
    Reset,
    /// Somebody is asked to join an account.
    Invitation,
    /// Somebody is told something that nobody asked for, or the operator tries whether it arrives.
    Notice,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// From where; none is one like any other.
    pub address: Option<IpAddr>,
    /// Whether the user in question has signed in from there before.
    pub is_familiar: bool,
}

/// A guess that may be made. Dropped, it counts as a wrong one.
#[derive(Debug)]
#[must_use]
pub struct Ticket {
    charged: Vec<(Bucket, Rate)>,
    at: Timestamp,
}

/// What somebody did too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// To guess.
    Guess,
    /// To have something sent.
    Sending,
    /// To register.
    Registration,
    /// To sign in.
    SignIn,
    /// To go on with a session.
    Refresh,
    /// To change what is theirs.
    Change,
}

impl Deed {
    /// Every one.
    pub const ALL: [Self; 6] = [Self::Guess, Self::Sending, Self::Registration, Self::SignIn, Self::Refresh, Self::Change];

    /// What metrics call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guess => "guess",
            Self::Sending => "sending",
            Self::Registration => "registration",
            Self::SignIn => "sign_in",
            Self::Refresh => "refresh",
            Self::Change => "change",
        }
    }
}

/// All that is counted.
#[derive(Debug)]
pub struct Throttles {
    settings: ArcSwap<ThrottleSettings>,
    buckets: Mutex<Buckets>,
    refused: [Counter; Deed::ALL.len()],
}

impl Throttles {
    /// With nothing counted yet.
    pub fn new(settings: ThrottleSettings) -> Self {
        Self { settings: ArcSwap::new(Arc::new(settings)), buckets: Mutex::default(), refused: Default::default() }
    }

    /// From now on by other settings; what was counted stays.
    pub fn follow(&self, settings: ThrottleSettings) {
        self.settings.store(Arc::new(settings));
    }

    /// Takes a guess at a target: a user's address or number as the caller named it, known or not, or the user's id. `Err` is when to
    /// try again.
    pub fn guess(&self, what: Guess, caller: Caller, target: &str, now: Timestamp) -> Result<Ticket, Timestamp> {
        self.noted(Deed::Guess, self.take_guess(what, caller, target, now))
    }

    fn take_guess(&self, what: Guess, caller: Caller, target: &str, now: Timestamp) -> Result<Ticket, Timestamp> {
        let settings = self.settings.load();
        let of = |name: &str, parts: &[&[u8]]| Bucket::of(name, what as u8, parts);
        let (from, target) = (counted(caller.address), target.as_bytes());
        let mut buckets = self.lock();
        let mut draw = Draw { buckets: &mut buckets, charged: Vec::new(), now };
        if caller.is_familiar {
            draw.all(&[(of("familiar", &[target, &from]), &settings.wrong_when_familiar)])?;
            return Ok(draw.ticket());
        }
        // A guesser is one whatever they guess at, and all guessers together are.
        let address = (Bucket::of("wrong address", 0, &[&from]), &settings.wrong_by_address);
        // Whoever guesses a second factor knows a password: those who guess passwords use up nothing of theirs.
        let overall = (of("wrong overall", &[]), &settings.wrong_overall);
        let at_target = (of("wrong target", &[target]), &settings.wrong_by_target);
        let own = (of("own", &[target, &network(caller.address)]), &settings.wrong_when_attacked);
        let quiet = match draw.look(&[overall, at_target]) {
            None => draw.all(&[address, overall, at_target]),
            Some(_) if what != Guess::SecondFactor && draw.look(&[own]).is_none() => draw.all(&[address]),
            Some(until) => {
                let own_turn = if what == Guess::SecondFactor { until } else { draw.look(&[own]).unwrap_or(now) };
                Err(until.min(own_turn).max(draw.look(&[address]).unwrap_or(now)))
            }
        };
        quiet?;
        // In quiet times, too, so that it is known who has guessed already.
        draw.where_it_fits(&[own, overall, at_target]);
        Ok(draw.ticket())
    }

    /// Gives a guess back: it was right, or nobody looked at it.
    pub fn forgive(&self, ticket: Ticket) {
        let mut buckets = self.lock();
        for (bucket, rate) in &ticket.charged {
            buckets.give_back(bucket, rate, ticket.at);
        }
    }

    /// Counts a mail or SMS before it is written: by who gets it, all SMS together, and by who asks, unless that is somebody who is
    /// known. `Err` is when to try again.
    pub fn send(&self, why: Sending, caller: Caller, channel: Channel, to: &str, now: Timestamp) -> Result<(), Timestamp> {
        let settings = self.settings.load();
        let (from, to) = (counted(caller.address), to.as_bytes());
        let mut wanted = vec![
            (Bucket::of("sent target", why as u8, &[to]), &settings.sent_by_target),
            (Bucket::of("sent target daily", why as u8, &[to]), &settings.sent_by_target_daily),
        ];
        if !caller.is_familiar {
            wanted.push((Bucket::of("sent address", 0, &[&from]), &settings.sent_by_address));
            // By purpose and by channel: nobody's registrations use up everybody's resets.
            wanted.push((Bucket::of("sent overall", why as u8, &[channel.name().as_bytes()]), &settings.sent_overall));
        }
        if channel == Channel::Phone {
            wanted.push((Bucket::of("sms overall", 0, &[]), &settings.sms_overall_daily));
        }
        if why == Sending::Registration {
            wanted.extend(registration(&settings, &from));
        }
        self.count(Deed::Sending, &wanted, now)
    }

    /// Counts a registration for which nothing is sent, because somebody else vouches for the user. `Err` is when to try again.
    pub fn register(&self, caller: Caller, now: Timestamp) -> Result<(), Timestamp> {
        let settings = self.settings.load();
        self.count(Deed::Registration, &registration(&settings, &counted(caller.address)), now)
    }

    /// Counts a sign-in of a user that succeeds. From where they have signed in before it has a count of its own: whoever has stolen
    /// the password, and not the second factor, uses up nothing of that. `Err` is when to try again.
    pub fn sign_in(&self, user: i64, caller: Caller, now: Timestamp) -> Result<(), Timestamp> {
        let (user, from) = (user.to_le_bytes(), network(caller.address));
        let bucket = match caller.is_familiar {
            true => Bucket::of("signed in familiar", 0, &[&user, &from]),
            false => Bucket::of("signed in", 0, &[&user]),
        };
        self.count(Deed::SignIn, &[(bucket, &self.settings.load().signed_in_by_user)], now)
    }

    /// Counts a refresh of a session. `Err` is when to try again.
    pub fn refresh(&self, session: &str, now: Timestamp) -> Result<(), Timestamp> {
        let bucket = Bucket::of("refreshed", 0, &[session.as_bytes()]);
        self.count(Deed::Refresh, &[(bucket, &self.settings.load().refreshed_by_session)], now)
    }

    /// Counts a change that a user asks for. `Err` is when to try again.
    pub fn change(&self, user: i64, now: Timestamp) -> Result<(), Timestamp> {
        let bucket = Bucket::of("changed", 0, &[&user.to_le_bytes()]);
        self.count(Deed::Change, &[(bucket, &self.settings.load().changed_by_user)], now)
    }

    /// How often somebody was told to wait.
    pub fn refused(&self, deed: Deed) -> u64 {
        self.refused[deed as usize].get()
    }

    /// Forgets what is not worth remembering. To be called now and then.
    pub fn tidy(&self, now: Timestamp) {
        self.lock().tidy(now);
    }

    /// How much is remembered.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    fn count(&self, deed: Deed, wanted: &[(Bucket, &Rate)], now: Timestamp) -> Result<(), Timestamp> {
        let counted = Draw { buckets: &mut self.lock(), charged: Vec::new(), now }.all(wanted);
        self.noted(deed, counted)
    }

    fn noted<T>(&self, deed: Deed, counted: Result<T, Timestamp>) -> Result<T, Timestamp> {
        if counted.is_err() {
            self.refused[deed as usize].count();
        }
        counted
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Buckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is taken from the counts, under their lock.
struct Draw<'a> {
    buckets: &'a mut Buckets,
    charged: Vec<(Bucket, Rate)>,
    now: Timestamp,
}

impl Draw<'_> {
    /// When all of them fit, where one does not now.
    fn look(&mut self, wanted: &[(Bucket, &Rate)]) -> Option<Timestamp> {
        wanted.iter().filter_map(|(bucket, rate)| self.buckets.look(bucket, rate, self.now)).max()
    }

    /// All of them, or none.
    fn all(&mut self, wanted: &[(Bucket, &Rate)]) -> Result<(), Timestamp> {
        if let Some(at) = self.look(wanted) {
            return Err(at);
        }
        wanted.iter().for_each(|(bucket, rate)| self.charge(bucket, rate));
        Ok(())
    }

    /// Each that fits and is not charged yet.
    fn where_it_fits(&mut self, wanted: &[(Bucket, &Rate)]) {
        for (bucket, rate) in wanted {
            if self.charged.iter().all(|(charged, _)| charged != bucket) && self.look(&[(*bucket, rate)]).is_none() {
                self.charge(bucket, rate);
            }
        }
    }

    fn charge(&mut self, bucket: &Bucket, rate: &Rate) {
        self.buckets.charge(bucket, rate, self.now);
        self.charged.push((*bucket, rate.clone()));
    }

    fn ticket(self) -> Ticket {
        Ticket { charged: self.charged, at: self.now }
    }
}

fn registration<'s>(settings: &'s ThrottleSettings, from: &[u8]) -> [(Bucket, &'s Rate); 2] {
    [
        (Bucket::of("registered address", 0, &[from]), &settings.registered_by_address),
        (Bucket::of("registered overall", 0, &[]), &settings.registered_overall),
    ]
}

fn counted(from: Option<IpAddr>) -> Vec<u8> {
    octets(from.map(address::counted))
}

/// What somebody can rent: an IPv4 address, an IPv6 network of 48 bits.
fn network(from: Option<IpAddr>) -> Vec<u8> {
    octets(from.map(address::counted).map(|from| match from {
        IpAddr::V4(_) => from,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 80 << 80)),
    }))
}

fn octets(address: Option<IpAddr>) -> Vec<u8> {
    match address {
        None => Vec::new(),
        Some(IpAddr::V4(v4)) => v4.octets().to_vec(),
        Some(IpAddr::V6(v6)) => v6.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests;
