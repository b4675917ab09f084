//! Exit codes: what a program that runs this command may rely on.

use std::process::ExitCode;

/// How a command ended. In the order of what wins when several images end differently.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Exit {
    /// 0: done, or verified.
    Done,
    /// 3: could not find out, or could not reach what must be reached.
    Undecided,
    /// 1: found out, and no.
    Refused,
    /// 2: usage or configuration, before any work.
    Usage,
    /// 70: a fault of this program.
    Internal,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Undecided => 3,
            Self::Internal => 70,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn the_worst_wins() {
        let worst = |exits: &[Exit]| exits.iter().copied().max().map(Exit::code);
        assert_eq!(worst(&[Exit::Done, Exit::Undecided]), Some(3));
        assert_eq!(
            worst(&[Exit::Undecided, Exit::Refused, Exit::Done]),
            Some(1)
        );
        assert_eq!(worst(&[Exit::Refused, Exit::Internal]), Some(70));
    }
}
