//! Stamps that do not count, each in one point of what makes a stamp; and unusual ones that do.

use countersign_common::rfc3161::BEFORE_STAMP;
use countersign_stand_in::tsa::{Defect, Ess};

use super::{DATED, dated, publication, refused};
use crate::{
    signing::Signing,
    stamping::{AFTER, BEFORE, Over, Stamping, Tsa},
    story::Story,
};

fn before() -> Stamping {
    Tsa::One.at(BEFORE)
}

fn after() -> Stamping {
    Tsa::One.at(AFTER)
}

/// In the only year in which the expired certificate was good.
const THEN: (&str, &str) = ("2020-06-01T09:00:00Z", "2020-06-01T09:00:01Z");

pub(super) fn legitimate() -> Vec<Story> {
    let stamped = |case: &str, about: &str, edit: fn(Stamping) -> Stamping| {
        dated(Story::new(&format!("verified--{case}"), about))
            .signed(&publication().stamped([edit(before())], [edit(after())]))
    };
    vec![
        dated(Story::new(
            DATED,
            "A trusted key signed the publication between two stamps.",
        ))
        .signed(&publication()),
        dated(Story::new(
            "verified--certificate-expired-since",
            "It was good when the stamps were made.",
        ))
        .signed(&publication().stamped(
            [Tsa::One.at(THEN.0).with(Defect::LeafExpired)],
            [Tsa::One.at(THEN.1).with(Defect::LeafExpired)],
        )),
        stamped(
            "stamps-named-in-the-older-way",
            "SHA-1 in version 1 of the attribute only tells certificates apart.",
            |stamping| stamping.mode(|mode| mode.ess = Ess::V1),
        ),
        stamped(
            "stamps-with-a-bad-older-name",
            "Version 2 of the attribute wins.",
            |stamping| stamping.mode(|mode| mode.ess = Ess::V2BesideV1OfAnother),
        ),
        stamped(
            "stamps-through-an-intermediate",
            "It comes with the stamp.",
            |stamping| stamping.with(Defect::ViaIntermediate),
        ),
        stamped(
            "stamps-without-certificates",
            "The file of the chain has the signer's.",
            |stamping| stamping.with(Defect::NoCertificates),
        ),
        stamped(
            "stamps-granted-with-modifications",
            "The modified thing is checked like any other.",
            |stamping| stamping.with(Defect::GrantedWithMods),
        ),
        stamped(
            "stamps-with-another-nonce",
            "The nonce is for whoever asked.",
            |stamping| stamping.with(Defect::OtherNonce),
        ),
        dated(Story::new(
            "verified--beside-bad-stamps",
            "Stamps that do not count deny nothing where others do.",
        ))
        .signed(&publication().stamped(
            [before().with(Defect::SignatureFlipped), before()],
            [
                Tsa::Two.at(AFTER),
                after(),
                after().over(Over::Other(b"another signature")),
            ],
        )),
    ]
}

