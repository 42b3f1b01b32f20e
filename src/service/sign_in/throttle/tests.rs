//! Slowed is who guesses; never locked out is who knows.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::domain::time::Span;

const START: Timestamp = Timestamp::from_millis(1_775_000_000_000);
const VICTIM: &str = "leopold@example.com";

fn rate(text: &str) -> Rate {
    Rate::parse(text).unwrap()
}

fn settings() -> ThrottleSettings {
    ThrottleSettings {
        wrong_by_address: rate("30/10m"),
        wrong_by_target: rate("20/1h"),
        wrong_overall: rate("1000/1h"),
        wrong_when_attacked: rate("3/6h"),
        wrong_when_familiar: rate("10/10m"),
        sent_by_address: rate("30/1h"),
        sent_by_target: rate("3/10m"),
        sent_by_target_daily: rate("10/1d"),
        sent_overall: rate("1000/1h"),
        registered_by_address: rate("30/1h"),
        registered_overall: rate("1000/1h"),
        sms_overall_daily: rate("500/1d"),
        signed_in_by_user: rate("20/1h"),
        refreshed_by_session: rate("30/1h"),
        changed_by_user: rate("60/1h"),
    }
}

fn throttles() -> Throttles {
    Throttles::new(settings())
}

fn v4(number: u32) -> Caller {
    Caller { address: Some(Ipv4Addr::from_bits(0x0a00_0000 + number).into()), is_familiar: false }
}

fn at(text: &str) -> Caller {
    Caller { address: Some(text.parse().unwrap()), is_familiar: false }
}

fn familiar(caller: Caller) -> Caller {
    Caller { is_familiar: true, ..caller }
}

/// A wrong guess: whether it was let through.
fn wrong(throttles: &Throttles, caller: Caller, target: &str, now: Timestamp) -> bool {
    throttles.guess(Guess::Password, caller, target, now).map(drop).is_ok()
}

/// Uses up what can be guessed at the victim by strangers.
fn attack(throttles: &Throttles, now: Timestamp) {
    for number in 0..100 {
        wrong(throttles, v4(number), VICTIM, now);
    }
}

#[test]
fn an_address_that_guesses_at_many_is_slowed() {
    let throttles = throttles();
    let passed = (0..100).filter(|user| wrong(&throttles, v4(1), &format!("user{user}"), START)).count();
    assert_eq!(passed, 30);
    let until = throttles.guess(Guess::Password, v4(1), "another", START).unwrap_err();
    assert_eq!(until, START.plus(Span::from_secs(20)));
    assert!(wrong(&throttles, v4(1), "another", until), "then there is one more");
    assert!(!wrong(&throttles, v4(1), "another", until));
    assert!(wrong(&throttles, v4(2), "another", START), "others do not notice");
}

#[test]
fn who_knows_is_never_counted() {
    let throttles = throttles();
    for _ in 0..1000 {
        let ticket = throttles.guess(Guess::Password, v4(1), VICTIM, START).unwrap();
        throttles.forgive(ticket);
    }
    throttles.tidy(START);
    assert_eq!(throttles.len(), 0, "nothing is left of it");
}

#[test]
fn many_at_once_see_no_more_than_one_after_the_other() {
    let throttles = throttles();
    let held: Vec<_> = (0..100).filter_map(|user| throttles.guess(Guess::Password, v4(1), &format!("user{user}"), START).ok()).collect();
    assert_eq!(held.len(), 30);
    held.into_iter().for_each(|ticket| throttles.forgive(ticket));
    assert!(wrong(&throttles, v4(1), VICTIM, START));
}

#[test]
fn a_user_who_is_guessed_at_is_not_locked_out() {
    let throttles = throttles();
    attack(&throttles, START);
    let passed = (0..100).filter(|number| wrong(&throttles, v4(*number), VICTIM, START)).count();
    assert!(passed <= 100 * 2, "of each address what is its own: {passed}");
    for number in 0..100 {
        while wrong(&throttles, v4(number), VICTIM, START) {}
        let until = throttles.guess(Guess::Password, v4(number), VICTIM, START).unwrap_err();
        assert!(until > START.plus(Span::from_secs(60)), "and then it waits for long: {until}");
    }
    // The owner, from where they never were: a few tries of their own, and as many right ones as they like.
    let owner = v4(5000);
    for _ in 0..20 {
        let ticket = throttles.guess(Guess::Password, owner, VICTIM, START).unwrap();
        throttles.forgive(ticket);
    }
    assert_eq!((0..20).filter(|_| wrong(&throttles, owner, VICTIM, START)).count(), 3);
    // And from home.
    assert_eq!((0..20).filter(|_| wrong(&throttles, familiar(v4(1)), VICTIM, START)).count(), 10);
    // Others are not touched.
    assert!(wrong(&throttles, v4(6000), "molly@example.com", START));
}

