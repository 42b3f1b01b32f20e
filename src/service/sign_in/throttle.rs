//! Slows down who guesses, and who has things sent, without ever locking a user out.
//!
//! A guess is taken from its counts before it is looked at, and given back where it was right: so many at once see no more than one
//! after the other would, and who knows their password is never counted.
//!
//! A user who is guessed at from everywhere uses up `wrong_by_target`. Then addresses that have guessed wrong at them already must
//! wait, and each that has not still has a few tries of its own (`wrong_when_attacked`); in IPv6 a network of 48 bits is one address
//! here, because that is what one can rent. An address from which the user has signed in before has its own count and looks at no
//! other. What is sent is counted whatever comes of it.
//!
//! All is in memory, bounded: where there is too much of it, what is used up least goes.

mod buckets;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::config::throttle::ThrottleSettings;
use crate::domain::address;
use crate::domain::rate::Rate;
use crate::domain::time::Timestamp;
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

/// All that is counted.
#[derive(Debug)]
pub struct Throttles {
    settings: ArcSwap<ThrottleSettings>,
    buckets: Mutex<Buckets>,
}

impl Throttles {
    /// With nothing counted yet.
    pub fn new(settings: ThrottleSettings) -> Self {
        Self { settings: ArcSwap::new(Arc::new(settings)), buckets: Mutex::default() }
    }

    /// From now on by other settings; what was counted stays.
    pub fn follow(&self, settings: ThrottleSettings) {
        self.settings.store(Arc::new(settings));
    }

    /// Takes a guess at a target: a user's address or number as the caller named it, known or not, or the user's id. `Err` is when to
    /// try again.
    pub fn guess(&self, what: Guess, caller: Caller, target: &str, now: Timestamp) -> Result<Ticket, Timestamp> {
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

    /// Counts a mail or SMS that somebody asks for. `Err` is when to try again.
    pub fn send(&self, why: Sending, caller: Caller, to: &str, now: Timestamp) -> Result<(), Timestamp> {
        let settings = self.settings.load();
        let (from, to) = (counted(caller.address), to.as_bytes());
        let mut wanted = vec![
            (Bucket::of("sent target", why as u8, &[to]), &settings.sent_by_target),
            (Bucket::of("sent target daily", why as u8, &[to]), &settings.sent_by_target_daily),
        ];
        if !caller.is_familiar {
            wanted.push((Bucket::of("sent address", 0, &[&from]), &settings.sent_by_address));
            // By purpose and by channel: nobody's registrations use up everybody's resets.
            let channel: &[u8] = if to.starts_with(b"+") { b"phone" } else { b"email" };
            wanted.push((Bucket::of("sent overall", why as u8, &[channel]), &settings.sent_overall));
        }
        if why == Sending::Registration {
            wanted.extend(registration(&settings, &from));
        }
        self.count(&wanted, now)
    }

    /// Counts a registration for which nothing is sent, because somebody else vouches for the user. `Err` is when to try again.
    pub fn register(&self, caller: Caller, now: Timestamp) -> Result<(), Timestamp> {
        let settings = self.settings.load();
        self.count(&registration(&settings, &counted(caller.address)), now)
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

    fn count(&self, wanted: &[(Bucket, &Rate)], now: Timestamp) -> Result<(), Timestamp> {
        Draw { buckets: &mut self.lock(), charged: Vec::new(), now }.all(wanted)
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
