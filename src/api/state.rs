//! `/api/v1/state/backup`: the embedded store as it is now, in one file, while it goes on working.
//!
//! What is sent is as sealed and as nameless as the store. A reader that stands still is left after half a minute, so that
//! the file of the store does not have to keep what it reads for ever.

use std::{io, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use tokio::sync::mpsc;

use crate::{
    api::{Desk, problem::Problem, sessions},
    store::backup,
};

/// How long a reader may take for one piece.
const PIECE_WAIT_MAX: Duration = Duration::from_secs(30);

/// A backup of the embedded store. It is whole only if the answer ends as HTTP says it should.
#[utoipa::path(
    post,
    path = "/api/v1/state/backup",
    responses(
        (status = 200, description = "The backup", body = String, content_type = "application/octet-stream"),
        (status = 409, description = "The state is not in a file of this process"),
        (status = 503, description = "The store does not answer")
    )
)]
pub(super) async fn backup(State(desk): State<Desk>) -> Result<Response, Problem> {
    let store = &desk.journeys.parts().store;
    let snapshot = store.snapshot().await.map_err(sessions::lost)?;
    let snapshot = snapshot.ok_or_else(|| {
        Problem::new(
            StatusCode::CONFLICT,
            "state.elsewhere",
            "the state is in Redis or in memory; back up Redis itself",
        )
    })?;
    tracing::info!("a backup of the state was asked for");
    let (to, pieces) = mpsc::channel(1);
    tokio::spawn(hand_over(backup::chunks(snapshot), to));
    let body = Body::from_stream(stream::unfold(pieces, |mut pieces| async move {
        pieces.recv().await.map(|piece| (piece, pieces))
    }));
    Ok(([(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "no-store")], body)
        .into_response())
}

/// Passes pieces on for as long as they are taken.
async fn hand_over(
    mut chunks: mpsc::Receiver<crate::store::Stored<Vec<u8>>>,
    to: mpsc::Sender<Result<Bytes, io::Error>>,
) {
    while let Some(chunk) = chunks.recv().await {
        let piece = chunk.map(Bytes::from).map_err(|error| {
            tracing::error!(%error, "a backup of the state broke off");
            io::Error::other(error)
        });
        if to.send_timeout(piece, PIECE_WAIT_MAX).await.is_err() {
            tracing::warn!("a backup of the state was not taken to its end");
            return;
        }
    }
}
