//! THE HOT PATH. Read it from top to bottom: what a request says → how its credential looks → SHA-256 → the hot set →
//! state → address, plan, scope → limits and balance → the verdict.
//!
//! A check of a key in the hot set waits for no disk. It takes the lock of its own key's subject, and, where limits count so, of
//! its account's or address's; a request of another account waits for none of them. One that is not in the hot set costs one
//! trip to a reader thread: its key by primary key, and what its limits remember.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use smallvec::SmallVec;
use tokio::sync::futures::Notified;

use super::ask::{Ask, Credential, Mode, Wants};
use super::meter::Tally;
use super::meter::subject::{State, Subject, SubjectId};
use super::{Services, slot_of};
use crate::domain::address;
use crate::domain::balance::Balance;
use crate::domain::caller::Caller;
use crate::domain::carrier::{self, Carrier, Found};
use crate::domain::decision::{Decision, Standing};
use crate::domain::error::{Error, Result};
use crate::domain::jwt;
use crate::domain::key::{KeyHash, Looks};
use crate::domain::limit::{Count, Limit};
use crate::domain::path;
use crate::domain::route::Route;
use crate::domain::scope;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Verdict;
use crate::domain::window::fixed::Lease;
use crate::domain::window::{Fit, Look, Window};
use crate::store::Connection;
use crate::store::{PATIENCE, accounts, keys};

/// A key, or a user with an access token, that is in use: who it is, and where its limits are counted.
#[derive(Debug)]
pub struct Known {
    pub(super) caller: Arc<Caller>,
    pub(super) key: Arc<Subject>,
    pub(super) account: Arc<Subject>,
    /// Where changes of the account are counted, and the count when it was read.
    pub(super) account_slot: usize,
    pub(super) account_generation: u64,
    /// Under which configuration it was worked out.
    pub(super) epoch: u64,
}

impl Known {
    /// Who it is.
    pub const fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }
}

/// What a request costs, and by which route.
struct Price<'a> {
    route: Option<&'a Route>,
    cost: u64,
    tokens: u64,
}

impl Services {
    /// Decides about one request.
    pub async fn decide(self: &Arc<Self>, ask: &Ask<'_>, now: Timestamp) -> Decision {
        let (decision, subject) = self.judge(ask, now).await;
        if ask.mode == Mode::Charge {
            self.meter.tally(subject.as_ref(), decision.verdict, now);
        }
        decision
    }

    /// Decides about one request that is then passed on. It is counted with what becomes of it in the end.
    pub async fn decide_first(self: &Arc<Self>, ask: &Ask<'_>, now: Timestamp) -> (Decision, Tally) {
        let (decision, subject) = self.judge(ask, now).await;
        let tally = Tally { meter: self.meter.clone(), subject, verdict: decision.verdict, at: now };
        (decision, tally)
    }

    /// A request that was turned away before it was looked at.
    pub fn turned_away(&self, verdict: Verdict, now: Timestamp) -> Decision {
        self.meter.tally(None, verdict, now);
        Decision::of_nobody(verdict, now)
    }

