//! A TCP forwarder: an address that stays while what stands behind it changes, or falls silent.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How often a frozen connection looks whether it may go on.
const LOOK_EVERY: Duration = Duration::from_millis(5);

#[derive(Default)]
struct Shared {
    target: AtomicU16,
    frozen: AtomicBool,
    closed: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

/// Forwards every connection to a port on this machine.
pub struct Forwarder {
    pub port: u16,
    shared: Arc<Shared>,
}

impl Forwarder {
    pub fn to(target: u16) -> Forwarder {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { target: AtomicU16::new(target), ..Shared::default() });
        let accepting = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.closed.load(Ordering::SeqCst) {
                    return;
                }
                accepting.join(client);
            }
        });
        Forwarder { port, shared }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends all connections; new ones lead to that port.
    pub fn switch(&self, target: u16) {
        self.shared.target.store(target, Ordering::SeqCst);
        self.cut();
    }

    /// New connections lead to that port; those that are there stay.
    pub fn lead_new_ones_to(&self, target: u16) {
        self.shared.target.store(target, Ordering::SeqCst);
    }

    /// Lets nothing through any more, in either direction, while connections stay.
    pub fn freeze(&self) {
        self.shared.frozen.store(true, Ordering::SeqCst);
    }

    /// Ends all connections, and with them what was held back.
    pub fn cut(&self) {
        let streams = std::mem::take(&mut *self.shared.streams.lock().unwrap());
        streams.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.cut();
        // So that the accepting thread looks.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Shared {
    fn join(self: &Arc<Shared>, client: TcpStream) {
        // A client whose target is away is hung up on, as by a machine without that service.
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.target.load(Ordering::SeqCst))) else { return };
        let copy = |stream: &TcpStream| stream.try_clone().unwrap();
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
            self.streams.lock().unwrap().push(copy(stream));
        }
        for (from, to) in [(copy(&client), copy(&server)), (server, client)] {
            let shared = self.clone();
            thread::spawn(move || shared.pump(from, to));
        }
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            while self.frozen.load(Ordering::SeqCst) {
                if self.closed.load(Ordering::SeqCst) {
                    return;
                }
                thread::sleep(LOOK_EVERY);
            }
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
