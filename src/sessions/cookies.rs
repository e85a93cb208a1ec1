//! Our cookies: their names, where they may be read and set, and the device's.
//!
//! On https only `__Host-` names are read, which no other host and no plain connection can set (RFC 6265bis §4.1.3.2);
//! plain names only on a loopback host without TLS. Anywhere else there are no cookies, hence no session.

use std::{fmt, net::IpAddr, time::Duration};

use data_encoding::BASE64URL_NOPAD;
use stepward_core::request::Request;

use crate::{
    clock,
    keys::{Keys, Purpose},
    store::Id,
};

/// The longest that browsers keep a cookie (RFC 6265bis §5.5).
const DEVICE_AGE: Duration = Duration::from_secs(400 * 86_400);
/// When a device cookie in use is given a new date.
const DEVICE_RENEW_MS: i64 = 30 * 86_400_000;
/// Parked requests live for minutes.
const PARK_AGE: Duration = Duration::from_secs(3_600);

/// How a request reached us, as far as cookies are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Over TLS.
    Https,
    /// In plain text on this machine.
    LoopbackHttp,
}

impl Scope {
    /// `None`: plain http from elsewhere; an event that needs a session is refused with `transport.insecure`.
    pub fn of(request: &Request) -> Option<Scope> {
        match request.secure {
            true => Some(Scope::Https),
            false => is_loopback(&request.host).then_some(Scope::LoopbackHttp),
        }
    }
}

/// Names that never leave the machine: RFC 6761 §6.3 and the loopback addresses.
fn is_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || host.ends_with(".localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Which cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// The session's ticket.
    Session,
    /// The device's sealed id.
    Device,
    /// The browser's half of the key of parked requests.
    Park,
    /// A sealed copy of the session.
    Snapshot,
}

impl Cookie {
    /// Its name in a scope.
    pub fn name(self, scope: Scope) -> &'static str {
        match (self, scope) {
            (Cookie::Session, Scope::Https) => "__Host-stepward",
            (Cookie::Session, Scope::LoopbackHttp) => "stepward",
            (Cookie::Device, Scope::Https) => "__Host-stepward-device",
            (Cookie::Device, Scope::LoopbackHttp) => "stepward-device",
            (Cookie::Park, Scope::Https) => "__Host-stepward-park",
            (Cookie::Park, Scope::LoopbackHttp) => "stepward-park",
            (Cookie::Snapshot, Scope::Https) => "__Host-stepward-snapshot",
            (Cookie::Snapshot, Scope::LoopbackHttp) => "stepward-snapshot",
        }
    }
}

/// Whether a name is one of ours, in whatever scope: such a cookie is between the browser and us.
pub fn is_ours(name: &[u8]) -> bool {
    const KINDS: [Cookie; 4] = [Cookie::Session, Cookie::Device, Cookie::Park, Cookie::Snapshot];
    const SCOPES: [Scope; 2] = [Scope::Https, Scope::LoopbackHttp];
    KINDS.iter().any(|kind| SCOPES.iter().any(|scope| kind.name(*scope).as_bytes() == name))
}

/// The value of a cookie of ours, if it is there exactly once under the name of the request's scope.
pub(super) fn read(request: &Request, cookie: Cookie) -> Option<&str> {
    request.cookie(cookie.name(Scope::of(request)?))
}

/// A `Set-Cookie` value: for this host only, not for scripts, not sent with cross-site subrequests.
pub(super) fn set(cookie: Cookie, scope: Scope, value: &str, age: Duration) -> String {
    let secure = match scope {
        Scope::Https => "; Secure",
        Scope::LoopbackHttp => "",
    };
    let name = cookie.name(scope);
    format!("{name}={value}; Max-Age={}; Path=/; HttpOnly; SameSite=Lax{secure}", age.as_secs())
}

/// A `Set-Cookie` value that has the browser forget a cookie.
pub fn clear(cookie: Cookie, scope: Scope) -> String {
    set(cookie, scope, "", Duration::ZERO)
}

/// A device as its cookie names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Random; known only for accounts that passed a proof on it.
    pub id: Id,
    /// The cookie should be set again with [`renew_device`], or it will run out.
    pub renew: bool,
    /// When the device was first given a cookie, in milliseconds since the Unix epoch.
    pub since_ms: i64,
}

/// The device of a request; `None` if there is no cookie, or it is not ours, or was made for another tenant or host.
pub fn read_device(keys: &Keys, now_ms: i64, tenant: &str, request: &Request) -> Option<Device> {
    let sealed = BASE64URL_NOPAD.decode(read(request, Cookie::Device)?.as_bytes()).ok()?;
    let opened = keys.open(Purpose::DeviceCookie, tenant, request.host.as_bytes(), &sealed).ok()?;
    let (id, dates) = opened.plain.split_first_chunk::<16>()?;
    let (made_ms, since_ms) = dates.split_first_chunk::<8>()?;
    let since_ms = i64::from_be_bytes(since_ms.try_into().ok()?);
    let age_ms = now_ms.saturating_sub(i64::from_be_bytes(*made_ms));
    let is_live = age_ms < i64::try_from(DEVICE_AGE.as_millis()).unwrap_or(i64::MAX);
    is_live.then_some(Device { id: *id, renew: opened.reseal || age_ms >= DEVICE_RENEW_MS, since_ms })
}

/// A new device, and the `Set-Cookie` value that gives it to the browser.
pub fn make_device(keys: &Keys, now_ms: i64, tenant: &str, host: &str, scope: Scope) -> (Id, String) {
    let device = Device { id: clock::random_id(), renew: false, since_ms: now_ms };
    (device.id, renew_device(keys, now_ms, tenant, host, scope, &device))
}

/// The `Set-Cookie` value that gives a known device a new date; since when it is known stays.
pub fn renew_device(keys: &Keys, now_ms: i64, tenant: &str, host: &str, scope: Scope, device: &Device) -> String {
    let plain = [&device.id[..], &now_ms.to_be_bytes(), &device.since_ms.to_be_bytes()].concat();
    let sealed = keys.seal(Purpose::DeviceCookie, tenant, host.as_bytes(), &plain);
    set(Cookie::Device, scope, &BASE64URL_NOPAD.encode(&sealed), DEVICE_AGE)
}

/// The browser's half of the key under which its requests are parked; wiped from `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ParkHalf(pub [u8; 16]);

impl fmt::Debug for ParkHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ParkHalf(..)")
    }
}

/// The half that a request carries; several parked requests of a browser share it.
pub fn read_park(request: &Request) -> Option<ParkHalf> {
    let bytes = BASE64URL_NOPAD.decode(read(request, Cookie::Park)?.as_bytes()).ok()?;
    bytes.try_into().ok().map(ParkHalf)
}

/// A fresh half. Send [`set_park`] with it.
pub fn make_park() -> ParkHalf {
    ParkHalf(clock::random_bytes())
}

/// The `Set-Cookie` value that gives the browser its half, or renews it.
pub fn set_park(half: &ParkHalf, scope: Scope) -> String {
    set(Cookie::Park, scope, &BASE64URL_NOPAD.encode(&half.0), PARK_AGE)
}
