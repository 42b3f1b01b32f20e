//! Applications: an account asks for a plan that is granted by review, and an administrator of the server decides. Granting sets the
//! plan in the same transaction.

use std::sync::Arc;

use serde_json::{Value, json};

use super::accounts::AccountInput;
use super::journal::Change;
use super::mails::Letter;
use super::{Page, PageAsk, Services, check_discreet, check_future, views};
use crate::config::Policy;
use crate::domain::act::Act;
use crate::domain::application::{ApplicationRecord, ApplicationState};
use crate::domain::error::{Error, FieldFault, Result};
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::letter::{Template, spoken_instant};
use crate::domain::proof::Channel;
use crate::domain::refusal::Refusal;
use crate::domain::time::{Span, Timestamp};
use crate::domain::user::Role;
use crate::domain::verdict::Verdict;
use crate::store::accounts::StoredAccount;
use crate::store::applications::{self, Filter};
use crate::store::users::{self, By};
use crate::store::{Connection, accounts};

/// How many characters each text may have.
const LONGEST_USE_CASE: usize = 4000;
const LONGEST_VOLUME: usize = 500;
const LONGEST_NOTE: usize = 2000;

/// How many an account may make in a day.
const MOST_A_DAY: i64 = 10;

/// So many that are open are counted; more is many.
const MOST_OPEN: u64 = 1000;

const DAY: Span = Span::from_secs(86_400);

/// What somebody applies with.
#[derive(Clone, Debug, Default)]
pub struct ApplicationInput {
    /// For which plan.
    pub plan: Option<String>,
    /// What for.
    pub use_case: Option<String>,
    /// How much they expect.
    pub volume: Option<String>,
    /// What could not even be read; told together with what is wrong with the rest.
    pub faults: Vec<FieldFault>,
}

/// What is decided.
#[derive(Clone, Debug)]
pub enum Ruling {
    /// The account gets the plan, until then or for good.
    Approved {
        /// What the applicant is told.
        note: String,
        /// When the plan ends.
        plan_until: Option<Timestamp>,
    },
    /// It does not.
    Rejected {
        /// What the applicant is told.
        note: String,
    },
}

impl Ruling {
    fn note(&self) -> &str {
        match self {
            Self::Approved { note, .. } | Self::Rejected { note } => note,
        }
    }

    /// When the plan ends that it gives.
    fn plan_until(&self) -> Option<Timestamp> {
        match self {
            Self::Approved { plan_until, .. } => *plan_until,
            Self::Rejected { .. } => None,
        }
    }

    /// What is wrong with it.
    fn check(&self, policy: &Policy, now: Timestamp) -> Vec<FieldFault> {
        let mut faults = Vec::new();
        check_text(policy, "note", self.note(), LONGEST_NOTE, &mut faults);
        match self {
            Self::Approved { plan_until: Some(until), .. } => {
                let wrong = check_future(*until, now).err().map(|message| FieldFault { field: "plan_until".into(), message });
                faults.extend(wrong);
            }
            Self::Rejected { note } if note.trim().is_empty() => {
                faults.push(FieldFault { field: "note".into(), message: "must be given: it is what the applicant is told".into() });
            }
            _ => {}
        }
        faults
    }
}

impl ApplicationInput {
    fn check(&self, policy: &Policy) -> Vec<FieldFault> {
        let mut faults = self.faults.clone();
        let texts = [("plan", &self.plan, 200), ("use_case", &self.use_case, LONGEST_USE_CASE), ("volume", &self.volume, LONGEST_VOLUME)];
        for (field, text, longest) in texts {
            match text.as_deref().filter(|text| !text.trim().is_empty()) {
                Some(text) => check_text(policy, field, text, longest, &mut faults),
                None if faults.iter().all(|fault| fault.field != field) => {
                    faults.push(FieldFault { field: field.into(), message: "must be given".into() });
                }
                None => {}
            }
        }
        let reviewed: Vec<&str> = policy.plans.all().iter().filter(|plan| plan.review).map(|plan| plan.name.as_str()).collect();
        if self.plan.as_deref().is_some_and(|plan| !reviewed.contains(&plan)) && faults.iter().all(|fault| fault.field != "plan") {
            let message = match reviewed.as_slice() {
                [] => "cannot be applied for: no plan is granted by review".into(),
                known => format!("must be one that is granted by review: {}", known.join(", ")),
            };
            faults.push(FieldFault { field: "plan".into(), message });
        }
        faults
    }
}

/// A text of several lines, as people write it.
fn check_text(policy: &Policy, field: &str, text: &str, longest: usize, faults: &mut Vec<FieldFault>) {
    let is_plain = text.chars().count() <= longest && text.chars().all(|c| !c.is_control() || c == '\n' || c == '\r' || c == '\t');
    let plain = if is_plain { Ok(()) } else { Err(format!("must have at most {longest} characters, and no control characters")) };
    let wrong = plain.and_then(|()| check_discreet(policy, text)).err();
    faults.extend(wrong.map(|message| FieldFault { field: field.into(), message }));
}

