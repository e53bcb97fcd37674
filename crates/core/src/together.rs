//! What is asked at the same time is sent together, and each gets its own answer.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::{Error, Result};

/// So many requests may be under way: while one is answered the next one travels.
const UNDER_WAY: usize = 2;

/// A queue of questions, for stores whose database takes many in one request. A question that nobody else asks goes at once;
/// those that come while requests are under way wait, and share the next one.
pub struct Together<Q, A> {
    queue: mpsc::UnboundedSender<Waiting<Q, A>>,
    closed: fn() -> Error,
}

struct Waiting<Q, A> {
    question: Q,
    answer: oneshot::Sender<Result<A>>,
}

impl<Q, A> std::fmt::Debug for Together<Q, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Together").finish_non_exhaustive()
    }
}

impl<Q: Send + 'static, A: Send + 'static> Together<Q, A> {
    /// Begins to send what is asked. `send` gives an answer for each question, in their order; where it fails, that is the
    /// answer to each. What is sent together weighs at most `most`, unless one question does alone. `closed` is the answer
    /// where there is none. Panics outside of a tokio runtime, in which it lives until it is dropped.
    pub fn start<F: Future<Output = Result<Vec<A>>> + Send + 'static>(
        weight: impl Fn(&Q) -> usize + Send + 'static,
        most: usize,
        closed: fn() -> Error,
        send: impl Fn(Vec<Q>) -> F + Send + 'static,
    ) -> Self {
        let (queue, waiting) = mpsc::unbounded_channel();
        tokio::spawn(work(waiting, weight, most, closed, send));
        Self { queue, closed }
    }

    /// Asks, together with others. Fails as the request does.
    pub async fn ask(&self, question: Q) -> Result<A> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Waiting { question, answer }).map_err(|_| (self.closed)())?;
        answered.await.map_err(|_| (self.closed)())?
    }
}

/// Ends with the queue.
async fn work<Q: Send + 'static, A: Send + 'static, F: Future<Output = Result<Vec<A>>> + Send + 'static>(
    mut waiting: mpsc::UnboundedReceiver<Waiting<Q, A>>,
    weight: impl Fn(&Q) -> usize,
    most: usize,
    closed: fn() -> Error,
    send: impl Fn(Vec<Q>) -> F,
) {
    let under_way = Arc::new(Semaphore::new(UNDER_WAY));
    let mut left_over = None;
    while let Ok(permit) = under_way.clone().acquire_owned().await {
        let first = match left_over.take() {
            Some(first) => first,
            None => match waiting.recv().await {
                Some(first) => first,
                None => return,
            },
        };
        // Who is about to ask may still do so.
        tokio::task::yield_now().await;
        let mut sum = weight(&first.question);
        let mut together = vec![first];
        while let Ok(next) = waiting.try_recv() {
            sum += weight(&next.question);
            if sum > most {
                left_over = Some(next);
                break;
            }
            together.push(next);
        }
        let (questions, asked): (Vec<_>, Vec<_>) = together.into_iter().map(|w| (w.question, w.answer)).unzip();
        let answers = send(questions);
        tokio::spawn(async move {
            let mut answers = answers.await.map(Vec::into_iter);
            drop(permit);
            for asked in asked {
                let answer = match &mut answers {
                    Ok(answers) => answers.next().ok_or_else(closed),
                    Err(error) => Err(error.copied()),
                };
                // Who waited may be gone.
                let _ = asked.send(answer);
            }
        });
    }
}
