//! Random histories against each shape's own definition, computed the slow way.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::limit::{Count, Per, Unit};
use crate::domain::time::Span;

const BASE: i64 = 1_775_001_600_000;

fn limit(shape: Shape, requests: u64, millis: u64, burst: Option<u64>) -> Limit {
    Limit {
        name: Arc::from("window"),
        slot: Arc::from("window"),
        requests,
        per: Per::Length(Span::from_millis(millis)),
        shape,
        count: Count::Key,
        unit: Unit::Requests,
        burst,
        observe: false,
    }
}

/// Plays a history; grants every lease that is asked for. Answers what passed, and checks every promise of a look.
fn play(limit: &Limit, history: &[(u64, u64)]) -> Vec<(i64, u64)> {
    let mut window = Window::new(limit.shape);
    let mut now = BASE;
    let mut passed = Vec::new();
    for (gap, price) in history {
        now += *gap as i64;
        let at = Timestamp::from_millis(now);
        let mut look = window.look(limit, *price, at);
        if look.fit == Fit::NeedsLease {
            let Window::Fixed(fixed) = &mut window else { unreachable!("only fixed windows lease") };
            let lease = fixed.wants(limit, *price).expect("a window that needs a lease asks for one");
            assert!(lease.written <= limit.requests);
            fixed.granted(lease);
            look = window.look(limit, *price, at);
        }
        match look.fit {
            Fit::Fits => {
                window.charge(limit, *price, at);
                if *price > 0 {
                    passed.push((now, *price));
                }
                let after = window.look(limit, 0, at);
                assert_eq!(after.remaining, look.remaining - price, "what is left shrinks by the price");
            }
            Fit::From(then) => {
                assert!(then > at, "a refusal names a later instant");
                let mut later = window.clone();
                assert!(!matches!(later.look(limit, *price, then).fit, Fit::From(_) | Fit::Never), "it opens when it said");
                let before = Timestamp::from_millis(then.millis() - 1);
                if before > at {
                    assert!(matches!(window.clone().look(limit, *price, before).fit, Fit::From(_)), "and not a millisecond earlier");
                }
            }
            Fit::Never => assert!(*price > limit.burst(), "only what is more than a burst never fits"),
            Fit::NeedsLease => unreachable!("the lease was granted"),
        }
        assert!(look.reset >= at);
        let mut rested = window.clone();
        let full = window.full_at().max(at);
        assert_eq!(rested.look(limit, 0, full).remaining, limit.burst(), "at its reset the window is full again");
    }
    passed
}

fn most_in_any(passed: &[(i64, u64)], millis: i64) -> u64 {
    let within = |start: i64| passed.iter().filter(|(at, _)| (start..start + millis).contains(at)).map(|(_, price)| price).sum();
    passed.iter().map(|(at, _)| within(*at)).max().unwrap_or(0)
}

fn history() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let gap = prop_oneof![Just(0), 0u64..5, 0u64..200, 0u64..3000];
    let price = prop_oneof![5 => Just(1u64), 1 => 0u64..4, 1 => 0u64..40];
    prop::collection::vec((gap, price), 1..200)
}