    /// The verdict, and whose statistics it belongs to.
    async fn judge(self: &Arc<Self>, ask: &Ask<'_>, now: Timestamp) -> (Decision, Option<Arc<Subject>>) {
        let _timer = self.metrics.decisions.start();
        let nobody = |verdict| (Decision::of_nobody(verdict, now), None);
        if self.closed.load(Ordering::Acquire) {
            return nobody(Verdict::Unavailable);
        }
        if self.policy.server.require_https && ask.is_https == Some(Ok(false)) {
            return nobody(Verdict::Insecure);
        }
        let (Ok(client), None | Some(Ok(_))) = (ask.client, ask.is_https) else { return nobody(Verdict::Ambiguous) };
        // Methods are upper case (RFC 9110, 9.1); an app that folds them would read another one than the routes.
        let folds = ask.path.is_some() && ask.method.bytes().any(|byte| byte.is_ascii_lowercase());
        let (false, Ok(path)) = (folds, ask.path.map(path::normalise).transpose()) else { return nobody(Verdict::Ambiguous) };
        if self.holds_misplaced_key(ask.query) {
            return nobody(Verdict::Misplaced);
        }
        let route = path.map(|path| &**self.policy.routes.of(ask.method, &path)).filter(|_| ask.mode != Mode::WhoAmI);
        let is_open = ask.is_preflight || route.is_some_and(|route| route.open);
        let found = match self.find(ask, now).await {
            Ok(found) => found,
            // A bad credential does not refuse on a path that needs none.
            Err(_) if is_open => return nobody(Verdict::Ok),
            Err(Verdict::Missing) if self.policy.anonymous.is_some() && ask.mode != Mode::WhoAmI && ask.only.is_none() => Who::Anonymous,
            Err(verdict) => return nobody(verdict),
        };
        let (caller, known) = match (found, &self.policy.anonymous) {
            (Who::Key(known), _) => (known.caller.clone(), Some(known)),
            (Who::Anonymous, Some(anonymous)) => (anonymous.clone(), None),
            (Who::Anonymous, None) => return nobody(Verdict::Missing),
        };
        let balance = known.as_ref().and_then(|known| balance_of(&known.account, &caller, now)).map(Balance::total);
        if let Some(verdict) = caller.refused_by_state(now).or_else(|| caller.refused_by_address(client)) {
            if is_open {
                return nobody(Verdict::Ok);
            }
            return (Decision { caller: Some(caller), balance, ..Decision::of_nobody(verdict, now) }, known.map(|known| known.key.clone()));
        }
        let free = Decision { caller: Some(caller.clone()), balance, ..Decision::of_nobody(Verdict::Ok, now) };
        if is_open {
            return (free, known.map(|known| known.key.clone()));
        }
        let price = Price::of_request(route, &ask.wants);
        let mut decision = Decision { cost: price.cost, tokens: price.tokens, ..free };
        if ask.mode != Mode::WhoAmI
            && let Some(verdict) = refused_by_rights(&caller, route, &ask.wants)
        {
            // Somebody without a key who would need a plan or a scope needs a key first.
            if known.is_none() {
                return nobody(Verdict::Missing);
            }
            decision.verdict = verdict;
        }
        // Nobody has no account to take tokens from.
        if known.is_none() && price.tokens > 0 {
            return nobody(Verdict::Missing);
        }
        match self.counted(&caller, known.as_deref().map(|known| (&known.key, &known.account)), client, now).await {
            Ok(counted) => self.charge(&mut decision, &counted, &price, ask).await,
            Err(error) => {
                tracing::error!(request_id = ask.request_id, "what limits remember could not be read: {error}");
                decision.verdict = decision.verdict.min(Verdict::Unavailable);
            }
        }
        (decision, known.map(|known| known.key.clone()))
    }