impl Services {
    /// Applies for a plan, for the account that the user who acts is signed in for. One may be open for each plan.
    pub async fn apply(self: &Arc<Self>, input: ApplicationInput, act: &Act) -> Result<ApplicationRecord> {
        let faults = input.check(&self.policy);
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let account = act.actor.account().ok_or_else(|| Error::refused(Verdict::Missing))?.to_owned();
        let (services, act) = (self.clone(), act.clone());
        let job = move |connection: &Connection| {
            let user = services.acting_user(connection, &act)?.ok_or_else(|| Error::refused(Verdict::Missing))?;
            services.check_role(connection, &act, &account, Role::Admin)?;
            let record = ApplicationRecord {
                id: services.next_id(connection, id::APPLICATION, act.at)?,
                account,
                user: user.id,
                plan: input.plan.unwrap_or_default(),
                use_case: input.use_case.unwrap_or_default(),
                volume: input.volume.unwrap_or_default(),
                created_at: act.at,
                state: ApplicationState::Open,
                decided_at: None,
                decided_by: None,
                note: String::new(),
            };
            services.check_application(connection, &record)?;
            applications::insert(connection, &record)?;
            services.journal_application(connection, &act, Event::ApplicationOpened, Value::Null, &record)?;
            Ok(record)
        };
        self.store.write(job, |_| ()).await
    }

    fn check_application(&self, connection: &Connection, record: &ApplicationRecord) -> Result<()> {
        let (account, plan, now) = (&record.account, &record.plan, record.created_at);
        let found = accounts::by_id(connection, account)?.ok_or_else(|| super::accounts::no_such(account))?;
        if found.record.plan_at(&self.policy.plans, now).name == *plan {
            return Err(Error::Conflict("The account has this plan already.".into()));
        }
        if applications::has_open(connection, account, plan)? {
            return Err(Error::Conflict("An application for this plan is open already.".into()));
        }
        if applications::count_since(connection, account, now.minus(DAY))? >= MOST_A_DAY {
            return Err(Refusal::until(now.plus(Span::from_secs(3600))).into());
        }
        Ok(())
    }

    /// A page of applications, oldest first. Who is bound to an account sees its own.
    pub async fn applications(
        &self,
        account: Option<String>,
        state: Option<ApplicationState>,
        ask: PageAsk,
        act: &Act,
    ) -> Result<Page<ApplicationRecord>> {
        if account.as_ref().is_some_and(|account| !act.reaches(account)) {
            return Ok(Page { data: Vec::new(), next_cursor: None });
        }
        let account = account.or_else(|| act.bound_to().map(str::to_owned));
        let filter = Filter { account, state, after: ask.cursor.clone(), limit: ask.limit + 1, is_newest_first: false };
        let rows = self.store.list(move |connection| applications::list(connection, &filter)).await?;
        Ok(ask.page(rows, |record| record.id.clone()))
    }

    /// A page of an account's own, newest first.
    pub async fn own_applications(&self, account: &str, ask: PageAsk, act: &Act) -> Result<Page<ApplicationRecord>> {
        self.check_reach(account, act).await?;
        let (account, after, limit) = (Some(account.to_owned()), ask.cursor.clone(), ask.limit + 1);
        let filter = Filter { account, state: None, after, is_newest_first: true, limit };
        let rows = self.store.list(move |connection| applications::list(connection, &filter)).await?;
        Ok(ask.page(rows, |record| record.id.clone()))
    }

    /// How many wait for a decision, up to [`MOST_OPEN`]. What was counted last is kept for whoever cannot wait.
    pub async fn count_open_applications(&self) -> Result<u64> {
        let open = self.store.read(|connection| applications::count_open(connection, MOST_OPEN)).await?;
        self.metrics.applications_open.set(open);
        Ok(open)
    }

    /// One application.
    pub async fn application(&self, id: &str, act: &Act) -> Result<ApplicationRecord> {
        let (id, act) = (id.to_owned(), act.clone());
        self.store.read(move |connection| found(connection, &id, &act)).await
    }

    /// Decides one. Where it is approved the account has the plan from the very next request on.
    pub async fn decide_application(self: &Arc<Self>, id: &str, ruling: Ruling, act: &Act) -> Result<ApplicationRecord> {
        let faults = ruling.check(&self.policy, act.at);
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let (id, act, services) = (id.to_owned(), act.clone(), self.clone());
        let job = move |connection: &Connection| {
            if services.acting_user(connection, &act)?.is_some_and(|user| !user.is_admin) {
                return Err(super::developers::may_not());
            }
            let mut record = found(connection, &id, &act)?;
            check_open(&record)?;
            let before = views::application(&record);
            let account = services.grant(connection, &record, &ruling, &act)?;
            let state = if account.is_some() { ApplicationState::Approved } else { ApplicationState::Rejected };
            close(&mut record, state, ruling.note(), &act);
            applications::update(connection, &record)?;
            services.journal_application(connection, &act, Event::ApplicationDecided, before, &record)?;
            services.tell_applicant(connection, &record, ruling.plan_until(), act.at)?;
            Ok((record, account))
        };
        let services = self.clone();
        let after = move |(_, account): &(ApplicationRecord, Option<StoredAccount>)| {
            account.iter().for_each(|account| services.account_changed(account));
        };
        self.store.write(job, after).await.map(|(record, _)| record)
    }