proptest! {
    #[test]
    fn rolling_never_lets_more_through_than_its_bound(history in history(), requests in 1u64..30, millis in 1u64..2000, burst in prop::option::of(1u64..30)) {
        let limit = limit(Shape::Rolling, requests, millis, burst);
        let passed = play(&limit, &history);
        for stretch in [1, 10, 100, 1000, 5000] {
            let bound = limit.burst() as f64 + stretch as f64 * requests as f64 / millis as f64;
            prop_assert!(most_in_any(&passed, stretch) as f64 <= bound + 1e-9);
        }
    }

    #[test]
    fn sliding_never_lets_more_through_in_any_window(history in history(), requests in 1u64..30, millis in 1u64..2000) {
        let limit = limit(Shape::Sliding, requests, millis, None);
        prop_assert!(most_in_any(&play(&limit, &history), millis as i64) <= requests);
    }

    #[test]
    fn sliding_keeps_its_word_where_requests_share_a_slot(history in history(), requests in SLOTS_AND_UP, millis in 1u64..9000) {
        let limit = limit(Shape::Sliding, requests, millis, None);
        let heavy: Vec<_> = history.iter().map(|(gap, price)| (*gap, price * 60)).collect();
        prop_assert!(most_in_any(&play(&limit, &heavy), millis as i64) <= requests);
    }

    #[test]
    fn fixed_never_lets_more_through_in_its_window(history in history(), requests in 1u64..30, millis in 1u64..2000) {
        let limit = limit(Shape::Fixed, requests, millis, None);
        let passed = play(&limit, &history);
        let mut sums = std::collections::BTreeMap::new();
        for (at, price) in passed {
            *sums.entry(at.div_euclid(millis as i64)).or_insert(0) += price;
        }
        prop_assert!(sums.values().all(|sum| *sum <= requests));
    }

    #[test]
    fn what_is_given_back_is_there_again(history in history(), shape in 0usize..3, price in 1u64..5) {
        let shape = [Shape::Rolling, Shape::Sliding, Shape::Fixed][shape];
        let limit = limit(shape, 20, 1000, None);
        let mut window = Window::new(shape);
        let mut now = BASE;
        for (gap, _) in history {
            now += gap as i64;
            let at = Timestamp::from_millis(now);
            if let Window::Fixed(fixed) = &mut window {
                fixed.look(&limit, 1, at);
                if let Some(lease) = fixed.wants(&limit, price) { fixed.granted(lease); }
            }
            let before = window.look(&limit, price, at);
            if before.fit == Fit::Fits {
                window.charge(&limit, price, at);
                let reset = window.look(&limit, 0, at).reset;
                window.give_back(&limit, price, at, reset);
                prop_assert_eq!(window.look(&limit, price, at).remaining, before.remaining);
                window.charge(&limit, 1, at);
            }
        }
    }

    #[test]
    fn what_was_charged_out_of_order_is_given_back_whole(charges in proptest::collection::vec((0i64..3000, 1u64..4), 1..8), back in 0usize..8) {
        let limit = limit(Shape::Sliding, 100, 60_000, None);
        let mut window = Window::new(Shape::Sliding);
        let mut charged = Vec::new();
        for (after, price) in charges {
            let at = Timestamp::from_millis(BASE + after);
            window.charge(&limit, price, at);
            charged.push((window.look(&limit, 0, at).reset, price));
        }
        let now = Timestamp::from_millis(BASE + 3000);
        let before = window.look(&limit, 0, now).remaining;
        let (reset, price) = charged[back % charged.len()];
        window.give_back(&limit, price, now, reset);
        prop_assert_eq!(window.look(&limit, 0, now).remaining, before + price);
    }

    #[test]
    fn a_sliding_log_is_saved_whole(history in history()) {
        let limit = limit(Shape::Sliding, 20, 1000, None);
        let mut log = Sliding::default();
        let mut now = BASE;
        for (gap, price) in history {
            now += gap as i64;
            let at = Timestamp::from_millis(now);
            if log.look(&limit, price, at).fit == Fit::Fits { log.charge(&limit, price, at); }
        }
        prop_assert_eq!(Sliding::from_saved(&log.to_saved()), Some(log));
    }

    #[test]
    fn a_crash_costs_no_more_than_a_lease(requests in 1u64..5000, spent in 0u64..6000) {
        let limit = limit(Shape::Fixed, requests, 3_600_000, None);
        let at = Timestamp::from_millis(BASE);
        let (mut window, mut row) = (Fixed::default(), None);
        let mut served = 0;
        for _ in 0..spent {
            let look = window.look(&limit, 1, at);
            if let Some(lease) = window.wants(&limit, 1) { row = Some(lease); window.granted(lease); }
            if matches!(look.fit, Fit::Fits | Fit::NeedsLease) { window.charge(1); served += 1; }
            if let Some(lease) = window.wants(&limit, 0) { row = Some(lease); window.granted(lease); }
        }
        // The process dies here; the row is all that is left.
        let row = row.map_or(0, |lease| lease.written);
        prop_assert!(served <= row && row <= requests);
        prop_assert!(row - served <= 2.max(requests / 100));
    }
}

const SLOTS_AND_UP: std::ops::Range<u64> = sliding::SLOTS + 1..sliding::SLOTS + 3000;

#[test]
fn a_sliding_log_of_any_traffic_stays_small() {
    let limit = limit(Shape::Sliding, 1_000_000, 60_000, None);
    let mut log = Sliding::default();
    for millis in 0..120_000 {
        log.charge(&limit, 3, Timestamp::from_millis(BASE + millis));
    }
    assert!(log.to_saved().len() <= (sliding::SLOTS as usize + 2) * 24);
}

#[test]
fn bytes_that_are_no_log_are_refused() {
    assert_eq!(Sliding::from_saved(&[1, 2, 3]), None);
    assert_eq!(Sliding::from_saved(&[0xff; 48]), None);
}

#[test]
fn a_clock_that_steps_back_forgets_nothing() {
    let limit = limit(Shape::Fixed, 1, 1000, None);
    let mut window = Fixed::default();
    let at = Timestamp::from_millis(BASE);
    window.look(&limit, 1, at);
    let lease = window.wants(&limit, 1).expect("an empty window asks");
    window.granted(lease);
    window.charge(1);
    let earlier = Timestamp::from_millis(BASE - 5000);
    assert_eq!(window.look(&limit, 1, earlier).fit, Fit::From(Timestamp::from_millis(BASE + 1000)));
}