    /// Whom a request is counted for. An address of which nothing is in memory is read first.
    pub(super) async fn counted(
        &self,
        caller: &Caller,
        known: Option<(&Arc<Subject>, &Arc<Subject>)>,
        client: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Counted> {
        let of_key = known.filter(|_| caller.counts_by(Count::Key)).map(|(key, _)| key.clone());
        let of_account = known.filter(|_| caller.counts_by(Count::Account)).map(|(_, account)| account.clone());
        let mut of_address = None;
        if caller.counts_by(Count::Address) {
            // Clients whose address nobody told are counted together.
            let address = client.map_or(IpAddr::from([0, 0, 0, 0]), address::counted);
            let subject = self.meter.subject(SubjectId::Address(address), now);
            self.meter.load(&subject).await?;
            of_address = Some(subject);
        }
        Ok(Counted { subjects: [of_key, of_account, of_address], account: known.map(|(_, account)| account.clone()) })
    }

    /// A key or an access token of this server anywhere in a query string, in any parameter that is no carrier, also where it is encoded twice.
    fn holds_misplaced_key(&self, query: Option<&str>) -> bool {
        let Some(query) = query.filter(|query| !query.is_empty()) else { return false };
        let is_carrier = |name: &str| self.policy.keys.carriers.iter().any(|carrier| matches!(carrier, Carrier::Query(own) if own == name));
        let is_one =
            |text: &str| self.policy.keys.environments.holds_key(text) || jwt::within(text).any(|one| self.is_own_access_token(one));
        let holds = |text: &str| {
            let again = || percent_encoding::percent_decode_str(text).decode_utf8_lossy();
            is_one(text) || (text.contains('%') && is_one(&again()))
        };
        form_urlencoded::parse(query.as_bytes()).any(|(name, value)| holds(&name) || (holds(&value) && !is_carrier(&name)))
    }

    /// Who a request comes from, or why that cannot be said.
    async fn find(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Who, Verdict> {
        let found = match ask.credential {
            Credential::In(headers) => carrier::read(&self.policy.keys.carriers, headers, ask.query),
            Credential::Key(key) => Found::credential(key.into()),
            Credential::Token(token) => Found::credential(token.into()),
            Credential::None => Found::Nothing,
        };
        let key = match found {
            Found::Nothing => return Err(Verdict::Missing),
            Found::Unreadable => return Err(Verdict::Malformed),
            Found::Credential(key) => key,
        };
        let is_token = matches!(ask.credential, Credential::Token(_)) || (self.policy.sign_in.at_gate && self.is_access_token(&key));
        let found = if is_token {
            self.signed_in(&key, now).await
        } else {
            match self.policy.keys.environments.looks(&key) {
                Looks::Reserved => return Err(Verdict::Reserved),
                Looks::Alien => return Err(Verdict::Unknown),
                Looks::Plausible => self.known(&KeyHash::of(&key), now).await,
            }
        };
        match found {
            Ok(Some(known)) if ask.only.is_none_or(|only| known.caller.belongs_to(only)) => Ok(Who::Key(known)),
            Ok(_) => Err(Verdict::Unknown),
            Err(error) => {
                tracing::error!(request_id = ask.request_id, "a credential could not be looked up: {error}");
                Err(Verdict::Unavailable)
            }
        }
    }

    /// A key by its hash: from the hot set, else from the database in one trip.
    pub(super) async fn known(&self, hash: &KeyHash, now: Timestamp) -> Result<Option<Arc<Known>>> {
        self.keys.get(hash, now, |known| self.is_fresh(known, now), || self.read_known(*hash, now)).await
    }

    /// Whether what was worked out of somebody still holds.
    pub(super) fn is_fresh(&self, known: &Known, now: Timestamp) -> bool {
        known.epoch == self.epoch && now < known.caller.valid_until && known.account_generation == self.accounts.of(known.account_slot)
    }

    async fn read_known(&self, hash: KeyHash, now: Timestamp) -> Result<Option<Arc<Known>>> {
        let (policy, epoch) = (self.policy.clone(), self.epoch);
        let (meter, generations) = (self.meter.clone(), self.accounts.clone());
        let read = move |connection: &Connection| {
            let Some(stored) = keys::by_hash(connection, &hash)? else { return Ok(None) };
            // Everything that a change of the account raises or writes to is taken hold of before the account is read.
            let id = stored.record.account.as_str();
            let key = meter.subject(SubjectId::Key { id: stored.record.id.as_str().into(), account: id.into() }, now);
            let account = meter.subject(SubjectId::Account(id.into()), now);
            let account_slot = slot_of(id);
            let account_generation = generations.of(account_slot);
            let owner = accounts::by_id(connection, id)?.ok_or_else(|| Error::Internal(format!("{} has no account", stored.record.id)))?;
            account.set_balance(owner.version, owner.balance);
            key.load(connection)?;
            account.load(connection)?;
            let caller = Arc::new(Caller::of_key(stored.record, owner.record, &policy.plans, now));
            Ok(Some(Arc::new(Known { caller, key, account, account_slot, account_generation, epoch })))
        };
        self.store.read(read).await
    }

    /// Limits and balance: looks at all of them, and where all of them let the request through, charges all of them.
    async fn charge(self: &Arc<Self>, decision: &mut Decision, counted: &Counted, price: &Price<'_>, ask: &Ask<'_>) {
        let Some(caller) = decision.caller.clone() else { return };
        if ask.mode != Mode::WhoAmI && lacks_balance(counted.balance(&caller, decision.at), &caller, price) {
            decision.verdict = decision.verdict.min(Verdict::NoBalance);
        }
        // Who is refused already is only told how the limits stand.
        let mode = if decision.verdict.passes() { ask.mode } else { Mode::WhoAmI };
        let mut deadline = None;
        while let Attempt::Wait { answered, subject, failures } = self.attempt(decision, &caller, counted, price, mode) {
            self.meter.leases.waits.count();
            let deadline = *deadline.get_or_insert_with(|| tokio::time::Instant::now() + PATIENCE);
            let in_time = tokio::time::timeout_at(deadline, answered).await.is_ok();
            if !in_time || subject.lock().failures != failures {
                tracing::error!(request_id = ask.request_id, "a fixed window could not be charged: the database did not write it off");
                decision.verdict = Verdict::Unavailable;
                return;
            }
        }
        if mode == Mode::Charge && decision.verdict.passes() && price.tokens > 0 {
            self.charge_balance(decision, &caller, counted, price, ask).await;
        }
    }

    /// One look at every limit, under the locks of all subjects that count; then the charge, or the reason why not.
    fn attempt<'c>(&self, decision: &mut Decision, caller: &Caller, counted: &'c Counted, price: &Price<'_>, mode: Mode) -> Attempt<'c> {
        let mut states = counted.lock();
        let lacking = look_at_all(decision, caller, &mut states, price);
        if mode == Mode::WhoAmI {
            decision.standings.iter_mut().for_each(|standing| standing.exceeded = standing.remaining == 0);
            decision.deciding = tightest(decision, caller);
            return Attempt::Decided;
        }
        if refused_by_limit(decision, caller) || mode == Mode::Look {
            return Attempt::Decided;
        }
        if let Some(count) = lacking {
            let leases = wanted_leases(caller, &mut states, price);
            let subject = counted.of(count);
            // Made under the lock, so that no answer can come before it listens.
            let answered = subject.answered.notified();
            let failures = states[count].as_ref().map_or(0, |state| state.failures);
            drop(states);
            self.ask_for(leases, caller, counted);
            return Attempt::Wait { answered, subject, failures };
        }
        let leases = charge_all(decision, caller, &mut states, price);
        self.list_changed(states, counted);
        self.ask_for(leases, caller, counted);
        decision.deciding = tightest(decision, caller);
        Attempt::Decided
    }

    /// Puts what was changed on the list of what is to be saved, and lets go of it.
    pub(super) fn list_changed(&self, mut states: States<'_>, counted: &Counted) {
        let newly_listed = |count: &usize| states[*count].as_mut().is_some_and(|state| !std::mem::replace(&mut state.is_listed, true));
        let unlisted: SmallVec<[usize; COUNTS]> = (0..COUNTS).filter(newly_listed).collect();
        drop(states);
        unlisted.into_iter().for_each(|count| self.meter.list(counted.of(count)));
    }

    /// Posts what windows want written off. Never under their lock: an answer takes it.
    fn ask_for(&self, leases: Leases, caller: &Caller, counted: &Counted) {
        for (limit, lease) in leases {
            let limit = &caller.limits[limit];
            self.meter.ask(counted.of(limit.count as usize), limit.slot.clone(), lease);
        }
    }

    /// Takes the tokens: committed before it is answered. Where the balance does not cover them after all, the limits get back
    /// what they were charged.
    async fn charge_balance(
        self: &Arc<Self>,
        decision: &mut Decision,
        caller: &Caller,
        counted: &Counted,
        price: &Price<'_>,
        ask: &Ask<'_>,
    ) {
        let Some(account) = &caller.account else { return };
        let charged = self.take_tokens(&account.id, price.tokens_signed(), decision.at).await;
        match charged {
            Ok((balance, paid)) => {
                (decision.balance, decision.paid) = (Some(balance.total()), Some(paid));
                return;
            }
            Err(Error::NoBalance) => decision.verdict = Verdict::NoBalance,
            Err(error) => {
                tracing::error!(request_id = ask.request_id, "a balance could not be charged: {error}");
                decision.verdict = Verdict::Unavailable;
            }
        }
        self.give_back_limits(decision, caller, counted, decision.at);
    }
}

/// Who a request comes from.
enum Who {
    Key(Arc<Known>),
    Anonymous,
}

/// How one look ended.
enum Attempt<'a> {
    /// With a verdict.
    Decided,
    /// The database must write something off first.
    Wait { answered: Notified<'a>, subject: &'a Arc<Subject>, failures: u64 },
}

/// How many ways of counting there are.
const COUNTS: usize = 3;

/// The locked states of a request's subjects, by [`Count`].
pub(super) type States<'a> = [Option<MutexGuard<'a, State>>; COUNTS];

