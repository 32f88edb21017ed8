//! Sets of transaction numbers, as sorted intervals. Every operation is one walk over both sides: a server that lives
//! long enough prints ten thousand intervals.
//!
//! Invariant: no I/O here.

/// The numbers from `first` to `last`, both of them included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Interval {
    pub(super) first: u64,
    pub(super) last: u64,
}

/// Sorted; between two intervals there is always a number that is in neither. So equal sets are equal values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Intervals(Vec<Interval>);

impl Intervals {
    pub(super) fn iter(&self) -> impl Iterator<Item = Interval> {
        self.0.iter().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many numbers there are.
    pub(super) fn count(&self) -> u128 {
        self.iter()
            .map(|interval| u128::from(interval.last - interval.first) + 1)
            .sum()
    }

    pub(super) fn union(&self, other: &Intervals) -> Intervals {
        let mut all = Vec::with_capacity(self.0.len() + other.0.len());
        let mut theirs = other.iter().peekable();
        for our in self.iter() {
            while let Some(their) = theirs.next_if(|their| their.first < our.first) {
                all.push(their);
            }
            all.push(our);
        }
        all.extend(theirs);
        Intervals::joined(all)
    }

    /// What is here and not in `other`.
    pub(super) fn subtract(&self, other: &Intervals) -> Intervals {
        let mut left = Vec::new();
        let mut cuts = other.0.as_slice();
        for Interval { mut first, last } in self.iter() {
            while first <= last {
                match cuts.split_first() {
                    Some((cut, later)) if cut.last < first => cuts = later,
                    // The cut stays: it may reach into the next interval as well.
                    Some((cut, _)) if cut.first <= last => {
                        if first < cut.first {
                            let last = cut.first - 1;
                            left.push(Interval { first, last });
                        }
                        first = cut.last + 1;
                    }
                    Some(_) | None => {
                        left.push(Interval { first, last });
                        break;
                    }
                }
            }
        }
        Intervals(left)
    }

    /// Whether everything in `other` is here.
    pub(super) fn contains(&self, other: &Intervals) -> bool {
        let mut ours = self.iter().peekable();
        other.iter().all(|their| {
            while ours.next_if(|our| our.last < their.first).is_some() {}
            ours.peek()
                .is_some_and(|our| our.first <= their.first && their.last <= our.last)
        })
    }

    pub(super) fn has(&self, number: u64) -> bool {
        let up_to = self.0.partition_point(|interval| interval.first <= number);
        self.0[..up_to].last().is_some_and(|interval| interval.last >= number)
    }

    /// Joins intervals that overlap or touch.
    fn joined(mut sorted: Vec<Interval>) -> Intervals {
        sorted.dedup_by(|next, end| {
            let joins = next.first <= end.last + 1;
            if joins {
                end.last = end.last.max(next.last);
            }
            joins
        });
        Intervals(sorted)
    }
}

impl FromIterator<Interval> for Intervals {
    fn from_iter<I: IntoIterator<Item = Interval>>(intervals: I) -> Intervals {
        let mut all: Vec<Interval> = intervals.into_iter().collect();
        // What a server prints is sorted, which costs one look here.
        all.sort();
        Intervals::joined(all)
    }
}
