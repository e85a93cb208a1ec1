//! How many connections each address has open, so that one cannot have them all.
//!
//! Touched when a connection opens and closes, never per request. Over the limit a connection is closed at once.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// Open connections by address; IPv6 counts by its /64, which one customer holds.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    connections_per_ip_max: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One open connection; it counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Call {
    callers: Arc<Callers>,
    place: IpAddr,
}

impl Callers {
    /// A limit of 0 is none.
    pub(crate) fn new(connections_per_ip_max: usize) -> Self {
        Callers { connections_per_ip_max, open: Mutex::default() }
    }

    /// Counts a connection, or refuses it.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Call> {
        let place = place(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(place).or_default();
        if self.connections_per_ip_max != 0 && *count >= self.connections_per_ip_max {
            return None;
        }
        *count += 1;
        Some(Call { callers: self.clone(), place })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut open = self.callers.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.place) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.place);
            }
        }
    }
}

fn place(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(four) => four.into(),
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_so_many_connections_and_its_64_counts_as_one() {
        let callers = Arc::new(Callers::new(2));
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = callers.admit(address("2001:db8::1")).unwrap();
        let _second = callers.admit(address("2001:db8::2")).unwrap();
        assert!(callers.admit(address("2001:db8::3")).is_none(), "third of one /64");
        assert!(callers.admit(address("192.0.2.1")).is_some(), "someone else");
        drop(first);
        assert!(callers.admit(address("2001:db8::3")).is_some(), "a place became free");
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_the_same_caller() {
        let callers = Arc::new(Callers::new(1));
        let _only = callers.admit("192.0.2.1".parse().unwrap()).unwrap();
        assert!(callers.admit("::ffff:192.0.2.1".parse().unwrap()).is_none());
    }
}