#[test]
fn a_rented_ipv6_network_is_one_guesser() {
    let throttles = throttles();
    attack(&throttles, START);
    let passed = (0..1000).filter(|number| wrong(&throttles, at(&format!("2001:db8:1:{number:x}::1")), VICTIM, START)).count();
    assert_eq!(passed, 3, "one of 48 bits has 65536 of 64");
    assert!(wrong(&throttles, at("2001:db8:2::1"), VICTIM, START), "the next one is somebody else");
    // In quiet times a network of 64 bits is one.
    let passed = (0..100).filter(|number| wrong(&throttles, at(&format!("2001:db8:3:4::{number:x}")), &number.to_string(), START)).count();
    assert_eq!(passed, 30);
    assert!(wrong(&throttles, at("2001:db8:3:5::1"), "else", START));
    assert!(wrong(&throttles, at("::ffff:10.9.9.9"), VICTIM, START));
}

#[test]
fn everybody_together() {
    let throttles = throttles();
    let passed = (0..3000).filter(|number| wrong(&throttles, v4(*number), &format!("user{}", number % 500), START)).count();
    assert_eq!(passed, 3000, "each address is new to its target");
    let second = (0..3000).filter(|number| wrong(&throttles, v4(*number), &format!("user{}", number % 500), START)).count();
    let third = (0..3000).filter(|number| wrong(&throttles, v4(*number), &format!("user{}", number % 500), START)).count();
    let fourth = (0..3000).filter(|number| wrong(&throttles, v4(*number), &format!("user{}", number % 500), START)).count();
    assert_eq!((second, third, fourth), (3000, 3000, 0), "three of its own, and no more");
    assert!(wrong(&throttles, v4(9999), VICTIM, START));
}

#[test]
fn who_knows_the_password_guesses_no_second_factor() {
    let throttles = throttles();
    let guess = |caller| throttles.guess(Guess::SecondFactor, caller, "42", START);
    assert_eq!((0..100).filter(|number| guess(v4(*number)).is_ok()).count(), 20);
    let until = guess(v4(500)).unwrap_err();
    assert_eq!(until, START.plus(Span::from_secs(180)), "whoever it is, they wait");
    assert!(guess(familiar(v4(500))).is_ok(), "but for where the user has been");
    assert!(throttles.guess(Guess::Password, v4(500), "42", START).is_ok(), "what else is guessed has its own count");
}

/// By SMS to what looks like a number here.
fn sent(throttles: &Throttles, why: Sending, caller: Caller, to: &str, now: Timestamp) -> Result<(), Timestamp> {
    let channel = if to.contains('@') { Channel::Email } else { Channel::Phone };
    throttles.send(why, caller, channel, to, now)
}

/// By SMS, of something that nobody asked for.
fn told(throttles: &Throttles, number: u32, now: Timestamp) -> Result<(), Timestamp> {
    sent(throttles, Sending::Notice, familiar(v4(0)), &format!("+3{number}"), now)
}

/// An address of mail may begin like a number.
#[test]
fn a_mail_is_no_sms() {
    let throttles = throttles();
    let mails =
        (0..900).filter(|number| sent(&throttles, Sending::Proof, familiar(v4(*number)), &format!("+{number}@example.com"), START).is_ok());
    assert_eq!(mails.count(), 900);
    assert_eq!((0..500).filter(|number| told(&throttles, *number, START).is_ok()).count(), 500);
}

#[test]
fn what_is_sent() {
    let throttles = throttles();
    let send = |why, caller, to: &str, now| sent(&throttles, why, caller, to, now);
    let day = |hours: u64| START.plus(Span::from_secs(hours * 3600));
    // One number, from everywhere.
    assert_eq!((0..50).filter(|number| send(Sending::Reset, v4(*number), "+1", START).is_ok()).count(), 3);
    assert_eq!(send(Sending::Reset, v4(99), "+1", START), Err(START.plus(Span::from_secs(200))));
    assert!(send(Sending::Reset, familiar(v4(99)), "+1", START).is_err(), "nor from a known address: the other side gets it");
    let sent = (0..24 * 60).filter(|minute| send(Sending::Reset, v4(100), "+1", START.plus(Span::from_secs(60 * minute))).is_ok()).count();
    assert!((10..=17).contains(&sent), "ten at once and ten a day: {sent}");
    // Registering somebody does not use up their resets.
    assert!(send(Sending::Registration, v4(200), "+1", START).is_ok());
    // One address, to everywhere.
    let at = |number: &usize| send(Sending::Proof, v4(300), &format!("+2{number}"), day(48)).is_ok();
    assert_eq!((0..100).filter(at).count(), 30);
    assert!(send(Sending::Proof, familiar(v4(300)), "+3", day(48)).is_ok());
    // Everybody.
    let all = |number: &u32| send(Sending::Proof, v4(1000 + number), &format!("{number}@example.com"), day(96)).is_ok();
    assert_eq!((0..3000).filter(all).count(), 1000);
}

