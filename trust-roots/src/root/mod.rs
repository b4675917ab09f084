//! Trust roots: who may sign what, since when and until when, and how that changes.
//!
//! A root is a TUF root file with a member of ours, `x-countersign`. Each version is signed by enough of the root keys of the
//! version before, and of its own, so that whoever pinned one of them follows to the newest without asking anybody. Read
//! and followed here; fetched elsewhere. No I/O, no clock.

mod admission;
mod artifact;
mod chain;
mod contents;
mod document;
mod draft;
mod edit;
mod edit_refused;
mod exact;
mod fault;
mod follow;
mod grant;
mod lint;
mod reach;
mod refusal;
mod sigstore;
mod succession;
mod time;
mod understood;
mod unknown;

pub use self::{
    admission::NotAdmitted,
    artifact::{ArtifactError, ArtifactSource, ROOT_MEDIA_TYPE, publish, tag},
    chain::{Chain, TrustRoot},
    contents::{Contents, DeclaredKey, Scope, Statements, TufRole},
    draft::{Draft, Progress},
    edit::{NewKey, NewTimeAuthority, ScopeEdit},
    edit_refused::EditRefused,
    fault::Fault,
    follow::{FollowError, Followed, Pin, follow},
    grant::Grant,
    lint::{Lint, lints},
    refusal::{CODES, Refusal},
    sigstore::{Left, SigstoreAuthority, SigstoreInvalid, SigstoreRoot, sigstore_root},
    time::{Accuracy, Counts, Time, TimeEntry},
    understood::{Became, Beyond},
};
