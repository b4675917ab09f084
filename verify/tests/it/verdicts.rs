//! What a verdict says beside what was judged: what it rests on, and of which time nobody can say any more that it is not
//! past.

use countersign_common::{Code, Explain, ImageRef, Timestamp};
use countersign_verify::{
    Outcome, Verdict,
    verdict::{Authenticity, Basis, Freshness, Integrity},
};

use crate::{
    case::DemandedLevel,
    fixtures::outcome,
    signing::{Key, Signing},
    stamping::Tsa,
    story::{IMAGE, Story},
};

/// Why a policy or a trust root refuses.
#[derive(Debug)]
struct Why(&'static str);

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is why", self.0)
    }
}

impl Explain for Why {
    fn code(&self) -> Code {
        Code::new(self.0)
    }

    fn remedy(&self) -> String {
        format!("mend {}", self.0)
    }
}

#[test]
fn what_a_policy_or_a_root_refuses_was_not_judged() {
    let image = ImageRef::parse(IMAGE).unwrap();
    let now = Story::new("", "").now();
    let why = [
        Why("policy-not-found"),
        Why("scope-not-granted"),
        Why("policy-not-found"),
    ];
    let verdict = Verdict::unjudged(&image, now, why.iter().map(|one| one as &dyn Explain));
    assert_eq!(verdict.integrity(), &Integrity::NotJudged);
    assert_eq!(verdict.authenticity(), &Authenticity::NotJudged);
    assert_eq!(verdict.freshness(), &Freshness::NotJudged);
    assert_eq!((verdict.pinned(), verdict.basis()), (None, &Basis::Keys));
    assert_eq!(
        verdict.to_string(),
        "refused: registry.example/shop/api:1.4.2
  integrity     not judged: there is nothing to judge
  authenticity  not judged: there is nothing to judge
  freshness     not judged: there is nothing to judge
refused[policy-not-found]: policy-not-found is why
  remedy: mend policy-not-found
refused[scope-not-granted]: scope-not-granted is why
  remedy: mend scope-not-granted
"
    );
    // Whoever gives no reason refuses all the same.
    let verdict = Verdict::unjudged(&image, now, []);
    assert_eq!(verdict.outcome(), &Outcome::Refused(Vec::new()));
    assert_eq!(outcome(&verdict), "refused");
}

#[test]
fn the_proven_past_is_that_of_a_positive_verdict_of_now() {
    let time = |text: &str| Some(Timestamp::parse(text).unwrap());
    let dated = Story::new("", "")
        .timed_by(Tsa::One)
        .signed(&Signing::publication(Key::Release))
        .with(|case| case.demand.level = Some(DemandedLevel::Dated));
    let past = dated.verify().proven_not_before();
    assert_eq!(past, time("2026-11-24T08:59:59Z"));
    assert_eq!(dated.verify().as_of().proven_not_before(), None);
    let refused = dated
        .clone()
        .with(|case| case.demand.dates.max_age = Some(60));
    assert_eq!(refused.verify().proven_not_before(), None);
    // The latest of all that is proven; of what is not even looked for nothing is.
    let times = ["2026-11-24T09:40:00Z", "2026-11-24T09:40:01Z"].map(|time| [Tsa::One.at(time)]);
    let [before, after] = times;
    let spdx = Signing::attestation(Key::Release, "https://spdx.dev/Document");
    let attested = dated.signed(&spdx.stamped(before, after));
    assert_eq!(attested.verify().proven_not_before(), past);
    let attested = attested.with(|case| case.demand.attestations = vec!["spdx".to_owned()]);
    assert_eq!(
        attested.verify().proven_not_before(),
        time("2026-11-24T09:39:59Z")
    );
    let undated = Story::new("", "").signed(&Signing::by(Key::Release));
    assert_eq!(undated.verify().proven_not_before(), None);
    assert_eq!(outcome(&undated.verify()), "verified");
}
