//! `/api/v1/sessions`: what is kept about an account, ending its sessions, and ending a lock-out.
//!
//! The store knows pseudonyms only; a subject's name, an address or a device is turned into one here and goes nowhere.

use std::net::IpAddr;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    api::{
        Desk,
        input::{Body, Query},
        problem::Problem,
    },
    outcomes::record,
    signals::Who,
    store::{Begin, Counted, Drawer, Id, Kind, Revocation, StateError, StateStore, Stored},
};

/// Whom it is about: a subject, or an address.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    /// Name of the subject.
    subject: Option<String>,
    /// An address; IPv6 counts by its /64.
    #[param(value_type = Option<String>)]
    #[schema(value_type = Option<String>)]
    ip: Option<IpAddr>,
    /// The tenant.
    #[serde(default = "About::tenant")]
    tenant: String,
}

impl About {
    pub(super) fn tenant() -> String {
        "default".into()
    }

    fn counted(&self, desk: &Desk) -> Result<Counted, Problem> {
        let parts = desk.journeys.parts();
        match (&self.subject, self.ip) {
            (Some(subject), None) => Ok(Counted { kind: Kind::Account, id: parts.keys.account(&self.tenant, subject) }),
            (None, Some(ip)) => {
                let who = Who::at(&self.tenant, ip, parts.clock.now_ms(), &parts.keys);
                Ok(Counted { kind: Kind::Ip, id: who.ip })
            }
            (Some(_), Some(_)) | (None, None) => {
                Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "about.missing", "name a `subject` or an `ip`"))
            }
        }
    }
}

/// Lock-out and enrolments of an account, or the lock-out of an address.
#[utoipa::path(
    get,
    path = "/api/v1/sessions",
    params(About),
    responses((status = 200, description = "What is kept", body = Object), (status = 503, description = "The store does not answer"))
)]
pub(super) async fn show(State(desk): State<Desk>, Query(about): Query<About>) -> Result<Json<Value>, Problem> {
    let counted = about.counted(&desk)?;
    let parts = desk.journeys.parts();
    let begin = Begin { locks: &[counted], ..Begin::default() };
    let standing = parts.store.begin(parts.clock.now_ms(), begin).await.map_err(lost)?;
    let locked_until = standing.locked_until_ms.first().copied().flatten().map(record::time);
    let mut told = json!({
        "pseudonym": data_encoding::HEXLOWER.encode(&counted.id),
        "locked_until": locked_until,
    });
    if let (Kind::Account, Some(told)) = (counted.kind, told.as_object_mut()) {
        for (name, drawer) in [
            ("authenticators", Drawer::Authenticators),
            ("contacts", Drawer::Contacts),
            ("devices", Drawer::Devices),
            ("remembered", Drawer::Remembered),
        ] {
            let kept = parts.store.enrolments(counted.id, drawer).await.map_err(lost)?;
            told.insert(name.into(), kept.len().into());
        }
    }
    Ok(Json(told))
}

/// Ends every session of an account that began before now, and forgets the devices it is known on.
#[utoipa::path(
    post,
    path = "/api/v1/sessions/revoke",
    request_body = About,
    responses((status = 200, description = "Done", body = Object), (status = 503, description = "The store does not answer"))
)]
pub(super) async fn revoke(State(desk): State<Desk>, Body(about): Body<About>) -> Result<Json<Value>, Problem> {
    let target = about.counted(&desk)?;
    if target.kind != Kind::Account {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "about.missing", "name a `subject`"));
    }
    let before_ms = end(&desk, target.id).await?;
    tracing::info!(account = data_encoding::HEXLOWER.encode(&target.id), "sessions revoked by an operator");
    Ok(Json(json!({ "revoked": true, "before": record::time(before_ms) })))
}

/// Ends every session of an account that began before now, and forgets the devices it is known on; that moment.
pub(super) async fn end(desk: &Desk, account: Id) -> Result<i64, Problem> {
    let before_ms = desk.journeys.parts().clock.now_ms();
    void(desk, account, before_ms).await.map_err(lost)?;
    // After the sessions: none of them can make a device known again.
    forget_devices(desk, account).await.map_err(lost)?;
    Ok(before_ms)
}

/// Ends every session of an account that began before that moment, on every node.
pub(super) async fn void(desk: &Desk, account: Id, before_ms: i64) -> Stored<()> {
    let target = Counted { kind: Kind::Account, id: account };
    desk.journeys.parts().store.revoke(Revocation { target, before_ms }).await.map(drop)
}

/// Forgets the devices that an account is known on.
pub(super) async fn forget_devices(desk: &Desk, account: Id) -> Stored<()> {
    let store = &desk.journeys.parts().store;
    for device in store.enrolments(account, Drawer::Devices).await? {
        store.retire(account, Drawer::Devices, device.id).await?;
    }
    Ok(())
}

/// Ends the lock-out of an account or an address.
#[utoipa::path(
    post,
    path = "/api/v1/sessions/unlock",
    request_body = About,
    responses((status = 200, description = "Done", body = Object), (status = 503, description = "The store does not answer"))
)]
pub(super) async fn unlock(State(desk): State<Desk>, Body(about): Body<About>) -> Result<Json<Value>, Problem> {
    let counted = about.counted(&desk)?;
    desk.journeys.parts().store.unlock(counted).await.map_err(lost)?;
    tracing::info!(pseudonym = data_encoding::HEXLOWER.encode(&counted.id), "lock-out ended by an operator");
    Ok(Json(json!({ "unlocked": true })))
}

/// An invitation: whoever signs in as this subject may set up a first authenticator with it, once, within three days.
/// The answer holds a path under the app's own address; send it to the person by a way you trust.
#[utoipa::path(
    post,
    path = "/api/v1/sessions/invite",
    request_body = About,
    responses((status = 200, description = "The path", body = Object))
)]
pub(super) async fn invite(State(desk): State<Desk>, Body(about): Body<About>) -> Result<Json<Value>, Problem> {
    let target = about.counted(&desk)?;
    if target.kind != Kind::Account {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "about.missing", "name a `subject`"));
    }
    let path = desk.journeys.parts().challenges.invite(&about.tenant, target.id);
    tracing::info!(account = data_encoding::HEXLOWER.encode(&target.id), "an authenticator was invited by an operator");
    Ok(Json(json!({ "path": path })))
}

pub(super) fn lost(error: StateError) -> Problem {
    let code = match &error {
        StateError::Unavailable => "state.unavailable",
        StateError::Indeterminate => "state.indeterminate",
        StateError::Corrupt(_) => "state.corrupt",
    };
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, error.to_string())
}