/// Leases to ask for, each with the index of its limit.
type Leases = SmallVec<[(usize, Lease); 2]>;

/// The subjects that a request is counted for, by [`Count`]; locked in this order, always.
pub(super) struct Counted {
    subjects: [Option<Arc<Subject>>; COUNTS],
    /// Where the balance is, whether or not any limit counts by account.
    account: Option<Arc<Subject>>,
}

impl Counted {
    pub(super) fn lock(&self) -> States<'_> {
        let [key, account, address] = &self.subjects;
        [key, account, address].map(|subject| subject.as_ref().map(|subject| subject.lock()))
    }

    fn of(&self, count: usize) -> &Arc<Subject> {
        // Only a count whose state was locked is ever asked for.
        self.subjects[count].as_ref().unwrap_or_else(|| unreachable!("a limit is counted for a subject that is there"))
    }

    fn balance(&self, caller: &Caller, now: Timestamp) -> Option<Balance> {
        balance_of(self.account.as_ref()?, caller, now)
    }
}

impl<'a> Price<'a> {
    /// The ask goes before the route; without either a request costs 1.
    fn of_request(route: Option<&'a Route>, wants: &Wants<'_>) -> Self {
        let cost = wants.cost.or(route.map(|route| route.cost)).unwrap_or(1);
        let tokens = wants.tokens.or(route.map(|route| route.tokens)).unwrap_or(0);
        Self { route, cost, tokens }
    }

