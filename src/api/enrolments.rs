//! `/api/v1/enrolments`: what an account has set up, taking it away, and bringing in what another system had.
//!
//! Secrets come in and never go out. A subject's name is turned into a pseudonym here and goes nowhere.

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    api::{
        Desk,
        input::{Body, Query},
        problem::Problem,
        sessions::{self, lost},
    },
    challenges::registrar::{Brought, BroughtApp, BroughtPasskey, Came},
    outcomes::record,
};

/// Whose enrolments.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    /// Name of the subject.
    subject: String,
    /// The tenant.
    #[serde(default = "sessions::About::tenant")]
    tenant: String,
}

/// Authenticators of another system. It is read entry by entry, so that one that cannot be read costs no other.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Import {
    /// At most 1,000 at a time.
    #[schema(max_items = 1000, value_type = Vec<Entry>)]
    entries: Vec<Value>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Name of the subject.
    subject: String,
    /// The tenant.
    #[serde(default = "sessions::About::tenant")]
    tenant: String,
    /// An authenticator app; or `passkey`.
    totp: Option<BroughtApp>,
    /// A passkey; or `totp`.
    passkey: Option<BroughtPasskey>,
}

impl Entry {
    fn brought(&self) -> Option<Brought<'_>> {
        match (&self.totp, &self.passkey) {
            (Some(app), None) => Some(Brought::App(app)),
            (None, Some(passkey)) => Some(Brought::Passkey(passkey)),
            (Some(_), Some(_)) | (None, None) => None,
        }
    }
}

const ENTRIES_MAX: usize = 1000;

/// What an account has set up. No secret is told.
#[utoipa::path(
    get,
    path = "/api/v1/enrolments",
    params(Whose),
    responses((status = 200, description = "What is set up", body = Object), (status = 503, description = "The store does not answer"))
)]
pub(super) async fn list(State(desk): State<Desk>, Query(whose): Query<Whose>) -> Result<Json<Value>, Problem> {
    let parts = desk.journeys.parts();
    let account = parts.keys.account(&whose.tenant, &whose.subject);
    let all = parts.challenges.listed(&whose.tenant, account).await.map_err(lost)?;
    let told =
        all.iter().map(|it| json!({ "method": it.method, "label": it.label, "added": record::time(it.added_ms) }));
    Ok(Json(json!({ "enrolments": told.collect::<Vec<_>>() })))
}

/// Takes away everything that an account has set up, ends its sessions and forgets the devices it is known on, and writes
/// to its owner. A first method can then be set up by invitation.
#[utoipa::path(
    post,
    path = "/api/v1/enrolments/reset",
    request_body = Whose,
    responses((status = 200, description = "Done", body = Object), (status = 503, description = "The store does not answer"))
)]
pub(super) async fn reset(State(desk): State<Desk>, Body(whose): Body<Whose>) -> Result<Json<Value>, Problem> {
    let parts = desk.journeys.parts();
    let account = parts.keys.account(&whose.tenant, &whose.subject);
    let mut removed = 0;
    // First nobody is left who could add something, then no proof by what is gone; twice, for what was under way.
    for _ in 0..2 {
        sessions::end(&desk, account).await?;
        removed += parts.challenges.reset(&whose.tenant, account).await.map_err(lost)?;
    }
    sessions::end(&desk, account).await?;
    tracing::info!(account = data_encoding::HEXLOWER.encode(&account), removed, "enrolments reset by an operator");
    Ok(Json(json!({ "removed": removed })))
}

/// Brings in authenticator apps and passkeys of another system. An entry that is there already is left; one that cannot be
/// used is named by its place in the list, and why.
#[utoipa::path(
    post,
    path = "/api/v1/enrolments/import",
    request_body = Import,
    responses((status = 200, description = "What came of them", body = Object), (status = 503, description = "The store does not answer; what was taken is taken, and the same can be sent again"))
)]
pub(super) async fn import(State(desk): State<Desk>, Body(import): Body<Import>) -> Result<Json<Value>, Problem> {
    if import.entries.len() > ENTRIES_MAX {
        let status = axum::http::StatusCode::PAYLOAD_TOO_LARGE;
        return Err(Problem::new(status, "import.too_many", "send at most 1,000 entries at a time"));
    }
    let parts = desk.journeys.parts();
    let (mut imported, mut known, mut refused) = (0_u32, 0_u32, Vec::new());
    for (at, entry) in import.entries.into_iter().enumerate() {
        let Ok(entry) = serde_json::from_value::<Entry>(entry) else {
            refused.push(json!({ "entry": at, "why": "a field is missing, unknown or of another kind" }));
            continue;
        };
        let account = parts.keys.account(&entry.tenant, &entry.subject);
        let came = match entry.brought() {
            Some(brought) => parts.challenges.import(&entry.tenant, account, brought).await.map_err(lost)?,
            None => Came::Refused("an entry has either `totp` or `passkey`"),
        };
        match came {
            Came::Imported => {
                tracing::info!(
                    account = data_encoding::HEXLOWER.encode(&account),
                    "an authenticator was imported by an operator"
                );
                imported += 1;
            }
            Came::Known => known += 1,
            Came::Refused(why) => refused.push(json!({ "entry": at, "why": why })),
        }
    }
    tracing::info!(imported, known, refused = refused.len(), "authenticators imported by an operator");
    Ok(Json(json!({ "imported": imported, "known": known, "refused": refused })))
}