    /// Sets the plan that was applied for, where that is what is decided.
    fn grant(&self, connection: &Connection, record: &ApplicationRecord, ruling: &Ruling, act: &Act) -> Result<Option<StoredAccount>> {
        let Ruling::Approved { plan_until, .. } = ruling else { return Ok(None) };
        if self.policy.plans.named(&record.plan).is_none() {
            return Err(Error::Conflict(format!("There is no plan '{}' any more: reject the application.", record.plan)));
        }
        let input = AccountInput { plan: Some(record.plan.clone()), plan_until: Some(*plan_until), ..AccountInput::default() };
        self.change_account(connection, &record.account, input, act).map(Some)
    }

    /// Writes to whoever applied, where they have proven an address.
    fn tell_applicant(&self, connection: &Connection, record: &ApplicationRecord, until: Option<Timestamp>, now: Timestamp) -> Result<()> {
        let Some(user) = users::find(connection, &By::Id(record.user))? else { return Ok(()) };
        let Some(email) = user.proven_email() else { return Ok(()) };
        let title = self.policy.plans.named(&record.plan).map_or(record.plan.as_str(), |plan| plan.title.as_str());
        let is_approved = record.state == ApplicationState::Approved;
        let plan_until = until.map(spoken_instant);
        let dashboard = format!("{}{}/plan", self.public_address(), self.policy.server.prefix);
        let fields = json!({
            "name": user.name,
            "plan": title,
            "is_approved": is_approved,
            "plan_until": plan_until,
            "note": record.note,
            "dashboard": dashboard,
        });
        let letter = Letter { channel: Channel::Email, address: email, template: Template::Application, fields, secret_of: None };
        self.post_mail(connection, letter, now).map(drop)
    }

    /// Takes one back; again does no harm.
    pub async fn withdraw(self: &Arc<Self>, id: &str, act: &Act) -> Result<()> {
        let (id, act, services) = (id.to_owned(), act.clone(), self.clone());
        let job = move |connection: &Connection| {
            let record = found(connection, &id, &act)?;
            services.check_role(connection, &act, &record.account, Role::Admin)?;
            if record.state == ApplicationState::Withdrawn {
                return Ok(());
            }
            check_open(&record)?;
            services.withdraw_one(connection, record, &act)
        };
        self.store.write(job, |()| ()).await
    }

    fn withdraw_one(&self, connection: &Connection, mut record: ApplicationRecord, act: &Act) -> Result<()> {
        let before = views::application(&record);
        close(&mut record, ApplicationState::Withdrawn, "", act);
        applications::update(connection, &record)?;
        self.journal_application(connection, act, Event::ApplicationDecided, before, &record)
    }

    /// Takes back those of an account that are open, where it is closed.
    pub(super) fn withdraw_all(&self, connection: &Connection, account: &str, act: &Act) -> Result<()> {
        let (account, state) = (Some(account.to_owned()), Some(ApplicationState::Open));
        for record in applications::list(connection, &Filter { account, state, limit: 1000, ..Filter::default() })? {
            self.withdraw_one(connection, record, act)?;
        }
        Ok(())
    }

    fn journal_application(
        &self,
        connection: &Connection,
        act: &Act,
        event: Event,
        before: Value,
        record: &ApplicationRecord,
    ) -> Result<()> {
        let after = views::application(record);
        self.journal(connection, act, Change { event, target: &record.id, account: Some(&record.account), before, after })
    }
}

fn found(connection: &Connection, id: &str, act: &Act) -> Result<ApplicationRecord> {
    let record = applications::by_id(connection, id)?.filter(|record| act.reaches(&record.account));
    record.ok_or_else(|| Error::no_such("application", id::APPLICATION, id))
}

fn check_open(record: &ApplicationRecord) -> Result<()> {
    match record.state {
        ApplicationState::Open => Ok(()),
        state => Err(Error::Conflict(format!("This application is {} already.", state.name()))),
    }
}

fn close(record: &mut ApplicationRecord, state: ApplicationState, note: &str, act: &Act) {
    (record.state, record.decided_at, record.decided_by) = (state, Some(act.at), Some(act.actor.name().to_owned()));
    record.note = note.to_owned();
}

/// An application as an account's own people see it: who decided is the operator to them.
pub fn view_for(record: &ApplicationRecord, act: &Act) -> Value {
    let mut view = views::application(record);
    if act.bound_to().is_some() && record.state != ApplicationState::Withdrawn && record.decided_by.is_some() {
        view["decided_by"] = json!("operator");
    }
    view
}
