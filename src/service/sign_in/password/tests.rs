//! The pool: what is found, how many run together, who is turned away.

use std::sync::mpsc;

use super::*;

/// Quick, and else as the real ones.
const QUICK: PasswordSettings = PasswordSettings { memory_kib: 4096, passes: 1, ..PasswordSettings::DEFAULT };

fn plain(text: &str) -> Password {
    Password::parse(text.into()).ok().unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

#[test]
fn a_password_and_what_is_none() {
    runtime().block_on(async {
        let passwords = Passwords::new(QUICK).unwrap();
        let right = plain("correct horse");
        let hash = passwords.hash(&right).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=4096,t=1,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash(&right).await.unwrap(), "each has a salt of its own");
        let found = |matches, needs_rehash| Ok(Checked { matches, needs_rehash });
        assert_eq!(passwords.check(&right, Some(&hash)).await, found(true, false));
        assert_eq!(passwords.check(&plain("correct horse "), Some(&hash)).await, found(false, false));
        assert_eq!(passwords.check(&right, None).await, found(false, false));
        assert_eq!(passwords.check(&right, Some("no hash at all")).await, found(false, false));
        assert_eq!(passwords.check(&right, Some("")).await, found(false, false));
    });
}

#[test]
fn what_should_be_hashed_anew() {
    runtime().block_on(async {
        let passwords = Passwords::new(QUICK).unwrap();
        let right = plain("correct horse");
        for other in [
            PasswordSettings { memory_kib: 8192, ..QUICK },
            PasswordSettings { passes: 2, ..QUICK },
            PasswordSettings { lanes: 2, ..QUICK },
        ] {
            let hash = Passwords::new(other).unwrap().hash(&right).await.unwrap();
            assert_eq!(passwords.check(&right, Some(&hash)).await, Ok(Checked { matches: true, needs_rehash: true }), "{hash}");
            let wrong = passwords.check(&plain("wrong"), Some(&hash)).await;
            assert_eq!(wrong, Ok(Checked { matches: false, needs_rehash: false }), "{hash}");
        }
        let bcrypt = "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";
        assert_eq!(passwords.check(&right, Some(bcrypt)).await, Ok(Checked { matches: true, needs_rehash: true }));
    });
}

#[test]
fn one_password_from_two_keyboards() {
    runtime().block_on(async {
        let passwords = Passwords::new(QUICK).unwrap();
        let (composed, decomposed) = (plain("gr\u{fc}n"), plain("gru\u{308}n"));
        let hash = passwords.hash(&decomposed).await.unwrap();
        assert_eq!(passwords.check(&composed, Some(&hash)).await, Ok(Checked { matches: true, needs_rehash: false }));
        // Another program hashed what was typed.
        let foreign = hash_with(&passwords.params, "gru\u{308}n").unwrap();
        assert_eq!(passwords.check(&decomposed, Some(&foreign)).await, Ok(Checked { matches: true, needs_rehash: true }));
        assert_eq!(passwords.check(&composed, Some(&foreign)).await, Ok(Checked { matches: false, needs_rehash: false }));
    });
}

/// Runs fifty at once; answers how many ran together at the most, and how many were turned away.
fn crowd(settings: PasswordSettings, places: usize) -> (usize, usize) {
    runtime().block_on(async {
        let passwords = Arc::new(Passwords::new(settings).unwrap());
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let callers: Vec<_> = (0..50)
            .map(|_| {
                let (passwords, now, most) = (passwords.clone(), now.clone(), most.clone());
                tokio::spawn(async move {
                    let work = move || {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(2));
                        now.fetch_sub(1, Ordering::SeqCst);
                    };
                    passwords.run(places, work).await
                })
            })
            .collect();
        let mut turned_away = 0;
        for caller in callers {
            turned_away += usize::from(caller.await.unwrap() == Err(Trouble::Busy));
        }
        (most.load(Ordering::SeqCst), turned_away)
    })
}

#[test]
fn never_more_at_once_than_was_said() {
    assert_eq!(crowd(PasswordSettings { at_once: 2, queue: 50, ..QUICK }, 1), (2, 0));
    assert_eq!(crowd(PasswordSettings { at_once: 4, queue: 50, ..QUICK }, 1), (4, 0));
    // What needs more memory runs alone.
    assert_eq!(crowd(PasswordSettings { at_once: 4, queue: 50, ..QUICK }, 4), (1, 0));
    let (most, turned_away) = crowd(PasswordSettings { at_once: 1, queue: 5, ..QUICK }, 1);
    assert_eq!(most, 1);
    assert!((1..=44).contains(&turned_away), "{turned_away} were turned away");
}

#[test]
fn memory_is_what_places_are_for() {
    let passwords = Passwords::new(PasswordSettings { memory_kib: 19_456, at_once: 4, ..QUICK }).unwrap();
    let places = |hash: &str| passwords.places_for(&Stored::parse(hash).unwrap());
    assert_eq!(places("$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"), 1);
    assert_eq!(places("$argon2id$v=19$m=38912,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"), 2);
    assert_eq!(places("$argon2id$v=19$m=262144,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"), 4);
}

/// Takes the one place, until it is told to go.
fn take_the_place(passwords: &Arc<Passwords>) -> (tokio::task::JoinHandle<Result<(), Trouble>>, mpsc::Sender<()>) {
    let ((begun, has_begun), (go, gone)) = (mpsc::channel(), mpsc::channel::<()>());
    let passwords = passwords.clone();
    let work = move || {
        begun.send(()).unwrap();
        // A test that failed has gone.
        let _ = gone.recv();
    };
    let holder = tokio::spawn(async move { passwords.run(1, work).await });
    has_begun.recv().unwrap();
    (holder, go)
}

