//! What is asked at the same time, on one thread: what is sent together, and what each hears.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use annals_core::{Error, ErrorKind, Result, Together};
use futures::future::join_all;
use tokio::sync::Semaphore;

fn closed() -> Error {
    Error::new(ErrorKind::Connection, "closed.").retryable(false)
}

/// What was sent, and leave for requests to be answered.
#[derive(Clone)]
struct Server {
    sent: Arc<Mutex<Vec<Vec<usize>>>>,
    leave: Arc<Semaphore>,
}

impl Server {
    fn new(leave: usize) -> Self {
        Self { sent: Arc::default(), leave: Arc::new(Semaphore::new(leave)) }
    }

    /// Answers each number with its double, and refuses a request that has a zero. A question weighs what it is.
    fn together(&self, most: usize) -> Together<usize, usize> {
        let server = self.clone();
        Together::start(
            |question| *question,
            most,
            closed,
            move |questions: Vec<usize>| {
                let server = server.clone();
                server.sent.lock().unwrap().push(questions.clone());
                async move {
                    server.leave.acquire().await.unwrap().forget();
                    match questions.contains(&0) {
                        true => Err(Error::new(ErrorKind::Backend, "refused.").with_context("by", "the server")),
                        false => Ok(questions.into_iter().map(|question| 2 * question).collect()),
                    }
                }
            },
        )
    }

    fn sent(&self) -> Vec<Vec<usize>> {
        self.sent.lock().unwrap().clone()
    }
}

async fn ask_all(together: &Together<usize, usize>, questions: &[usize]) -> Vec<Result<usize>> {
    join_all(questions.iter().map(|question| together.ask(*question))).await
}

#[tokio::test]
async fn those_that_wait_are_sent_together_and_each_gets_its_answer() {
    let server = Server::new(0);
    let together = Arc::new(server.together(1000));
    let ask = |questions: &'static [usize]| {
        let together = together.clone();
        tokio::spawn(async move { ask_all(&together, questions).await })
    };
    let settled = || async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    };
    let (first, _) = (ask(&[1]), settled().await);
    let (second, _) = (ask(&[2]), settled().await);
    let third = [ask(&[3, 4]), ask(&[5]), ask(&[6])];
    settled().await;
    assert_eq!(server.sent(), [vec![1], vec![2]], "two are under way, and the others wait");
    server.leave.add_permits(1);
    let third: Vec<_> = {
        settled().await;
        assert_eq!(server.sent(), [vec![1], vec![2], vec![3, 4, 5, 6]]);
        server.leave.add_permits(2);
        join_all(third).await.into_iter().flat_map(Result::unwrap).map(Result::unwrap).collect()
    };
    assert_eq!(third, [6, 8, 10, 12]);
    assert_eq!(first.await.unwrap()[0].as_ref().unwrap(), &2);
    assert_eq!(second.await.unwrap()[0].as_ref().unwrap(), &4);
}

#[tokio::test]
async fn a_request_weighs_no_more_than_it_may_unless_one_question_does() {
    let server = Server::new(100);
    let answers = ask_all(&server.together(10), &[4, 6, 1, 30, 5, 5, 1]).await;
    assert_eq!(answers.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [8, 12, 2, 60, 10, 10, 2]);
    assert_eq!(server.sent(), [vec![4, 6], vec![1], vec![30], vec![5, 5], vec![1]]);
}

#[tokio::test]
async fn what_a_request_fails_with_each_hears() {
    let server = Server::new(100);
    let together = server.together(10);
    for answer in ask_all(&together, &[1, 0, 2]).await {
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.message()), (&ErrorKind::Backend, "refused."));
        assert_eq!(error.context(), [("by", "the server".to_owned())]);
    }
    assert_eq!(together.ask(3).await.unwrap(), 6, "it goes on");
}

#[tokio::test]
async fn who_is_gone_keeps_nobody_from_an_answer() {
    let server = Server::new(0);
    let together = server.together(10);
    {
        let gone = std::pin::pin!(together.ask(1));
        assert!(futures::poll!(gone).is_pending());
    }
    let asked = std::pin::pin!(together.ask(2));
    let mut asked = asked;
    assert!(futures::poll!(&mut asked).is_pending());
    server.leave.add_permits(1);
    assert_eq!(asked.await.unwrap(), 4);
    assert_eq!(server.sent(), [vec![1, 2]]);
}

#[tokio::test]
async fn a_question_that_gets_no_answer_finds_it_closed() {
    let together = Together::start(|_: &u8| 1, 10, closed, |_| async { Ok(vec!["one"]) });
    let (one, other) = tokio::join!(together.ask(1), together.ask(2));
    assert_eq!(one.unwrap(), "one");
    assert_eq!(other.unwrap_err().message(), "closed.");
}

#[tokio::test]
async fn it_ends_when_it_is_dropped() {
    let kept = Arc::new(());
    let alive = Arc::downgrade(&kept);
    let together = Together::start(
        |_: &u8| 1,
        10,
        closed,
        move |questions| {
            let _kept = kept.clone();
            async move { Ok(questions) }
        },
    );
    assert_eq!(together.ask(1).await.unwrap(), 1);
    assert!(alive.upgrade().is_some());
    drop(together);
    while alive.upgrade().is_some() {
        tokio::task::yield_now().await;
    }
}
