//! `countersign trust add-tsa`: whom verifiers believe about time.

use std::{path::Path, time::Duration};

use countersign_common::{Limits, Timestamp, rfc3161::Anchor};
use countersign_trust_roots::{
    root::{NewTimeAuthority, TimeEntry},
    time::Window,
};

use super::{ask, change_refused::ChangeRefused, edit::Edit, error::TrustError};
use crate::{
    arguments::{
        Common,
        trust::{self, TrustAddTsa},
    },
    exit::Exit,
    files,
    output::Stop,
    stamps,
};

/// How exact the stamps of a new authority are taken to be where they do not say so.
const ACCURACY: Duration = Duration::from_secs(1);

/// An authority as it was named.
pub(super) struct Authority {
    url: String,
    operator: String,
    certificates: Vec<Vec<u8>>,
    anchor: Anchor,
    accuracy: Option<Duration>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Authority {
    /// One that another file lists: where it is and who operates it, its certificates, and which of its stamps count.
    pub(super) fn of(
        (url, operator): (String, String),
        (certificates, anchor): (Vec<Vec<u8>>, Anchor),
        valid: Window,
    ) -> Self {
        Self {
            url,
            operator,
            certificates,
            anchor,
            accuracy: None,
            from: valid.start,
            until: valid.end,
        }
    }

    /// Reads its chain.
    pub(super) fn read(url: String, chain: &Path, operator: String) -> Result<Self, Stop> {
        let pem = files::read(chain)?;
        let read = || {
            let certificates = Anchor::certificates(&pem, &Limits::TABLE)?;
            let anchor = Anchor::from_certificates(certificates.clone(), &Limits::TABLE)?;
            Ok((certificates, anchor))
        };
        let (certificates, anchor) = read().map_err(|source| stamps::no_chain(chain, source))?;
        Ok(Self {
            url,
            operator,
            certificates,
            anchor,
            accuracy: None,
            from: None,
            until: None,
        })
    }

    /// Lists it, or changes how it is listed: what is not said stays as it is.
    pub(super) fn add(self, edit: &mut Edit) -> Result<(), TrustError> {
        let contents = edit.contents()?;
        let is_it =
            |entry: &&TimeEntry| entry.uri == self.url && entry.anchor.id() == self.anchor.id();
        let known = contents.time().authorities.iter().find(is_it);
        // Nobody has relied on a draft.
        let relied_on = edit
            .newest()
            .and_then(|root| root.time().authorities.iter().find(is_it));
        if let Some(known) = relied_on.filter(|known| known.operator != self.operator) {
            return Err(ChangeRefused::OperatorDiffers {
                uri: self.url,
                operator: known.operator.clone(),
            }
            .into());
        }
        let was = known.map(|known| known.valid).unwrap_or_default();
        let exact = known.and_then(|known| known.default_accuracy_seconds);
        let exact = exact.map(Duration::from_secs);
        let authority = NewTimeAuthority {
            operator: self.operator,
            uri: self.url,
            certificates: self.certificates,
            valid: Window {
                start: self.from.or(was.start),
                end: self.until.or(was.end),
            },
            accuracy: self.accuracy.or(exact).unwrap_or(ACCURACY),
        };
        edit.draft.add_time_authority(&authority, &Limits::TABLE)?;
        Ok(())
    }
}

pub(super) fn add(arguments: &TrustAddTsa, common: &Common, now: Timestamp) -> Result<Exit, Stop> {
    let mut edit = Edit::open(&arguments.change, now)?;
    let url = ask::required(
        arguments.url.clone(),
        "--url",
        "Where the authority is asked, a URL",
        trust::tsa_url,
    )?;
    let chain = ask::required(
        arguments.chain.clone(),
        "--chain",
        "File of its certificates",
        ask::text,
    )?;
    let operator = ask::required(
        arguments.operator.clone(),
        "--operator",
        "Who operates it",
        ask::text,
    )?;
    let authority = Authority {
        accuracy: arguments.accuracy,
        from: arguments.from,
        until: arguments.until,
        ..Authority::read(url, &chain, operator)?
    };
    authority.add(&mut edit)?;
    if let Some(threshold) = arguments.time_threshold {
        edit.draft.set_time_threshold(threshold);
    }
    edit.finish(common)
}
