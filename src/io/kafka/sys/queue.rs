//! Queues of librdkafka, and one file descriptor that tells when any of them has something.

use super::message::Message;
use super::{Handle, c_string, ffi, millis};
use std::ffi::c_void;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::time::Duration;

/// How many messages one call takes: few enough for the stack, enough to make the call's lock cheap.
const CHUNK: usize = 512;
/// How many the first call takes, and each more than the one before: a few large ones may leave no room for more.
const FIRST_CHUNK: usize = 16;

/// A queue of a client, with a reference that keeps the client alive.
pub(in super::super) struct Queue {
    pub(super) pointer: *mut ffi::rd_kafka_queue_t,
    pub(super) handle: Handle,
    wake_up: Option<Arc<WakeUp>>,
}

// SAFETY: librdkafka's queues are locked inside and may be used from any thread.
unsafe impl Send for Queue {}

impl Queue {
    /// A new, empty queue.
    pub fn new(handle: &Handle) -> Queue {
        // SAFETY: the client is alive while we hold the handle.
        let pointer = unsafe { ffi::rd_kafka_queue_new(handle.native()) };
        Queue { pointer, handle: handle.clone(), wake_up: None }
    }

    /// The consumer's own queue (rebalances and errors); none for a client that is not a consumer.
    pub fn of_consumer(handle: &Handle) -> Option<Queue> {
        // SAFETY: as in `new`; the call returns null when there is none.
        let pointer = unsafe { ffi::rd_kafka_queue_get_consumer(handle.native()) };
        (!pointer.is_null()).then(|| Queue { pointer, handle: handle.clone(), wake_up: None })
    }

    /// The main queue of a client (delivery reports, errors, logs).
    pub fn of_client(handle: &Handle) -> Queue {
        // SAFETY: as in `new`; every client has one.
        let pointer = unsafe { ffi::rd_kafka_queue_get_main(handle.native()) };
        Queue { pointer, handle: handle.clone(), wake_up: None }
    }

    /// Lets what arrives in this empty queue raise the wake-up.
    pub fn watch(&mut self, wake_up: &Arc<WakeUp>) {
        static ONE: u64 = 1;
        // SAFETY: librdkafka copies the payload; the descriptor is kept open by `self.wake_up` until `drop` turns
        // the event off.
        unsafe {
            let payload = (&raw const ONE).cast::<c_void>();
            ffi::rd_kafka_queue_io_event_enable(self.pointer, wake_up.fd.as_raw_fd(), payload, size_of::<u64>());
        }
        self.wake_up = Some(wake_up.clone());
    }

    /// Sends a partition's messages into this queue. Done before `assign`, none of them can go elsewhere: assigning
    /// leaves a forward that the application has set alone.
    pub fn forward_partition(&self, topic: &str, partition: i32) {
        let topic = c_string(topic);
        // SAFETY: the client is alive; the partition's queue is released after use, the forward holds its own count.
        unsafe {
            let source = ffi::rd_kafka_queue_get_partition(self.handle.native(), topic.as_ptr(), partition);
            if !source.is_null() {
                ffi::rd_kafka_queue_forward(source, self.pointer);
                ffi::rd_kafka_queue_destroy(source);
            }
        }
    }

    /// How many entries wait.
    pub fn len(&self) -> usize {
        // SAFETY: the queue is ours and alive.
        unsafe { ffi::rd_kafka_queue_length(self.pointer) }
    }

    /// Takes at most so many messages, without waiting. `each` tells whether there is room for more: without, only the
    /// messages of the call under way follow.
    ///
    /// What was fetched before a seek, a pause or a new assignment never comes out: each of them raises the
    /// partition's version at once, and `rd_kafka_consume_batch_queue` drops messages of an older one.
    pub fn take(&self, max: usize, mut each: impl FnMut(Message) -> bool) -> usize {
        let (mut taken, mut has_room, mut next) = (0, true, FIRST_CHUNK);
        let mut chunk = [null_mut::<ffi::rd_kafka_message_t>(); CHUNK];
        while taken < max && has_room {
            let room = next.min(max - taken);
            next = (2 * next).min(CHUNK);
            // SAFETY: the buffer holds at least `room` pointers; each one returned is a message that is ours.
            let count = unsafe { ffi::rd_kafka_consume_batch_queue(self.pointer, 0, chunk.as_mut_ptr(), room) };
            let count = usize::try_from(count).unwrap_or(0);
            for pointer in chunk.iter().take(count) {
                // SAFETY: see above; ownership goes to the value, exactly once.
                has_room = each(unsafe { Message::from_owned(*pointer) });
            }
            taken += count;
            if count < room {
                break;
            }
        }
        taken
    }

    /// Waits for an event; null when there is none. The caller destroys it.
    pub(super) fn poll_event(&self, wait: Duration) -> *mut ffi::rd_kafka_event_t {
        // SAFETY: the queue is ours and alive.
        unsafe { ffi::rd_kafka_queue_poll(self.pointer, millis(wait)) }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: this reference to the queue is ours; the client outlives it through the handle. The event is turned
        // off first, so that nothing writes to a descriptor that is closed.
        unsafe {
            if self.wake_up.is_some() {
                ffi::rd_kafka_queue_io_event_enable(self.pointer, -1, null(), 0);
            }
            ffi::rd_kafka_queue_destroy(self.pointer);
        }
    }
}

/// A descriptor that becomes readable when a watched queue has something.
pub(in super::super) struct WakeUp {
    fd: OwnedFd,
}

impl WakeUp {
    /// A new one.
    pub fn new() -> std::io::Result<Arc<WakeUp>> {
        // SAFETY: no pointers; the result is checked before it is owned.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that nobody else owns.
        Ok(Arc::new(WakeUp { fd: unsafe { OwnedFd::from_raw_fd(fd) } }))
    }

    /// Forgets earlier wake-ups. Called before the queues are looked at, so that none is lost between.
    pub fn clear(&self) {
        let mut count = 0u64;
        // SAFETY: eight writable bytes, as an eventfd asks for. It does not block; "nothing there" is no error for us.
        unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut count).cast::<c_void>(), size_of::<u64>()) };
    }

    /// Raises it, as a queue does.
    pub fn raise(&self) {
        let one = 1_u64;
        // SAFETY: eight readable bytes, as an eventfd asks for. A count that is full is a wake-up already.
        unsafe { libc::write(self.fd.as_raw_fd(), (&raw const one).cast::<c_void>(), size_of::<u64>()) };
    }

    /// Waits for a wake-up, at most so long.
    pub fn wait(&self, at_most: Duration) {
        let mut poll = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // A wait of less than a millisecond must not become a busy loop.
        let wait = millis(at_most + Duration::from_micros(999));
        // SAFETY: one valid entry. Interruption by a signal ends the wait early, which is allowed.
        unsafe { libc::poll(&raw mut poll, 1, wait) };
    }
}
