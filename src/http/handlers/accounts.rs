//! Accounts, for whoever administrates.

use http::StatusCode;

use crate::domain::caller::Kind;
use crate::domain::error::Result;
use crate::domain::id;
use crate::domain::time::Timestamp;
use crate::http::fields::Fields;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::http::views;
use crate::service::accounts::AccountInput;
use crate::store::accounts::StoredAccount;

/// A page of accounts.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let ask = call.page(id::ACCOUNT, &["search"])?;
    let page = call.front.services.accounts(ask, &call.act()?).await?;
    Ok(response::json(StatusCode::OK, &views::page(&page, views::account)))
}

/// Makes one.
pub async fn create(mut call: Call) -> Result<Response, Unreadable> {
    let body = call.json().await?;
    let once = call.once("account", &body)?;
    let account = call.front.services.create_account(read(body)?, once, &call.act()?).await?;
    Ok(shown(StatusCode::CREATED, &account))
}

/// Shows one.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    let account = call.front.services.account(&call.id, &call.act()?).await?;
    Ok(shown(StatusCode::OK, &account))
}

/// Changes one.
pub async fn set(mut call: Call) -> Result<Response, Unreadable> {
    let input = read(call.json().await?)?;
    let account = call.front.services.set_account(&call.id, input, &call.conditional_act()?).await?;
    Ok(shown(StatusCode::OK, &account))
}

fn shown(status: StatusCode, account: &StoredAccount) -> Response {
    response::record(status, &views::account(account), account.record.revision)
}

/// The fields of an account.
pub fn read(body: serde_json::Value) -> Result<AccountInput> {
    Ok(read_fields(Fields::new(body)?))
}

/// The fields are named as in the record; `organization` is what the command line calls a kind.
pub(super) fn read_fields(mut fields: Fields) -> AccountInput {
    let kind = |text: &str| Kind::from_name(text).ok_or("must be personal or organization");
    // As the command line's flag has it.
    let organization = fields.flag("organization").map(|yes| if yes { Kind::Organization } else { Kind::Personal });
    let kind = match fields.parsed("kind", kind).flatten() {
        Some(_) if organization.is_some() => {
            fields.fault("organization", "stands beside 'kind': give one of them");
            None
        }
        kind => kind.or(organization),
    };
    let mut input = AccountInput {
        name: fields.text("name"),
        kind,
        plan: fields.text("plan"),
        plan_until: fields.parsed("plan_until", Timestamp::parse),
        balance: fields.tokens("balance"),
        limits: fields.limits(),
        disabled: fields.flag("disabled"),
        faults: Vec::new(),
    };
    input.faults = fields.into_faults();
    input
}