    /// Whether the route leaves the limit in: one that names its limits leaves out all others.
    fn draws_on(&self, limit: &Limit) -> bool {
        self.route.and_then(|route| route.limits.as_ref()).is_none_or(|limits| limits.iter().any(|name| **name == *limit.name))
    }

    /// What it draws from a limit: nothing from one that the route does not name.
    fn of(&self, limit: &Limit) -> u64 {
        if self.draws_on(limit) { limit.price(self.cost, self.tokens) } else { 0 }
    }

    fn tokens_signed(&self) -> i64 {
        i64::try_from(self.tokens).unwrap_or(i64::MAX)
    }
}

/// An account's balance as it stands now.
fn balance_of(account: &Subject, caller: &Caller, now: Timestamp) -> Option<Balance> {
    let opened = caller.account.as_ref()?.created_at;
    account.balance().map(|balance| balance.at(now, opened, caller.monthly_tokens))
}

fn refused_by_rights(caller: &Caller, route: Option<&Route>, wants: &Wants<'_>) -> Option<Verdict> {
    let fits = |plans: &[String]| plans.is_empty() || plans.contains(&caller.plan.name);
    if !caller.plan.api || !fits(wants.plans) || !route.is_none_or(|route| fits(&route.plans)) {
        return Some(Verdict::WrongPlan);
    }
    let mut needed = wants.scopes.iter().chain(route.iter().flat_map(|route| &route.scopes));
    needed.any(|needed| !scope::covers(caller.granted(), needed)).then_some(Verdict::WrongScope)
}

fn lacks_balance(balance: Option<Balance>, caller: &Caller, price: &Price<'_>) -> bool {
    let total = balance.map_or(0, Balance::total);
    (caller.plan.needs_balance && total <= 0) || (price.tokens > 0 && total < price.tokens_signed())
}

