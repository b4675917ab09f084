//! When a key's signatures count: its window, and what became of it.
//!
//! Made from a trust root, or without any limit for a key that is named by hand; asked by the validity of a document.
//! Nothing here comes from evidence.

use countersign_common::Timestamp;

use crate::time::{Interval, Window};

/// The time of a key.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Term {
    /// When it was in use. What was signed in it counts for ever.
    pub valid: Window,
    /// What became of it, if anything did.
    pub revoked: Option<Revocation>,
}

/// Why some of a key's signatures do not count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Revocation {
    /// The key was stolen, and its thief can sign for ever: only what was signed before counts.
    Compromised {
        /// Since when it may have been; nothing counts if nobody knows.
        at: Option<Timestamp>,
    },
    /// Its use was stolen for a while, and not the key: what may have been signed then does not count.
    Misused {
        /// The first moment.
        from: Timestamp,
        /// The last moment.
        to: Timestamp,
    },
}

impl Revocation {
    /// Whether nothing of what this takes back counts again by what came in its place.
    pub fn is_kept_by(self, later: Option<Self>) -> bool {
        match (self, later) {
            (Self::Compromised { at: None }, Some(Self::Compromised { at })) => at.is_none(),
            (Self::Compromised { at: Some(before) }, Some(Self::Compromised { at })) => {
                at.is_none_or(|at| at <= before)
            }
            (Self::Compromised { .. }, _) | (Self::Misused { .. }, None) => false,
            (Self::Misused { from, .. }, Some(Self::Compromised { at })) => {
                at.is_none_or(|at| at <= from)
            }
            (
                Self::Misused { from, to },
                Some(Self::Misused {
                    from: new_from,
                    to: new_to,
                }),
            ) => new_from <= from && new_to >= to,
        }
    }
}

/// Why a signature does not count, by its time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lapse {
    /// It may have been made outside the window.
    Outside(Window),
    /// It may have been made by somebody else.
    Revoked(Revocation),
}

impl Term {
    /// Whether it is no matter when something was signed.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }

    /// Whether what was signed somewhere in an interval counts: only if it does wherever that was.
    pub fn covers(&self, interval: Interval) -> Result<(), Lapse> {
        let (not_before, not_after) = (interval.not_before(), interval.not_after());
        if let Some(revocation) = self.revoked {
            let is_before = match revocation {
                Revocation::Compromised { at } => at.is_some_and(|at| not_after < at),
                Revocation::Misused { from, to } => not_after < from || not_before > to,
            };
            if !is_before {
                return Err(Lapse::Revoked(revocation));
            }
        }
        if self.valid.contains(not_before) && self.valid.contains(not_after) {
            Ok(())
        } else {
            Err(Lapse::Outside(self.valid))
        }
    }

    /// Whether the key may sign now. A stolen one never may again, whatever was signed before.
    pub fn admits(&self, now: Timestamp) -> Result<(), Lapse> {
        match self.revoked {
            Some(revoked @ Revocation::Compromised { .. }) => Err(Lapse::Revoked(revoked)),
            Some(revoked @ Revocation::Misused { from, to }) if from <= now && now <= to => {
                Err(Lapse::Revoked(revoked))
            }
            _ if self.valid.contains(now) => Ok(()),
            _ => Err(Lapse::Outside(self.valid)),
        }
    }

    /// The same where only the latest moment is proven, as of a signature without a stamp inside.
    ///
    /// What was made after a misuse cannot be told from what was made before it, or during it.
    pub fn covers_until(&self, not_after: Timestamp) -> Result<(), Lapse> {
        if let Some(revocation) = self.revoked {
            let begin = match revocation {
                Revocation::Compromised { at } => at,
                Revocation::Misused { from, .. } => Some(from),
            };
            if begin.is_none_or(|begin| not_after >= begin) {
                return Err(Lapse::Revoked(revocation));
            }
        }
        if self.valid.contains(not_after) {
            Ok(())
        } else {
            Err(Lapse::Outside(self.valid))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds).unwrap()
    }

