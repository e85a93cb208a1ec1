//! How long a client may be silent inside a request.

use std::time::Duration;

use pingora::proxy::Session;

/// Between two reads of an upload, and for each write to a slow reader.
const SILENCE: Duration = Duration::from_secs(60);
/// The same for an open WebSocket: Pingora's default of 60 s would cut every idle one.
const TUNNEL_SILENCE: Duration = Duration::from_secs(3600);
/// For the rest of an upload that was answered before it was read.
const DRAIN: Duration = Duration::from_secs(5);

/// Sets the limits of a request whose header is complete.
pub(crate) fn request(session: &mut Session) {
    let silence = if session.is_upgrade_req() { TUNNEL_SILENCE } else { SILENCE };
    session.set_read_timeout(Some(silence));
    session.set_write_timeout(Some(silence));
    session.set_total_drain_timeout(Some(DRAIN));
}