#[test]
fn a_lease_of_an_earlier_window_counts_for_nothing() {
    let limit = limit(Shape::Fixed, 100, 1000, None);
    let mut window = Fixed::default();
    window.look(&limit, 1, Timestamp::from_millis(BASE));
    let old = window.wants(&limit, 1).expect("an empty window asks");
    let look = window.look(&limit, 1, Timestamp::from_millis(BASE + 1000));
    window.granted(old);
    assert_eq!((look.fit, look.remaining), (Fit::NeedsLease, 100));
    assert_eq!(window.look(&limit, 1, Timestamp::from_millis(BASE + 1000)).fit, Fit::NeedsLease);
}

#[test]
fn a_raised_limit_makes_room_at_once_and_a_lowered_one_locks_nobody_out_for_long() {
    let at = Timestamp::from_millis(BASE);
    for shape in [Shape::Rolling, Shape::Sliding] {
        let (low, high) = (limit(shape, 3, 60_000, None), limit(shape, 1000, 60_000, None));
        let mut window = Window::new(shape);
        (0..3).for_each(|_| window.charge(&low, 1, at));
        assert_eq!(window.look(&low, 1, at).remaining, 0);
        assert_eq!(window.look(&high, 1, at).remaining, 997, "{shape:?}");
        (0..900).for_each(|_| window.charge(&high, 1, at));
        assert_eq!(window.look(&low, 1, at).remaining, 0);
        assert!(window.look(&low, 1, at).reset <= Timestamp::from_millis(BASE + 60_001), "{shape:?}");
    }
}

#[test]
fn a_rolling_window_gives_back_what_it_still_remembers_and_nothing_else() {
    let limit = limit(Shape::Rolling, 20, 10_000, Some(10));
    let at = |millis: i64| Timestamp::from_millis(BASE + millis);
    let mut window = Window::new(Shape::Rolling);
    let charge = |window: &mut Window, millis| {
        window.charge(&limit, 1, at(millis));
        window.look(&limit, 0, at(millis)).reset
    };
    let reset = charge(&mut window, 0);
    // Kept busy: it was never full again, though the reset that was told went by.
    for step in 1..8 {
        charge(&mut window, step * 400);
    }
    let before = window.look(&limit, 0, at(3000)).remaining;
    window.give_back(&limit, 1, at(0), reset);
    assert_eq!(window.look(&limit, 0, at(3000)).remaining, before + 1);
    // Full again in between: the old charge is forgotten, and the new one stays.
    let reset = charge(&mut window, 60_000);
    charge(&mut window, 120_000);
    window.give_back(&limit, 1, at(60_000), reset);
    assert_eq!(window.look(&limit, 0, at(120_000)).remaining, 9);
}

#[test]
fn what_is_given_back_is_ones_own() {
    let limit = limit(Shape::Sliding, 2, 1000, None);
    let (first, second) = (Timestamp::from_millis(BASE), Timestamp::from_millis(BASE + 500));
    let mut window = Window::new(Shape::Sliding);
    window.charge(&limit, 1, first);
    let reset = window.look(&limit, 0, first).reset;
    window.charge(&limit, 1, second);
    window.give_back(&limit, 1, first, reset);
    assert_eq!(window.full_at(), Timestamp::from_millis(BASE + 1500), "the second request is still counted");
    window.give_back(&limit, 1, first, reset);
    assert_eq!(window.look(&limit, 0, second).remaining, 1, "what was given back is not given back twice");
}

#[test]
fn a_burst_that_cannot_be_reckoned_with_never_fits() {
    let endless = limit(Shape::Rolling, 1, 30 * 86_400_000, Some(100_000));
    let at = Timestamp::from_millis(BASE);
    assert!(!endless.is_reckonable());
    assert_eq!(Window::new(Shape::Rolling).look(&endless, 1, at).fit, Fit::Never);
}

#[test]
fn nothing_is_asked_for_while_a_lease_is_given_back() {
    let limit = limit(Shape::Fixed, 1000, 60_000, None);
    let at = Timestamp::from_millis(BASE);
    let mut window = Fixed::default();
    window.look(&limit, 1, at);
    let lease = window.wants(&limit, 1).expect("an empty window asks");
    window.granted(lease);
    window.charge(1);
    let back = window.settle().expect("four of five are open");
    assert_eq!(back.written, 1);
    assert_eq!(
        (window.look(&limit, 1, at).fit, window.wants(&limit, 1)),
        (Fit::NeedsLease, None),
        "the counts reach the database in order"
    );
    window.granted(back);
    assert_eq!(window.wants(&limit, 1).map(|lease| lease.written), Some(6));
}
