//! Counters in a fixed amount of memory, for when the map of counters is full.
//!
//! A count-min sketch over the current and the previous window: it may count too much, never too little, so a flood
//! of made-up names cannot make room for guessing. Everything in it is forgotten at a restart.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hash},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::store::embedded::sharded::held;

const ROWS: usize = 4;
const WIDTH: usize = 16 << 10;

/// One sketch a window length.
#[derive(Default)]
pub(super) struct Sketches {
    windows: Mutex<Vec<Sketch>>,
    used: AtomicBool,
    hasher: RandomState,
}

struct Sketch {
    window_ms: i64,
    /// Number of the current window.
    newest: i64,
    /// Number of the window of the last hit.
    hit: i64,
    current: Vec<u32>,
    previous: Vec<u32>,
}

impl Sketches {
    /// Whether anything was ever counted that may still count.
    pub(super) fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Counts and reads.
    pub(super) fn hit(&self, now_ms: i64, window_ms: i64, subject: &impl Hash) -> u64 {
        let cells = self.cells(subject);
        let mut windows = held(&self.windows);
        self.used.store(true, Ordering::Relaxed);
        let at = windows.iter().position(|sketch| sketch.window_ms == window_ms).unwrap_or_else(|| {
            windows.push(Sketch::new(now_ms, window_ms));
            windows.len() - 1
        });
        let sketch = &mut windows[at];
        sketch.turn(now_ms);
        sketch.hit = sketch.newest;
        cells.iter().for_each(|cell| sketch.current[*cell] = sketch.current[*cell].saturating_add(1));
        sketch.least(&cells)
    }

    /// Only reads.
    pub(super) fn look(&self, now_ms: i64, window_ms: i64, subject: &impl Hash) -> u64 {
        let cells = self.cells(subject);
        let mut windows = held(&self.windows);
        windows.iter_mut().find(|sketch| sketch.window_ms == window_ms).map_or(0, |sketch| {
            sketch.turn(now_ms);
            sketch.least(&cells)
        })
    }

    /// Drops what nothing counts in any more.
    pub(super) fn sweep(&self, now_ms: i64) {
        if self.is_used() {
            let mut windows = held(&self.windows);
            windows.retain(|sketch| now_ms.div_euclid(sketch.window_ms).saturating_sub(sketch.hit) < 2);
            self.used.store(!windows.is_empty(), Ordering::Relaxed);
        }
    }

    /// Where a subject is counted: one cell in each row, by a hash that outsiders cannot foresee.
    fn cells(&self, subject: &impl Hash) -> [usize; ROWS] {
        std::array::from_fn(|row| row * WIDTH + self.hasher.hash_one((row, subject)) as usize % WIDTH)
    }
}

impl Sketch {
    fn new(now_ms: i64, window_ms: i64) -> Self {
        let empty = vec![0; ROWS * WIDTH];
        let newest = now_ms.div_euclid(window_ms);
        Self { window_ms, newest, hit: newest, current: empty.clone(), previous: empty }
    }

    /// Goes on to the window of this moment; never back.
    fn turn(&mut self, now_ms: i64) {
        let number = now_ms.div_euclid(self.window_ms);
        match number.saturating_sub(self.newest) {
            ..=0 => return,
            1 => std::mem::swap(&mut self.current, &mut self.previous),
            2.. => self.previous.fill(0),
        }
        self.current.fill(0);
        self.newest = number;
    }

    fn least(&self, cells: &[usize; ROWS]) -> u64 {
        let count = |cell: &usize| u64::from(self.current[*cell]) + u64::from(self.previous[*cell]);
        cells.iter().map(count).min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::Sketches;

    #[test]
    fn it_never_counts_too_little_and_forgets_after_two_windows() {
        let sketches = Sketches::default();
        for subject in 0..20_000u32 {
            for expected in 1..=3 {
                assert!(sketches.hit(1_000, 60_000, &subject) >= expected, "subject {subject}");
            }
        }
        assert!(sketches.look(61_000, 60_000, &7u32) >= 3, "one window later it still counts");
        assert_eq!(sketches.look(125_000, 60_000, &7u32), 0, "two windows later it does not");
        sketches.sweep(200_000);
        assert!(!sketches.is_used());
    }
}