pub(super) fn invalid() -> Vec<Story> {
    let inside = |case: &str, about: &str, edit: fn(Stamping) -> Stamping| {
        dated(refused(case, about, DATED))
            .signed(&publication().stamped([edit(before())], [after()]))
    };
    let outside = |case: &str, about: &str, edit: fn(Stamping) -> Stamping| {
        dated(refused(case, about, DATED))
            .signed(&publication().stamped([before()], [edit(after())]))
    };
    let with = |case: &str, about: &str, defect: Defect| {
        dated(refused(&format!("stamp-{case}"), about, DATED))
            .signed(&publication().stamped([before()], [after().with(defect)]))
    };
    vec![
        outside(
            "stamp-of-another-signature",
            "It shows that something else is older.",
            |stamping| stamping.over(Over::Other(b"another signature")),
        ),
        outside(
            "stamp-of-the-payload",
            "What is signed may be old; its signature may not.",
            |stamping| stamping.over(Over::Payload),
        ),
        outside(
            "stamp-after-made-before",
            "A stamp of the constant says nothing of the signature.",
            |stamping| stamping.over(Over::Other(BEFORE_STAMP)),
        ),
        inside(
            "stamp-inside-of-another-text",
            "Only one constant is known to be no secret of the signer's.",
            |stamping| stamping.over(Over::Other(b"countersign before-stamp v2")),
        ),
        inside(
            "stamp-inside-bare",
            "A token without the response around it.",
            |stamping| stamping.with(Defect::BareToken),
        ),
        with(
            "bare",
            "A token without the response around it.",
            Defect::BareToken,
        ),
        with(
            "rejected",
            "The authority refused to make it.",
            Defect::Rejected,
        ),
        with(
            "rejected-yet-there",
            "The status decides, not what follows.",
            Defect::RejectedWithToken,
        ),
        with(
            "granted-and-not-there",
            "A status alone.",
            Defect::GrantedWithoutToken,
        ),
        with(
            "by-an-expired-certificate",
            "It was good until 2021, and the stamp is of 2026.",
            Defect::LeafExpired,
        )
        .twin("verified--certificate-expired-since"),
        with(
            "by-a-certificate-not-yet-valid",
            "It is good from 2039.",
            Defect::LeafNotYetValid,
        ),
        with(
            "without-key-usage",
            "The certificate is for anything.",
            Defect::EkuAbsent,
        ),
        with(
            "with-more-key-usages",
            "The certificate also signs code.",
            Defect::EkuMore,
        ),
        with(
            "with-uncritical-key-usage",
            "Whoever does not know the extension may ignore it.",
            Defect::EkuNotCritical,
        ),
        with(
            "by-a-certificate-authority",
            "A certificate that issues others stamps nothing.",
            Defect::LeafIsCa,
        ),
        outside(
            "stamp-naming-another-certificate",
            "Another certificate of the same key could be put in its place.",
            |stamping| stamping.mode(|mode| mode.ess = Ess::V2OfAnother),
        )
        .twin("verified--stamps-named-in-the-older-way"),
        outside(
            "stamp-naming-no-certificate",
            "Any certificate of the same key could be put in its place.",
            |stamping| stamping.mode(|mode| mode.ess = Ess::None),
        )
        .twin("verified--stamps-named-in-the-older-way"),
        with(
            "in-local-time",
            "Without `Z` nobody knows where.",
            Defect::TimeWithoutZ,
        ),
        outside(
            "stamp-with-negative-accuracy",
            "It would make the interval narrower than it is.",
            |stamping| stamping.exact_to(-1),
        ),
        with(
            "over-sha1",
            "Two signatures could have one such hash.",
            Defect::Sha1Imprint,
        ),
        with(
            "signed-over-sha1",
            "Two stamps could have one such hash.",
            Defect::Sha1Digest,
        ),
        with(
            "with-a-flipped-bit",
            "Its signature does not fit.",
            Defect::SignatureFlipped,
        ),
        with(
            "with-two-signers",
            "Which of them says when?",
            Defect::TwoSigners,
        ),
        with(
            "with-a-critical-extension",
            "It must not be understood without it.",
            Defect::CriticalExtension,
        ),
        with("with-more-behind-it", "One byte.", Defect::TrailingBytes),
        dated(refused(
            "stamp-not-in-base64",
            "It is in the alphabet of URLs.",
            DATED,
        ))
        .signed(&Signing {
            edit_bundle: |bundle| {
                let stamps = &mut bundle["verificationMaterial"]["timestampVerificationData"];
                let stamp = &mut stamps["rfc3161Timestamps"][0]["signedTimestamp"];
                let text = stamp.as_str().unwrap();
                *stamp = text.replace('+', "-").replace('/', "_").into();
            },
            ..publication()
        }),
    ]
}

/// By the window in which an authority is believed; both ends belong to it.
pub(super) fn outside_validity() -> Vec<Story> {
    let windowed = |story: Story, start: Option<&str>, end: Option<&str>| {
        let story = story.timed_by_as(Tsa::One, |authority| {
            authority.start = start.map(str::to_owned);
            authority.end = end.map(str::to_owned);
        });
        super::demanding_a_date(story).signed(&publication())
    };
    let within = "verified--stamps-at-the-ends-of-validity";
    vec![
        windowed(
            Story::new(within, "Both ends belong to it."),
            Some(BEFORE),
            Some(AFTER),
        ),
        windowed(
            refused(
                "stamp-of-after-the-end-of-validity",
                "The authority was retired a second before.",
                within,
            ),
            Some(BEFORE),
            Some(BEFORE),
        ),
        windowed(
            refused(
                "stamp-of-before-the-start-of-validity",
                "The authority was not trusted yet, for another second.",
                within,
            ),
            Some(AFTER),
            Some(AFTER),
        ),
    ]
}

/// How much of what anybody may add is looked at.
pub(super) fn bounds() -> Vec<Story> {
    let stamped = |story: Story, checked: usize| {
        let publication = publication().stamped([before()], [Tsa::Two.at(AFTER), after()]);
        dated(story).signed(&publication).with(|case| {
            case.limits.insert("timeStampsChecked".to_owned(), checked);
        })
    };
    let as_many = "verified--as-many-stamps-as-are-checked";
    vec![
        stamped(
            Story::new(as_many, "The second of the signature counts."),
            2,
        ),
        stamped(
            refused("more-stamps-than-are-checked", "One fewer.", as_many),
            1,
        ),
        dated(refused(
            "stamp-cut-short",
            "Its last byte is missing.",
            DATED,
        ))
        .signed(&publication().stamped(
            [before()],
            [after().edited(|stamp| {
                stamp.pop();
            })],
        )),
    ]
}
