//! Who is no longer trusted as before: what is open of theirs is asked again at once, on every node.
//!
//! It follows the store's revocation log, where lock-outs are announced too. It never decides and never closes anything:
//! whoever listens is woken and asks the journey, so that what is still forwarded stays open. Only those are woken whom an
//! entry is about. What it has read tells also whether a session's snapshot can be relied on ([`Recalls::vouches`]). While
//! the log cannot be read nobody is woken, and what is open is asked by its clock (`recheck`); what
//! was written in the meantime is read as soon as the store answers again.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::store::{Counted, LOG_READ_MAX, LogPlace, LogPosition, StateStore};

mod feed;

/// How long one reading of the log waits for an entry: four of them, and nobody relies on it any more.
const READ_WAIT: Duration = Duration::from_millis(200);
/// How long after a reading that failed the next one begins.
const READ_AGAIN: Duration = Duration::from_millis(200);
/// How many of those who were woken may ask at once: an address that thousands of streams share must not flood the store.
const ASKING_MAX: usize = 64;
/// How many entries are remembered for what was being opened while they came.
const RECENT_MAX: usize = 10_000;

/// Everything that listens on this node. Cheap to clone.
#[derive(Clone)]
pub struct Recalls(Arc<Shared>);

struct Shared {
    /// How many entries were told so far.
    told: AtomicU64,
    board: Mutex<Board>,
    feed: RwLock<feed::Feed>,
    turns: Arc<Semaphore>,
}

#[derive(Default)]
struct Board {
    /// By whom they are about, then by number: as many as streams are open, a few lines each.
    listeners: BTreeMap<(Counted, u64), Arc<Notify>>,
    next_number: u64,
    /// The newest entries, the newest last.
    recent: VecDeque<Counted>,
}

/// Hears of entries about some, until it is dropped.
pub struct Listener {
    shared: Arc<Shared>,
    whom: Arc<[Counted]>,
    number: u64,
    woken: Arc<Notify>,
}

impl Default for Recalls {
    fn default() -> Self {
        Recalls(Arc::new(Shared {
            told: AtomicU64::new(0),
            board: Mutex::default(),
            feed: RwLock::default(),
            turns: Arc::new(Semaphore::new(ASKING_MAX)),
        }))
    }
}

impl Recalls {
    /// How many entries were told so far: to be taken before the store is asked how things stand.
    pub fn told(&self) -> u64 {
        self.0.told.load(Ordering::Acquire)
    }

    /// Listens for entries about these, also for those that came after `told`.
    pub fn listen(&self, whom: Arc<[Counted]>, told: u64) -> Listener {
        let woken = Arc::<Notify>::default();
        let mut board = self.0.board();
        let number = board.next_number;
        board.next_number += 1;
        board.listeners.extend(whom.iter().map(|who| ((*who, number), woken.clone())));
        // INVARIANT: `told` only moves while the board is held, so no entry falls between.
        if board.has_missed(self.told().saturating_sub(told), &whom) {
            woken.notify_one();
        }
        drop(board);
        Listener { shared: self.0.clone(), whom, number, woken }
    }

    /// Where this node stands in the log: to be taken before anything is read that is to be relied on later. `None` where
    /// nobody may rely on the log.
    pub fn place(&self) -> Option<LogPlace> {
        self.feed(|feed| feed.place())
    }

    /// Whether what was known of these at that place still holds, as far as anybody has said by now (within
    /// a second). `added` is the newest entry that this process has added itself.
    pub fn vouches(&self, place: LogPlace, added: LogPosition, whom: &[Counted]) -> bool {
        let now = Instant::now();
        self.feed(|feed| feed.vouches(now, place, added, whom))
    }

