//! Listening sockets: passed by whoever started this process, or bound here.
//!
//! A service manager (systemd's `LISTEN_FDS`, sd_listen_fds(3)) and an older process that hands over pass them in the
//! same way. A socket that was passed is never bound a second time, so that what waits in its queue is served. What
//! was passed and is no listening TCP socket is an error, not a socket less.

use std::{
    env, io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;
/// The name of a socket whose port the system chose: its address does not tell what it was for.
const ANY_PORT: &str = "stepward.any-port";

/// The sockets this process was given and has not used yet.
#[derive(Debug, Default)]
pub struct Sockets(Mutex<Vec<Passed>>);

/// A listening socket that is in use; passing it on takes its name along.
#[derive(Debug)]
pub struct Held {
    /// The name by which the next process finds it, where the address does not say.
    pub name: Option<Arc<str>>,
    /// The socket, not blocking.
    pub listener: TcpListener,
}

#[derive(Debug)]
struct Passed {
    address: SocketAddr,
    held: Held,
}

impl Sockets {
    /// None were passed: every address is bound here.
    pub fn none() -> Self {
        Sockets::default()
    }

    /// These, found by their names or addresses.
    ///
    /// # Errors
    /// One of them does not listen.
    pub fn of(sockets: Vec<Held>) -> io::Result<Self> {
        let mut passed = Vec::new();
        for held in sockets {
            let address = held.listener.local_addr()?;
            if !SockRef::from(&held.listener).is_listener()? {
                let message = format!("the socket that was passed for `{address}` does not listen");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
            passed.push(Passed { address, held });
        }
        Ok(Sockets(Mutex::new(passed)))
    }

    /// Those that this process was started with. To be called once, before there are threads: it takes the variables
    /// out of the environment.
    ///
    /// # Errors
    /// One of them is no listening TCP socket.
    pub fn inherited() -> io::Result<Self> {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut given = ListenFd::from_env();
        let mut held = Vec::new();
        for at in 0..given.len() {
            let name = names.next().filter(|name| !name.is_empty()).map(Arc::from);
            held.extend(given.take_tcp_listener(at)?.map(|listener| Held { name, listener }));
        }
        Sockets::of(held)
    }

    /// The socket for an address: the one passed for it, else one that is bound now. Port 0 takes what an older process
    /// had for port 0, in the same order. Does not block.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn listen(&self, address: SocketAddr) -> io::Result<Held> {
        let name = (address.port() == 0).then(|| Arc::from(ANY_PORT));
        let fits = |passed: &Passed| match &name {
            Some(_) => passed.held.name == name && passed.address.ip() == address.ip(),
            None => passed.address == address,
        };
        let listener = match self.take(fits) {
            Some(held) => held.listener,
            None => bind(address)?,
        };
        Held { name, listener }.nonblocking()
    }

    /// The socket that was passed under a name, whatever its address.
    ///
    /// # Errors
    /// None was.
    pub fn named(&self, name: &str) -> io::Result<Held> {
        let found = self.take(|passed| passed.held.name.as_deref() == Some(name));
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("no socket `{name}` was passed"));
        found.ok_or_else(missing).and_then(Held::nonblocking)
    }

    /// Addresses of those that nobody took; a client that connects there would wait for ever.
    pub fn left(&self) -> Vec<SocketAddr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|passed| passed.address).collect()
    }

    fn take(&self, fits: impl Fn(&Passed) -> bool) -> Option<Held> {
        let mut passed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = passed.iter().position(fits)?;
        Some(passed.remove(at).held)
    }
}

impl Held {
    /// The same socket once more: it stays open for as long as either is kept.
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn try_clone(&self) -> io::Result<Held> {
        Ok(Held { name: self.name.clone(), listener: self.listener.try_clone()? })
    }

    fn nonblocking(self) -> io::Result<Held> {
        self.listener.set_nonblocking(true)?;
        Ok(self)
    }
}

/// Not `SO_REUSEPORT`: it would split the clients between two processes that know nothing of each other, and reset
/// whoever waits when one of them ends.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anywhere() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    fn passed(name: Option<&str>) -> (Held, SocketAddr) {
        let listener = bind(anywhere()).unwrap();
        let address = listener.local_addr().unwrap();
        (Held { name: name.map(Arc::from), listener }, address)
    }

    fn local(held: io::Result<Held>) -> SocketAddr {
        held.unwrap().listener.local_addr().unwrap()
    }

    #[test]
    fn a_socket_that_was_passed_is_taken_and_not_bound_again() {
        let (passed, address) = passed(None);
        let sockets = Sockets::of(vec![passed]).unwrap();
        assert_eq!(sockets.left(), [address]);
        let held = sockets.listen(address);
        assert_eq!(local(Ok(held.as_ref().unwrap().try_clone().unwrap())), address);
        assert!(sockets.left().is_empty());
        assert!(sockets.listen(address).is_err(), "it is in use, and nobody passed another");
    }

    #[test]
    fn port_0_takes_what_was_passed_in_order_and_then_any_port() {
        let (other_use, elsewhere) = passed(None);
        let ((first, one), (second, other)) = (passed(Some(ANY_PORT)), passed(Some(ANY_PORT)));
        let sockets = Sockets::of(vec![other_use, first, second]).unwrap();
        let next = || local(sockets.listen(anywhere()));
        assert_eq!([next(), next()], [one, other]);
        assert!(![one, other, elsewhere].contains(&next()), "a port that was passed for itself is not any port");
    }

    #[test]
    fn a_name_finds_its_socket_only() {
        let (passed, address) = passed(Some("https"));
        let sockets = Sockets::of(vec![passed]).unwrap();
        assert!(sockets.named("http").is_err());
        let held = sockets.named("https").unwrap();
        assert_eq!(held.name.as_deref(), Some("https"), "the next process asks for it by the same name");
        assert_eq!(local(Ok(held)), address);
        assert!(sockets.named("https").is_err(), "once");
    }

    #[test]
    fn what_does_not_listen_is_refused() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&anywhere().into()).unwrap();
        assert!(Sockets::of(vec![Held { name: None, listener: socket.into() }]).is_err());
    }
}
