use std::future::pending;
use std::io::Result;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::Direction::{self, FromClient, FromServer};
use super::gate::Gate;

pub(super) enum Order {
    Cut,
    Refuse,
    Listen,
}

/// An order, and what is told when it was followed.
pub(super) type Task = (Order, mpsc::Sender<()>);

/// The thread ends with the sender.
pub(super) fn start(
    listener: std::net::TcpListener,
    server: SocketAddr,
    gate: Gate,
) -> (UnboundedSender<Task>, JoinHandle<()>) {
    let (sender, tasks) = unbounded_channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let address = listener.local_addr().expect("an address");
        runtime.block_on(async {
            let listener = Some(Listener::new(listener));
            Running { address, server, gate, listener, connections: JoinSet::new() }.run(tasks).await;
        });
    });
    (sender, thread)
}

struct Running {
    address: SocketAddr,
    server: SocketAddr,
    gate: Gate,
    listener: Option<Listener>,
    connections: JoinSet<()>,
}

impl Running {
    async fn run(mut self, mut tasks: UnboundedReceiver<Task>) {
        let gate = self.gate.clone();
        loop {
            tokio::select! {
                biased;
                () = gate.cut_wanted() => self.cut().await,
                task = tasks.recv() => match task {
                    Some((order, done)) => {
                        self.follow(order).await;
                        let _ = done.send(());
                    }
                    None => return,
                },
                Some(_) = self.connections.join_next() => {}
                client = accept(self.listener.as_ref()) => self.connect(client),
            }
        }
    }

    async fn follow(&mut self, order: Order) {
        // Whoever connected before the order is a connection that is there, though it was not accepted yet.
        for client in self.listener.iter().flat_map(Listener::waiting).collect::<Vec<_>>() {
            self.connect(client);
        }
        match order {
            Order::Cut => self.cut().await,
            Order::Refuse => self.listener = None,
            Order::Listen if self.listener.is_none() => {
                let listener = std::net::TcpListener::bind(self.address).expect("the proxy's port is still free");
                self.listener = Some(Listener::new(listener));
            }
            Order::Listen => {}
        }
    }

    fn connect(&mut self, client: TcpStream) {
        self.connections.spawn(connect(client, self.server, self.gate.clone()));
    }

    async fn cut(&mut self) {
        self.connections.shutdown().await;
        self.gate.was_cut();
    }
}

/// One listener in two forms: one to wait with, one that says at once whether somebody is there.
struct Listener {
    later: TcpListener,
    now: std::net::TcpListener,
}

impl Listener {
    fn new(now: std::net::TcpListener) -> Self {
        now.set_nonblocking(true).expect("a listener that doesn't block");
        let later = now.try_clone().and_then(TcpListener::from_std).expect("a listener of the runtime");
        Self { later, now }
    }

    fn waiting(&self) -> impl Iterator<Item = TcpStream> {
        std::iter::from_fn(|| self.now.accept().ok()).map(|(client, _)| {
            client.set_nonblocking(true).expect("a connection that doesn't block");
            TcpStream::from_std(client).expect("a connection of the runtime")
        })
    }
}

async fn accept(listener: Option<&Listener>) -> TcpStream {
    let Some(listener) = listener else { return pending().await };
    loop {
        if let Ok((client, _)) = listener.later.accept().await {
            return client;
        }
    }
}

/// One connection, from its beginning to its end. A server that isn't there ends it.
async fn connect(client: TcpStream, server: SocketAddr, gate: Gate) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    for end in [&client, &server] {
        let _ = end.set_nodelay(true);
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // An error on one way ends the other, too.
    let _ = tokio::try_join!(
        carry(FromClient, from_client, to_server, &gate),
        carry(FromServer, from_server, to_client, &gate),
    );
}

async fn carry(direction: Direction, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, gate: &Gate) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        let pass = gate.open(direction, read).await;
        let written = to.write_all(&buffer[..pass.bytes]).await;
        if pass.last {
            gate.cut();
            return pending().await;
        }
        written?;
        if read == 0 {
            return to.shutdown().await;
        }
    }
}
