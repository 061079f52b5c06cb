//! Tasks: of endpoints, which begin again after a fault, and of changes, which go to their end.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::{task::spawn, time::sleep};

use crate::{
    db::error::Error,
    webhook::{deliver, error::HookError, registry::Webhooks, slot::Slot},
};

/// Does something to its end, also when whoever asked for it has hung up.
pub(super) async fn whole<T: Send + 'static>(
    work: impl Future<Output = Result<T, HookError>> + Send + 'static,
) -> Result<T, HookError> {
    spawn(work).await.unwrap_or(Err(HookError::Database(Error::Closed)))
}

/// How long an endpoint rests after a fault of the program.
const AFTER_FAULT: Duration = Duration::from_secs(5);

/// Tells an endpoint, and begins again after a fault.
pub(super) async fn supervised(hooks: Arc<Webhooks>, slot: Arc<Slot>) {
    let mut stopping = hooks.stopping();
    while caught(deliver::run(Arc::clone(&hooks), Arc::clone(&slot))).await.is_err() {
        slot.set_faulty(true);
        hooks.tell_alarm();
        tokio::select! {
            () = sleep(AFTER_FAULT) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Errors: it panicked.
async fn caught(work: impl Future<Output = ()>) -> Result<(), ()> {
    let mut work = pin!(work);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(Poll::Ready(())) => Poll::Ready(Ok(())),
        Ok(Poll::Pending) => Poll::Pending,
        Err(_) => Poll::Ready(Err(())),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_a_task_is_caught() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let faulty = async {
            tokio::task::yield_now().await;
            panic!("on purpose");
        };
        assert_eq!(runtime.block_on(caught(faulty)), Err(()));
        assert_eq!(runtime.block_on(caught(async {})), Ok(()));
    }

    #[test]
    fn a_change_goes_to_its_end_when_nobody_waits() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        runtime.block_on(async {
            let mut change = Box::pin(whole(async move {
                tokio::task::yield_now().await;
                sender.send(1).unwrap();
                Ok(())
            }));
            // Asked once, then dropped: the caller has hung up.
            poll_fn(|context| Poll::Ready(change.as_mut().poll(context).is_pending())).await;
            drop(change);
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(receiver.try_recv(), Ok(1));
    }
}