/// Whatever they are for, whoever asks: so many, and then one more every few minutes. Mails cost nothing.
#[test]
fn all_sms_together() {
    let throttles = throttles();
    let purposes = [Sending::Registration, Sending::Proof, Sending::Reset];
    let send = |number: u32, to: String| {
        let caller = Caller { is_familiar: number.is_multiple_of(2), ..v4(number) };
        sent(&throttles, purposes[number as usize % 3], caller, &to, START)
    };
    assert_eq!((0..900).filter(|number| send(*number, format!("+1{number}")).is_ok()).count(), 500);
    let until = START.plus(Span::from_millis(86_400_000 / 500));
    assert_eq!((send(0, "+2".into()), told(&throttles, 0, START)), (Err(until), Err(until)));
    assert!(send(0, "ada@example.com".into()).is_ok());
    assert!(told(&throttles, 1, until).is_ok() && told(&throttles, 2, until).is_err());
    assert_eq!(throttles.refused(Deed::Sending), 400 + 3);
}

#[test]
fn who_is_signed_in_is_bounded_by_themselves() {
    let throttles = throttles();
    let hour = START.plus(Span::from_secs(3600));
    assert_eq!((0..100).filter(|_| throttles.change(1, START).is_ok()).count(), 60);
    assert_eq!(throttles.change(1, START), Err(START.plus(Span::from_secs(60))));
    assert!(throttles.change(2, START).is_ok(), "another user does not notice");
    assert_eq!((0..100).filter(|_| throttles.change(1, hour).is_ok()).count(), 60, "so many again in an hour");
    assert_eq!((0..100).filter(|_| throttles.refresh("ses_1", START).is_ok()).count(), 30);
    assert!(throttles.refresh("ses_2", START).is_ok());
    let told = Deed::ALL.map(|deed| throttles.refused(deed));
    assert_eq!(told, [0, 0, 0, 0, 70, 40 + 1 + 40]);
}

/// Whoever has stolen a password uses it up from everywhere; from home, where the thief never got in, the user still signs in.
#[test]
fn a_thief_of_a_password_does_not_lock_the_owner_out() {
    let throttles = throttles();
    let passed = (0..100).filter(|number| throttles.sign_in(1, v4(*number), START).is_ok()).count();
    assert_eq!(passed, 20);
    assert_eq!(throttles.sign_in(1, v4(500), START), Err(START.plus(Span::from_secs(180))));
    assert_eq!((0..100).filter(|_| throttles.sign_in(1, familiar(v4(900)), START).is_ok()).count(), 20);
    assert!(throttles.sign_in(1, familiar(v4(901)), START).is_ok(), "each place by itself");
    assert!(throttles.sign_in(2, v4(500), START).is_ok());
    // What one can rent is one place: nobody signs in without end from a new network each time.
    let rented = |number: u32| familiar(at(&format!("2001:db8:1:{number:x}::1")));
    assert_eq!((0..100).filter(|number| throttles.sign_in(1, rented(*number), START).is_ok()).count(), 20);
}

#[test]
fn registrations() {
    let throttles = throttles();
    let by_mail = |number: &u32| sent(&throttles, Sending::Registration, v4(1), &format!("{number}@example.com"), START).is_ok();
    assert_eq!((0..20).filter(by_mail).count(), 20);
    assert_eq!((0..20).filter(|_| throttles.register(v4(1), START).is_ok()).count(), 10, "vouched for or not, they are counted together");
    assert!(sent(&throttles, Sending::Registration, v4(1), "new@example.com", START).is_err());
    assert!(sent(&throttles, Sending::Reset, v4(1), "new@example.com", START).is_ok());
}