    fn feed<T>(&self, look: impl FnOnce(&feed::Feed) -> T) -> T {
        look(&self.0.feed.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change_feed(&self, change: impl FnOnce(&mut feed::Feed)) {
        change(&mut self.0.feed.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Wakes whoever listens for this. Nothing is relied on any more that it voids when they ask.
    fn tell(&self, position: LogPosition, target: Counted) {
        self.change_feed(|feed| feed.apply(position, target));
        let mut board = self.0.board();
        self.0.told.fetch_add(1, Ordering::AcqRel);
        if board.recent.len() == RECENT_MAX {
            board.recent.pop_front();
        }
        board.recent.push_back(target);
        for (_, woken) in board.listeners.range((target, 0)..=(target, u64::MAX)) {
            woken.notify_one();
        }
    }
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    /// Whether one of the newest so many entries was about these; who cannot know has to ask.
    fn has_missed(&self, newest: u64, whom: &[Counted]) -> bool {
        let from = usize::try_from(newest).ok().and_then(|newest| self.recent.len().checked_sub(newest));
        from.is_none_or(|from| self.recent.range(from..).any(|target| whom.contains(target)))
    }
}

impl Listener {
    /// Waits for an entry, then for its turn, which lasts as long as what is returned. Several entries may be heard as one.
    pub async fn recalled(&self) -> Option<OwnedSemaphorePermit> {
        self.woken.notified().await;
        // Nobody closes it; without a turn it would ask all the same.
        self.shared.turns.clone().acquire_owned().await.ok()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut board = self.shared.board();
        for who in &*self.whom {
            board.listeners.remove(&(*who, self.number));
        }
    }
}

/// Reads the log from its beginning for as long as it is polled, and tells of every entry once; in each of its lives.
pub async fn follow(store: Arc<impl StateStore>, recalls: Recalls) {
    let mut position = 0;
    let mut life = None;
    let mut is_lost = false;
    loop {
        let began = store.log_life();
        if began.is_some() && began != life {
            // Places of another life say nothing about this one.
            (life, position) = (began, 0);
            began.into_iter().for_each(|life| recalls.change_feed(|feed| feed.begin(life)));
        }
        let asked = Instant::now();
        match store.revocations_after(position, READ_WAIT).await {
            Ok(entries) => {
                if std::mem::take(&mut is_lost) {
                    tracing::info!("the revocation log is read again");
                }
                let is_all = entries.len() < LOG_READ_MAX;
                for (at, revocation) in entries {
                    position = at;
                    recalls.tell(at, revocation.target);
                }
                // In between another life may have begun, and some of it been read.
                let is_same = began.is_some() && store.log_life() == began;
                match is_same && is_all {
                    true => recalls.change_feed(|feed| feed.was_current(asked)),
                    false => recalls.change_feed(feed::Feed::lose),
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut is_lost, true) {
                    tracing::warn!(%error, "the revocation log cannot be read; what is open is asked by its clock");
                }
                tokio::time::sleep(READ_AGAIN).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::{ASKING_MAX, Listener, RECENT_MAX, Recalls, follow};
    use crate::store::{Counted, Kind, Revocation, StateStore, embedded::Embedded};

    fn account(number: u8) -> Counted {
        Counted { kind: Kind::Account, id: [number; 16] }
    }

    async fn is_woken(listener: &Listener) -> bool {
        tokio::time::timeout(Duration::from_millis(50), listener.recalled()).await.is_ok()
    }

    #[tokio::test]
    async fn only_those_are_woken_whom_an_entry_is_about_and_once() {
        let recalls = Recalls::default();
        let [ada, bob] = [account(1), account(2)].map(|who| recalls.listen(Arc::new([account(9), who]), 0));
        recalls.tell(1, account(1));
        assert!(is_woken(&ada).await);
        assert!(!is_woken(&ada).await, "heard once");
        assert!(!is_woken(&bob).await, "somebody else");
        recalls.tell(2, Counted { kind: Kind::Session, ..account(2) });
        assert!(!is_woken(&bob).await, "another kind");
        recalls.tell(3, account(9));
        assert!(is_woken(&ada).await && is_woken(&bob).await);
    }

    #[tokio::test]
    async fn what_came_while_a_stream_was_opened_is_heard_and_what_came_before_is_not() {
        let recalls = Recalls::default();
        recalls.tell(1, account(1));
        let told = recalls.told();
        assert!(!is_woken(&recalls.listen(Arc::new([account(1)]), told)).await);
        recalls.tell(2, account(2));
        assert!(is_woken(&recalls.listen(Arc::new([account(2)]), told)).await);
        assert!(!is_woken(&recalls.listen(Arc::new([account(1)]), told)).await, "not meant");
        (0..RECENT_MAX).for_each(|_| recalls.tell(3, account(3)));
        assert!(is_woken(&recalls.listen(Arc::new([account(1)]), told)).await, "nobody knows any more: it asks");
    }

    #[tokio::test]
    async fn whoever_stops_listening_leaves_nothing_behind() {
        let recalls = Recalls::default();
        drop(recalls.listen(Arc::new([account(1), account(2)]), 0));
        assert!(recalls.0.board().listeners.is_empty());
        (0..2 * RECENT_MAX).for_each(|_| recalls.tell(1, account(1)));
        assert_eq!(recalls.0.board().recent.len(), RECENT_MAX);
    }

    #[tokio::test]
    async fn so_many_ask_at_once_and_no_more() {
        let recalls = Recalls::default();
        let listeners: Vec<_> = (0..=ASKING_MAX).map(|_| recalls.listen(Arc::new([account(1)]), 0)).collect();
        recalls.tell(1, account(1));
        let mut turns = Vec::new();
        for listener in &listeners[1..] {
            turns.push(listener.recalled().await);
        }
        let last = listeners[0].recalled();
        tokio::pin!(last);
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut last).await.is_err(), "its turn comes later");
        turns.pop();
        tokio::time::timeout(Duration::from_secs(5), last).await.expect("its turn");
    }

    #[tokio::test]
    async fn the_log_is_followed_revocations_and_announcements_alike() {
        let store = Arc::new(Embedded::in_memory().unwrap());
        let recalls = Recalls::default();
        let [ada, bob] = [1, 2].map(|number| recalls.listen(Arc::new([account(number)]), 0));
        let following = tokio::spawn(follow(store.clone(), recalls.clone()));
        store.announce(account(1)).await.unwrap();
        store.revoke(Revocation { target: account(2), before_ms: 1 }).await.unwrap();
        for listener in [&ada, &bob] {
            tokio::time::timeout(Duration::from_secs(5), listener.recalled()).await.expect("woken");
        }
        assert_eq!(recalls.told(), 2);
        following.abort();
    }
}