#[test]
fn a_full_queue() {
    runtime().block_on(async {
        let mut passwords = Passwords::new(PasswordSettings { at_once: 1, queue: 1, ..QUICK }).unwrap();
        passwords.patience = Duration::from_secs(60);
        let passwords = Arc::new(passwords);
        let (holder, go) = take_the_place(&passwords);
        let waiter = {
            let passwords = passwords.clone();
            tokio::spawn(async move { passwords.check(&plain("x"), None).await })
        };
        while passwords.waiting.load(Ordering::Acquire) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(passwords.check(&plain("x"), None).await, Err(Trouble::Busy));
        go.send(()).unwrap();
        holder.await.unwrap().unwrap();
        assert!(waiter.await.unwrap().is_ok(), "who waited has their turn");
        assert_eq!(passwords.waiting.load(Ordering::Acquire), 0);
    });
}

#[test]
fn a_slow_queue() {
    runtime().block_on(async {
        let mut passwords = Passwords::new(PasswordSettings { at_once: 1, queue: 1, ..QUICK }).unwrap();
        passwords.patience = Duration::from_millis(1);
        let passwords = Arc::new(passwords);
        let (holder, go) = take_the_place(&passwords);
        assert_eq!(passwords.check(&plain("x"), None).await, Err(Trouble::Busy));
        assert_eq!(passwords.waiting.load(Ordering::Acquire), 0, "who is turned away waits no more");
        go.send(()).unwrap();
        holder.await.unwrap().unwrap();
        assert!(passwords.check(&plain("x"), None).await.is_ok(), "there is room again");
    });
}

#[test]
fn a_place_stays_taken_though_nobody_waits() {
    runtime().block_on(async {
        let passwords = Arc::new(Passwords::new(PasswordSettings { at_once: 1, queue: 0, ..QUICK }).unwrap());
        let (holder, go) = take_the_place(&passwords);
        holder.abort();
        assert!(holder.await.is_err());
        assert_eq!(passwords.check(&plain("x"), None).await, Err(Trouble::Busy));
        go.send(()).unwrap();
        while passwords.places.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_failed_check_lasts_as_long_as_the_slowest() {
    runtime().block_on(async {
        let passwords = Passwords::new(QUICK).unwrap();
        let bcrypt = "$2b$09$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2".to_owned();
        passwords.prepare(&[bcrypt]).await;
        let slowest = passwords.times.least();
        assert!(slowest > Duration::ZERO);
        let began = Instant::now();
        passwords.check(&plain("wrong"), None).await.unwrap();
        assert!(began.elapsed() >= slowest, "{:?} of {slowest:?}", began.elapsed());
    });
}

/// Once the parameters were raised, a hash of before is checked sooner than nobody's.
#[test]
fn a_failed_check_of_an_older_hash_lasts_as_long_as_nobodys() {
    runtime().block_on(async {
        let old = Passwords::new(PasswordSettings { memory_kib: 512, ..QUICK }).unwrap().hash(&plain("right")).await.unwrap();
        let passwords = Passwords::new(PasswordSettings { memory_kib: 16_384, ..QUICK }).unwrap();
        passwords.prepare(&[passwords.hash(&plain("right")).await.unwrap()]).await;
        assert_eq!(passwords.times.least(), Duration::ZERO, "nothing is drawn out where all are alike");
        passwords.prepare(std::slice::from_ref(&old)).await;
        let slowest = passwords.times.least();
        // The work of nobody's, which is 32 times that of the older.
        let quickest = (0..5)
            .map(|_| {
                let began = Instant::now();
                compare(&passwords.nobody, &plain("wrong")).unwrap();
                began.elapsed()
            })
            .min()
            .unwrap();
        assert!(slowest * 4 >= quickest, "{slowest:?} of {quickest:?}");
        let began = Instant::now();
        assert!(!passwords.check(&plain("wrong"), Some(&old)).await.unwrap().matches);
        assert!(began.elapsed() >= slowest, "{:?} of {slowest:?}", began.elapsed());
    });
}

#[test]
fn what_is_too_weak_to_be_chosen() {
    let (passwords, runtime) = (Passwords::new(QUICK).unwrap(), runtime());
    let own = ["Leopold Bloomfield", "leopold.bloomfield@dublin-adverts.example", "+353861234567"];
    for (weak, says) in [
        ("short", "at least 8 characters"),
        ("пароль7", "at least 8 characters"),
        ("password", "top-10"),
        ("aaaaaaaaaaaa", "Repeats"),
        ("qwertyuiop", "common password"),
        ("bloomfield", "too easy to guess"),
        ("Leopold Bloomfield", "too easy to guess"),
        ("dublin-adverts", "too easy to guess"),
        ("353861234567", "too easy to guess"),
    ] {
        let fault = runtime.block_on(passwords.weakness(&plain(weak), &own)).unwrap().unwrap_or_else(|| panic!("{weak} is taken"));
        assert!(fault.contains(says), "{weak}: {fault}");
    }
    for strong in ["correct horse battery", "Vx7#kq2!mR", "мой дядя самых честных правил", "tr0ub4dour&3x"] {
        assert_eq!(runtime.block_on(passwords.weakness(&plain(strong), &own)).unwrap(), None, "{strong}");
    }
    // Nobody is held up by a long one.
    let long = "lorem ipsum dolor ".repeat(50);
    let began = Instant::now();
    let _ = runtime.block_on(passwords.weakness(&plain(&long), &own)).unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
}
