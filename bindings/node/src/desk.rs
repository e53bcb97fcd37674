//! Calls that wait for their stores, polled on JavaScript's thread.
//!
//! A call that has little to do needs no task of its own: what wakes it rings a bell, and at its sound JavaScript fetches
//! every answer that is there by then.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::mem::take;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use napi::Status;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};

/// A function of JavaScript's that keeps no process alive.
pub(crate) type Ring = ThreadsafeFunction<(), (), (), Status, false, true>;

/// An answer that may not be there yet.
pub(crate) type Answering = Pin<Box<dyn Future<Output = String> + Send>>;

/// The calls of a store that wait, each under its number.
#[derive(Default)]
pub(crate) struct Desk {
    waiting: RefCell<HashMap<u32, (Answering, Waker)>>,
    last: Cell<u32>,
    bell: Arc<Bell>,
}

impl Desk {
    /// What is called when answers are there.
    pub(crate) fn ring_by(&self, ring: Ring) {
        self.bell.ring.get_or_init(|| ring);
    }

    /// Polls a call: its answer, or the number under which it waits.
    pub(crate) fn take(&self, mut call: Answering) -> Result<String, u32> {
        let number = self.last.get().wrapping_add(1);
        let waker = Waker::from(Arc::new(Ticket { number, bell: self.bell.clone() }));
        match call.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => Ok(answer),
            Poll::Pending => {
                self.last.set(number);
                self.waiting.borrow_mut().insert(number, (call, waker));
                Err(number)
            }
        }
    }

    /// The answers that are there, with the numbers of their calls.
    pub(crate) fn answers(&self) -> Vec<(u32, String)> {
        let mut waiting = self.waiting.borrow_mut();
        let woken = take(&mut *self.bell.woken());
        let mut answers = Vec::with_capacity(woken.len());
        for number in woken {
            let Some((call, waker)) = waiting.get_mut(&number) else { continue };
            if let Poll::Ready(answer) = call.as_mut().poll(&mut Context::from_waker(waker)) {
                waiting.remove(&number);
                answers.push((number, answer));
            }
        }
        answers
    }
}

/// Rings once for all calls that are woken until JavaScript comes.
#[derive(Default)]
struct Bell {
    woken: Mutex<Vec<u32>>,
    ring: OnceLock<Ring>,
}

impl Bell {
    fn woken(&self) -> impl std::ops::DerefMut<Target = Vec<u32>> {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Ticket {
    number: u32,
    bell: Arc<Bell>,
}

impl Wake for Ticket {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut woken = self.bell.woken();
        woken.push(self.number);
        let is_first = woken.len() == 1;
        drop(woken);
        if is_first && let Some(ring) = self.bell.ring.get() {
            ring.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}
