//! Saving: what was counted, and what rolling and sliding windows remember, each quarter second in one transaction.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::subject::{Reached, Subject, SubjectId, Told};
use super::{Meter, lock};
use crate::domain::error::Result;
use crate::domain::time::{Span, Timestamp};
use crate::domain::verdict::Verdict;
use crate::domain::window::Window;
use crate::service::webhooks::Announcer;
use crate::store::Connection;
use crate::store::{keys, usage, usage_totals, windows};

/// How often the last flush is tried.
const LAST_TRIES: usize = 3;

/// How many subjects one transaction saves, so that a lease never waits long behind it.
const GROUP: usize = 1000;

/// What is to be written of one subject.
struct Unsaved {
    subject: Arc<Subject>,
    tallies: Vec<(Verdict, u32)>,
    last_used: Option<Timestamp>,
    windows: Vec<(Arc<str>, Window)>,
    reached: Vec<Reached>,
}

impl Meter {
    /// Posts everything that is not saved yet. What cannot be written is kept for the next time.
    pub fn flush(self: &Arc<Self>, now: Timestamp) {
        let hour = now.floor_to(Span::from_secs(3600));
        self.flush_nobody(hour);
        let listed: Vec<_> = self.listed.iter().flat_map(|shard| std::mem::take(&mut *lock(shard))).collect();
        let percentages = self.announcer.percentages();
        for group in listed.chunks(GROUP) {
            let unsaved: Arc<[Unsaved]> = group.iter().map(|subject| take(subject, &percentages)).collect();
            let (meter, announcer, kept) = (self.clone(), self.announcer.clone(), unsaved.clone());
            self.store.post(
                move |connection| {
                    unsaved.iter().try_for_each(|one| write(connection, &announcer, one, hour, now))?;
                    write_totals(connection, &unsaved, hour)
                },
                move |result| {
                    if let Err(error) = result {
                        tracing::error!("statistics were not written, and are kept for the next time: {error}");
                        kept.iter().for_each(|one| meter.keep(one));
                    }
                },
            );
        }
    }

    fn flush_nobody(self: &Arc<Self>, hour: Timestamp) {
        let counts: Vec<_> = Verdict::ALL
            .iter()
            .map(|verdict| (*verdict, self.of_nobody[*verdict as usize].swap(0, Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect();
        if counts.is_empty() {
            return;
        }
        let (meter, kept) = (self.clone(), counts.clone());
        self.store.post(
            move |connection| {
                counts.iter().try_for_each(|(verdict, count)| {
                    usage::add(connection, hour, "", "", *verdict, *count)?;
                    usage_totals::add(connection, hour, *verdict, *count)
                })
            },
            move |result| {
                if result.is_err() {
                    kept.iter().for_each(|(verdict, count)| {
                        meter.of_nobody[*verdict as usize].fetch_add(*count, Ordering::Relaxed);
                    });
                }
            },
        );
    }

    /// Puts back what was not written.
    fn keep(&self, one: &Unsaved) {
        let mut state = one.subject.lock();
        for (verdict, count) in &one.tallies {
            (0..*count).for_each(|_| state.tally(*verdict));
        }
        state.last_used = state.last_used.max(one.last_used);
        for (name, _) in &one.windows {
            if let Some(slot) = state.named(name) {
                slot.is_saved = false;
            }
        }
        for reached in &one.reached {
            if let Some(slot) = state.named(&reached.slot) {
                slot.told = Told::default();
            }
        }
        let newly = !std::mem::replace(&mut state.is_listed, true);
        drop(state);
        if newly {
            self.list(&one.subject);
        }
    }

    /// The last flush: everything is posted, and every open lease given back. Nobody asks for leases any more; those that
    /// are on their way are waited for, so that they are given back too.
    pub fn close(self: &Arc<Self>, now: Timestamp) {
        for _ in 0..LAST_TRIES {
            self.flush(now);
            self.store.wait();
            if self.listed.iter().all(|shard| lock(shard).is_empty()) {
                break;
            }
        }
        for shard in &self.shards {
            let subjects: Vec<_> = lock(shard).values().cloned().collect();
            subjects.iter().for_each(|subject| self.settle(subject));
        }
    }
}

fn take(subject: &Arc<Subject>, percentages: &[u8]) -> Unsaved {
    let mut state = subject.lock();
    state.is_listed = false;
    Unsaved {
        subject: subject.clone(),
        tallies: state.tallies.drain(..).collect(),
        last_used: state.last_used.take(),
        windows: state.take_unsaved(),
        reached: state.take_reached(percentages),
    }
}

/// What all of them counted, as one: a row each verdict.
fn write_totals(connection: &Connection, unsaved: &[Unsaved], hour: Timestamp) -> Result<()> {
    let mut totals = [0u64; Verdict::COUNT];
    for (verdict, count) in unsaved.iter().flat_map(|one| &one.tallies) {
        totals[*verdict as usize] += u64::from(*count);
    }
    let counted = Verdict::ALL.iter().zip(totals).filter(|(_, count)| *count > 0);
    counted.into_iter().try_for_each(|(verdict, count)| usage_totals::add(connection, hour, *verdict, count))
}

fn write(connection: &Connection, announcer: &Announcer, one: &Unsaved, hour: Timestamp, now: Timestamp) -> Result<()> {
    let (account, key) = match &one.subject.id {
        SubjectId::Key { id, account } | SubjectId::User { id, account } => (&**account, &**id),
        SubjectId::Account(id) => (&**id, ""),
        SubjectId::Address(_) => ("", ""),
    };
    for (verdict, count) in &one.tallies {
        usage::add(connection, hour, account, key, *verdict, u64::from(*count))?;
    }
    if let Some(at) = one.last_used.filter(|_| matches!(one.subject.id, SubjectId::Key { .. })) {
        keys::used(connection, key, at)?;
    }
    for reached in &one.reached {
        announcer.quota_reached(connection, &one.subject.id, reached, now)?;
    }
    let row = one.subject.id.row();
    one.windows.iter().try_for_each(|(name, window)| windows::save(connection, &row, name, window))
}