#[test]
fn a_clock_that_is_set_back_locks_nobody_out() {
    let throttles = throttles();
    let later = START.plus(Span::from_secs(365 * 86_400));
    while wrong(&throttles, familiar(v4(1)), VICTIM, later) {}
    while sent(&throttles, Sending::Reset, v4(1), VICTIM, later).is_ok() {}
    assert!(wrong(&throttles, familiar(v4(1)), VICTIM, START));
    assert!(sent(&throttles, Sending::Reset, v4(1), VICTIM, START).is_ok());
}

#[test]
fn other_settings_keep_what_was_counted() {
    let throttles = throttles();
    while wrong(&throttles, familiar(v4(1)), VICTIM, START) {}
    throttles.follow(ThrottleSettings { wrong_when_familiar: rate("20/10m"), ..settings() });
    assert_eq!((0..50).filter(|_| wrong(&throttles, familiar(v4(1)), VICTIM, START)).count(), 10);
}

#[test]
fn a_flood_takes_no_more_than_its_room() {
    let throttles = throttles();
    let guilty = v4(1);
    while wrong(&throttles, guilty, VICTIM, START) {}
    for number in 0..120_000u32 {
        wrong(&throttles, v4(1000 + number), &format!("flood{number}"), START);
        assert!(throttles.len() <= buckets::MOST, "{}", throttles.len());
    }
    assert!(!wrong(&throttles, guilty, VICTIM, START), "who has guessed often is remembered");
    throttles.tidy(START.plus(Span::from_secs(7 * 3600)));
    assert_eq!(throttles.len(), 0);
}

#[test]
fn parts_do_not_run_together() {
    assert_ne!(Bucket::of("a", 0, &[b"bc", b"d"]), Bucket::of("a", 0, &[b"b", b"cd"]));
    assert_ne!(Bucket::of("a", 0, &[b"b"]), Bucket::of("a", 1, &[b"b"]));
}

proptest! {
    /// However guesses come, an address gets no more than its rate, and so does a target from addresses that have guessed before.
    #[test]
    fn never_more_than_the_rate(steps in prop::collection::vec((0u32..4, 0u8..3, 0u64..120_000), 1..400)) {
        let throttles = throttles();
        let mut now = START;
        let mut passed: Vec<(u32, u8, Timestamp)> = Vec::new();
        for (from, target, wait) in steps {
            now = now.plus(Span::from_millis(wait));
            match throttles.guess(Guess::Password, v4(from), &target.to_string(), now) {
                Ok(ticket) => {
                    drop(ticket);
                    passed.push((from, target, now));
                }
                Err(until) => prop_assert!(until > now && until <= now.plus(Span::from_secs(6 * 3600))),
            }
        }
        let took = now.millis_since(START);
        for from in 0..4 {
            let count = passed.iter().filter(|(other, ..)| *other == from).count() as u64;
            prop_assert!(count <= 30 + took / 20_000, "{count} from one address in {took} ms");
        }
        for target in 0..3 {
            let count = passed.iter().filter(|(_, other, _)| *other == target).count() as u64;
            // And of each of the four addresses what is its own.
            prop_assert!(count <= 20 + took / 180_000 + 4 * (3 + took / 7_200_000), "{count} at one target in {took} ms");
        }
    }

    /// Whatever others do, an address that was never there gets through.
    #[test]
    fn a_fresh_address_gets_through(steps in prop::collection::vec((0u32..200, 0u8..2, 0u64..60_000), 1..600), code in any::<bool>()) {
        let throttles = throttles();
        let what = if code { Guess::Code } else { Guess::Password };
        let mut now = START;
        for (from, target, wait) in steps {
            now = now.plus(Span::from_millis(wait));
            let _ = throttles.guess(what, v4(from), &target.to_string(), now).map(drop);
        }
        for target in ["0", "1"] {
            prop_assert!(throttles.guess(what, v4(100_000), target, now).is_ok());
        }
    }

    /// A right guess leaves everything as it was.
    #[test]
    fn what_is_given_back_was_never_taken(before in prop::collection::vec(0u32..5, 0..60), from in 0u32..5) {
        let throttles = throttles();
        for other in before {
            wrong(&throttles, v4(other), VICTIM, START);
        }
        let left = |throttles: &Throttles| (0..50).filter(|_| wrong(throttles, v4(from), VICTIM, START)).count();
        if let Ok(ticket) = throttles.guess(Guess::Password, v4(from), VICTIM, START) {
            throttles.forgive(ticket);
            let ticket = throttles.guess(Guess::Password, v4(from), VICTIM, START);
            prop_assert!(ticket.is_ok());
            throttles.forgive(ticket.unwrap());
            prop_assert!(left(&throttles) > 0);
        } else {
            prop_assert_eq!(left(&throttles), 0);
        }
    }
}
