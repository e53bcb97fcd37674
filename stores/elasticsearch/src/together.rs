//! What is asked at the same time is sent together, and each gets its own answer.

use std::future::Future;
use std::sync::Arc;

use annals_core::Result;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::error::closed;

/// So many requests may be under way: while one is answered the next one travels.
const UNDER_WAY: usize = 2;

struct Waiting<Q, A> {
    question: Q,
    answer: oneshot::Sender<Result<A>>,
}

/// A queue of questions.
pub(crate) struct Together<Q, A>(mpsc::UnboundedSender<Waiting<Q, A>>);

impl<Q: Send + 'static, A: Send + 'static> Together<Q, A> {
    /// Begins to send what is asked, at most so much at once; `send` gives an answer for each question, in their order.
    pub(crate) fn start<F: Future<Output = Result<Vec<A>>> + Send + 'static>(
        weight: impl Fn(&Q) -> usize + Send + 'static,
        most: usize,
        send: impl Fn(Vec<Q>) -> F + Send + 'static,
    ) -> Self {
        let (queue, waiting) = mpsc::unbounded_channel();
        tokio::spawn(work(waiting, weight, most, send));
        Self(queue)
    }

    pub(crate) async fn ask(&self, question: Q) -> Result<A> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Waiting { question, answer }).map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

/// Ends with the queue.
async fn work<Q: Send + 'static, A: Send + 'static, F: Future<Output = Result<Vec<A>>> + Send + 'static>(
    mut waiting: mpsc::UnboundedReceiver<Waiting<Q, A>>,
    weight: impl Fn(&Q) -> usize,
    most: usize,
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
