use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// How far above its port a server may have another one, as Redis Cluster's nodes have for each other.
pub(crate) const SECOND: u16 = 10_000;

pub(crate) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A port that is free, and another one [`SECOND`] above it.
pub(crate) fn free() -> u16 {
    // Below those that the system gives to clients, so that it is still free after a server was down: a client that
    // tries again could else be given the very port it connects to.
    let free = |port| TcpListener::bind(loopback(port)).is_ok();
    std::iter::repeat_with(|| fastrand::u16(12_000..22_000))
        .take(1000)
        .find(|port| free(*port) && free(port + SECOND))
        .expect("a free port")
}

/// Listens on a free port.
pub(crate) fn listen() -> TcpListener {
    std::iter::repeat_with(|| TcpListener::bind(loopback(free()))).take(5).find_map(Result::ok).expect("a free port")
}