    fn interval(from: i64, to: i64) -> Interval {
        Interval::new(time(from), time(to)).unwrap()
    }

    fn window(start: Option<i64>, end: Option<i64>) -> Window {
        Window {
            start: start.map(time),
            end: end.map(time),
        }
    }

    #[test]
    fn a_window_holds_both_ends_of_the_interval() {
        let term = Term {
            valid: window(Some(10), Some(20)),
            revoked: None,
        };
        for (from, to, counts) in [
            (10, 20, true),
            (12, 12, true),
            (9, 20, false),
            (10, 21, false),
            (21, 22, false),
            (0, 9, false),
        ] {
            assert_eq!(
                term.covers(interval(from, to)).is_ok(),
                counts,
                "{from} to {to}"
            );
        }
        for (until, counts) in [(10, true), (20, true), (21, false), (9, false)] {
            assert_eq!(term.covers_until(time(until)).is_ok(), counts, "{until}");
        }
        let open = Term {
            valid: window(Some(10), None),
            revoked: None,
        };
        assert!(open.covers(interval(10, 1_000_000)).is_ok());
        assert!(!open.is_unlimited() && Term::default().is_unlimited());
    }

    #[test]
    fn of_a_compromised_key_only_what_was_signed_before_counts() {
        let term = |at| Term {
            valid: Window::default(),
            revoked: Some(Revocation::Compromised { at }),
        };
        let known = term(Some(time(100)));
        for (from, to, counts) in [
            (50, 99, true),
            (50, 100, false),
            (50, 150, false),
            (101, 150, false),
        ] {
            assert_eq!(
                known.covers(interval(from, to)).is_ok(),
                counts,
                "{from} to {to}"
            );
            assert_eq!(known.covers_until(time(to)).is_ok(), counts, "{to}");
        }
        assert!(term(None).covers(interval(0, 1)).is_err());
        assert!(term(None).covers_until(time(0)).is_err());
    }

    #[test]
    fn of_a_misused_key_what_touches_the_misuse_does_not_count() {
        let term = Term {
            valid: Window::default(),
            revoked: Some(Revocation::Misused {
                from: time(100),
                to: time(200),
            }),
        };
        for (from, to, counts) in [
            (50, 99, true),
            (50, 100, false),
            (120, 130, false),
            (200, 250, false),
            (50, 250, false),
            (201, 250, true),
        ] {
            assert_eq!(
                term.covers(interval(from, to)).is_ok(),
                counts,
                "{from} to {to}"
            );
        }
        // Without a lower end it may have been made at any time before.
        for (until, counts) in [(99, true), (100, false), (250, false)] {
            assert_eq!(term.covers_until(time(until)).is_ok(), counts, "{until}");
        }
    }

    #[test]
    fn a_stolen_key_never_signs_again_and_a_misused_one_does() {
        let term = |revoked| Term {
            valid: window(Some(10), Some(300)),
            revoked: Some(revoked),
        };
        let stolen = term(Revocation::Compromised {
            at: Some(time(250)),
        });
        let misused = term(Revocation::Misused {
            from: time(100),
            to: time(200),
        });
        for (now, may) in [
            (9, false),
            (10, true),
            (99, true),
            (100, false),
            (200, false),
            (201, true),
            (300, true),
            (301, false),
        ] {
            assert!(stolen.admits(time(now)).is_err(), "{now}");
            assert_eq!(misused.admits(time(now)).is_ok(), may, "{now}");
        }
        assert!(Term::default().admits(time(0)).is_ok());
    }

    #[test]
    fn a_revocation_weighs_more_than_a_window() {
        let term = Term {
            valid: window(Some(10), Some(20)),
            revoked: Some(Revocation::Compromised { at: Some(time(15)) }),
        };
        assert_eq!(
            term.covers(interval(30, 31)),
            Err(Lapse::Revoked(Revocation::Compromised {
                at: Some(time(15))
            }))
        );
        assert_eq!(
            term.covers(interval(5, 6)),
            Err(Lapse::Outside(window(Some(10), Some(20))))
        );
    }
}