/// Looks at every limit and notes how it stands. Answers by which count something must be written off first.
fn look_at_all(decision: &mut Decision, caller: &Caller, states: &mut States<'_>, price: &Price<'_>) -> Option<usize> {
    let now = decision.at;
    let mut lacking = None;
    decision.standings.clear();
    for (index, limit) in caller.limits.iter().enumerate() {
        let Some(state) = &mut states[limit.count as usize] else { continue };
        let slot = state.window(limit);
        // For whoever tells of quotas, later.
        slot.most = if limit.observe { 0 } else { limit.requests };
        let Look { remaining, reset, fit } = slot.window.look(limit, price.of(limit), now);
        let opens = match fit {
            Fit::Fits => None,
            Fit::NeedsLease => {
                lacking = lacking.or((!limit.observe).then_some(limit.count as usize));
                None
            }
            Fit::From(at) => Some(at),
            Fit::Never => Some(Timestamp::MAX),
        };
        if opens.is_some() && limit.observe && slot.quiet_until <= now {
            slot.quiet_until = reset;
            tracing::info!(limit = &*limit.name, key = caller.key.as_ref().map(|key| &*key.id), "a limit that only observes ran out");
        }
        decision.standings.push(Standing {
            limit: index,
            is_drawn_on: price.draws_on(limit),
            remaining,
            reset,
            exceeded: opens.is_some(),
            opens: opens.unwrap_or(now),
        });
    }
    lacking
}

/// What the fixed windows of a request want written off before it can be charged.
fn wanted_leases(caller: &Caller, states: &mut States<'_>, price: &Price<'_>) -> Leases {
    let mut leases = Leases::new();
    for (index, limit) in caller.limits.iter().enumerate() {
        let Some(state) = &mut states[limit.count as usize] else { continue };
        if let Window::Fixed(fixed) = &mut state.window(limit).window {
            leases.extend(fixed.wants(limit, price.of(limit)).map(|lease| (index, lease)));
        }
    }
    leases
}

/// Charges every limit, and notes how it stands afterwards. Answers the next leases, fetched before these are empty.
fn charge_all(decision: &mut Decision, caller: &Caller, states: &mut States<'_>, price: &Price<'_>) -> Leases {
    let mut leases = Leases::new();
    for standing in &mut decision.standings {
        let limit = &caller.limits[standing.limit];
        let (Some(state), price) = (&mut states[limit.count as usize], price.of(limit)) else { continue };
        if standing.exceeded || price == 0 {
            continue;
        }
        let slot = state.window(limit);
        slot.window.charge(limit, price, decision.at);
        slot.is_saved = false;
        let after = slot.window.look(limit, 0, decision.at);
        (standing.remaining, standing.reset) = (after.remaining, after.reset);
        if let Window::Fixed(fixed) = &mut slot.window {
            leases.extend(fixed.wants(limit, 0).map(|lease| (standing.limit, lease)));
        }
    }
    leases
}

/// Of several windows that ran out, the one that opens last decides.
fn refused_by_limit(decision: &mut Decision, caller: &Caller) -> bool {
    let ran_out = |(_, standing): &(usize, &Standing)| standing.exceeded && !caller.limits[standing.limit].observe;
    let last = decision.standings.iter().enumerate().filter(ran_out).max_by_key(|(_, standing)| standing.opens);
    let Some((at, standing)) = last else {
        decision.deciding = tightest(decision, caller);
        return false;
    };
    let is_quota = caller.limits[standing.limit].is_quota();
    decision.verdict = if is_quota { Verdict::QuotaExceeded } else { Verdict::RateLimited };
    decision.deciding = Some(at);
    true
}

/// Of the limits that the request draws on, the one that leaves least.
pub(super) fn tightest(decision: &Decision, caller: &Caller) -> Option<usize> {
    let refusing = |(_, standing): &(usize, &Standing)| standing.is_drawn_on && !caller.limits[standing.limit].observe;
    decision.standings.iter().enumerate().filter(refusing).min_by_key(|(_, standing)| standing.remaining).map(|(at, _)| at)
}
