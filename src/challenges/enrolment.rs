//! tmp
use crate::{arrival::Arrival, challenges::{Challenges, show}, reply::Reply, sessions::{SessionHandle, record::Subject}, store::Stored};
pub async fn serve(challenges: &Challenges, arrival: &Arrival, _session: &mut SessionHandle, _subject: Option<&Subject>, _rest: &[&str]) -> Stored<Reply> { Ok(show::gone(challenges, arrival)) }
