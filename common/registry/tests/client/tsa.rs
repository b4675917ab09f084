//! Asks time-stamp authorities: honest ones, lying ones, and such as do not answer.

use std::time::{Duration, Instant};

use countersign_common::{
    Explain, Limits, Signature, TimestampAuthority,
    rfc3161::{Anchor, Response, Stamped},
    time_authority::{Error, Failure, Refusal},
};
use countersign_registry::{Credentials, TsaClient};
use countersign_stand_in::{
    Call, Clock, Elsewhere, Fault, Lie, Options as StandInOptions, Part, Service, StandIn,
    TsaSetting,
    tsa::{Defect, Mode},
};
use futures_util::future::join_all;
use url::Url;

use crate::world::client;

const SECRETS: [&str; 3] = ["mallory", "pa55w0rd", "t0k3n"];

struct World {
    stand_in: StandIn,
}

impl World {
    fn new() -> Self {
        Self::with(StandInOptions::default())
    }

    fn with(options: StandInOptions) -> Self {
        Self {
            stand_in: StandIn::start(options).unwrap(),
        }
    }

    /// A client of the authority of this name, which has so long for a stamp.
    fn authority(&self, name: &str, timeout: Duration) -> TsaClient {
        self.at(self.stand_in.tsa_url(name).unwrap(), timeout)
    }

    fn one(&self) -> TsaClient {
        self.authority("one", Duration::from_secs(30))
    }

    /// One that has a second.
    fn hurried(&self) -> TsaClient {
        self.authority("one", Duration::from_secs(1))
    }

    fn at(&self, url: Url, timeout: Duration) -> TsaClient {
        let client = client(&self.stand_in, Credentials::Anonymous);
        let mut made = client.time_authorities([url], timeout);
        made.pop().unwrap()
    }

    /// The same with all that may be a secret in its URL.
    fn with_secrets(&self, timeout: Duration) -> TsaClient {
        let mut url = self.stand_in.tsa_url("one").unwrap();
        url.set_username(SECRETS[0]).unwrap();
        url.set_password(Some(SECRETS[1])).unwrap();
        url.set_query(Some(&format!("key={}", SECRETS[2])));
        self.at(url, timeout)
    }

    fn is(&self, defect: Defect) {
        self.set(TsaSetting {
            mode: Mode::with(defect),
            ..TsaSetting::default()
        });
    }

    fn set(&self, setting: TsaSetting) {
        self.stand_in.set_tsa("one", setting);
    }

    fn lie(&self, lie: Lie) {
        self.stand_in.faults().push(Fault::on("POST *", lie));
    }

    /// Makes it honest, and forgets its calls.
    fn mend(&self) {
        self.stand_in.faults().clear();
        self.stand_in.forget_calls();
        self.set(TsaSetting::default());
    }

    fn calls(&self) -> Vec<Call> {
        self.stand_in.calls()
    }
}

/// Ends a stand-in, which waits for its threads: nothing listens at its ports afterwards.
fn end(world: World) {
    std::thread::spawn(|| world.stand_in.shutdown())
        .join()
        .unwrap();
}

fn signature() -> Signature {
    Signature::from(b"a signature".to_vec())
}

/// Asks for either kind of stamp.
async fn ask(authority: &TsaClient) -> [Result<Vec<u8>, Failure>; 2] {
    [
        authority.before().await,
        authority.after(&signature()).await,
    ]
}

#[track_caller]
fn is_unavailable(result: Result<Vec<u8>, Failure>) -> Error {
    match result {
        Err(Failure::Error(error)) => {
            assert_eq!(error.code().as_str(), "tsa-unavailable", "{error}");
            error
        }
        other => panic!("an error expected, got {other:?}"),
    }
}

#[track_caller]
fn is_refused(result: Result<Vec<u8>, Failure>, code: &str) -> Refusal {
    match result {
        Err(Failure::Refusal(refusal)) => {
            assert_eq!(refusal.code().as_str(), code, "{refusal}");
            refusal
        }
        other => panic!("{code} expected, got {other:?}"),
    }
}

#[tokio::test]
async fn an_honest_stamp_is_let_through_as_it_came() {
    let world = World::new();
    for name in ["one", "two"] {
        let authority = world.authority(name, Duration::from_secs(30));
        let pem = world.stand_in.tsa_chain_pem(name).unwrap();
        let anchor = Anchor::from_pem(pem.as_bytes(), &Limits::TABLE).unwrap();
        let signature = signature();
        let stamps = [
            (authority.before().await, Stamped::Before),
            (
                authority.after(&signature).await,
                Stamped::Signature(&signature),
            ),
        ];
        for (stamp, stamped) in stamps {
            let stamp = stamp.unwrap();
            let response = Response::parse(&stamp, &Limits::TABLE).unwrap();
            response.verify(stamped, &anchor).map(|_| ()).unwrap();
        }
        let calls = world.calls();
        assert_eq!(calls.len(), 2);
        for call in calls {
            assert_eq!(
                (call.service, call.line),
                (Service::Tsa, format!("POST /{name}"))
            );
            let header = |name| call.headers.iter().find(|header| header.0 == name);
            assert_eq!(
                header("content-type").unwrap().1,
                "application/timestamp-query"
            );
            assert_eq!(header("accept").unwrap().1, "application/timestamp-reply");
            assert!(header("authorization").is_none());
            // Nothing of the image but a hash; a nonce may have a zero in front.
            assert!((67..=70).contains(&call.received), "{}", call.received);
        }
        world.stand_in.forget_calls();
    }
}

/// What is said of an authority that is like this.
enum Said {
    Granted,
    Implausible,
    Invalid,
    Unavailable,
}

fn said(defect: Defect) -> Said {
    match defect {
        // Whether its root is trusted is for others to know.
        Defect::GrantedWithMods | Defect::OtherRoot | Defect::ViaIntermediate => Said::Granted,
        Defect::NoNonce | Defect::OtherNonce => Said::Implausible,
        // This kind of authority cannot make the first.
        Defect::PssSignature | Defect::Rejected | Defect::RejectedWithToken => Said::Unavailable,
        Defect::BareToken
        | Defect::CriticalExtension
        | Defect::EkuAbsent
        | Defect::EkuMore
        | Defect::EkuNotCritical
        | Defect::GrantedWithoutToken
        | Defect::KeyUsageOther
        | Defect::LeafExpired
        | Defect::LeafIsCa
        | Defect::LeafNotYetValid
        | Defect::NoCertificates
        | Defect::NoContentTypeAttribute
        | Defect::NoMessageDigest
        | Defect::NoSignedAttributes
        | Defect::NoSigners
        | Defect::OtherContentType
        | Defect::OtherContentTypeAttribute
        | Defect::OtherImprint
        | Defect::OtherMessageDigest
        | Defect::Sha1Digest
        | Defect::Sha1Imprint
        | Defect::SignatureFlipped
        | Defect::SignatureOfContentOnly
        | Defect::SignerByKeyIdentifier
        | Defect::TimeWithoutZ
        | Defect::TrailingBytes
        | Defect::TwoMessageDigests
        | Defect::TwoSigners
        | Defect::Version2 => Said::Invalid,
    }
}

#[tokio::test]
async fn every_defect_of_an_answer_is_found_out() {
    let world = World::new();
    for defect in Defect::ALL {
        world.mend();
        world.is(*defect);
        for result in ask(&world.one()).await {
            match said(*defect) {
                Said::Granted => {
                    result.unwrap_or_else(|failure| panic!("{defect:?}: {failure}"));
                }
                Said::Implausible => {
                    let refusal = is_refused(result, "stamp-implausible");
                    assert!(matches!(refusal, Refusal::AnotherNonce { .. }));
                }
                Said::Invalid => {
                    is_refused(result, "stamp-invalid");
                }
                Said::Unavailable => {
                    let error = is_unavailable(result);
                    assert!(matches!(error, Error::NotGranted { .. }), "{error}");
                }
            }
        }
        // It has answered: to ask again would change nothing.
        assert_eq!(world.calls().len(), 2, "{defect:?}");
    }
}

#[tokio::test]
async fn an_old_answer_to_the_same_question_is_no_answer() {
    let world = World::new();
    let authority = world.one();
    let old = authority.after(&signature()).await.unwrap();
    world.lie(Lie::Body(old.into()));
    is_refused(authority.after(&signature()).await, "stamp-implausible");
}

#[tokio::test]
async fn an_answer_for_another_signature_is_invalid() {
    let world = World::new();
    let authority = world.one();
    let other = Signature::from(b"another signature".to_vec());
    let of_other = authority.after(&other).await.unwrap();
    world.lie(Lie::Body(of_other.into()));
    // The nonce is looked at first, and is another already.
    is_refused(authority.after(&signature()).await, "stamp-implausible");
    world.mend();
    world.is(Defect::OtherImprint);
    is_refused(authority.after(&signature()).await, "stamp-invalid");
}

#[tokio::test]
async fn a_clock_may_be_five_minutes_off_and_no_more() {
    let world = World::new();
    // Two seconds of slack: a second may end while the answer is under way.
    for (seconds, passes) in [
        (0, true),
        (298, true),
        (-298, true),
        (302, false),
        (-302, false),
        (31_536_000, false),
        (-31_536_000, false),
    ] {
        world.set(TsaSetting {
            clock: Clock::Offset(seconds),
            ..TsaSetting::default()
        });
        for result in ask(&world.one()).await {
            if passes {
                result.unwrap();
            } else {
                let refusal = is_refused(result, "stamp-implausible");
                assert!(
                    matches!(refusal, Refusal::TimeImplausible { tolerated: 300, .. }),
                    "{refusal}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let world = World::new();
    for (lie, status, most) in [
        (Lie::status(429), 429, 6),
        (Lie::throttled("0"), 429, 6),
        (Lie::status(500), 500, 3),
        (Lie::status(503), 503, 3),
    ] {
        for (times, passes) in [(1, true), (most, false)] {
            world.mend();
            let fault = Fault::on("POST /one", lie.clone()).times(times);
            world.stand_in.faults().push(fault);
            let result = world.one().before().await;
            if passes {
                result.unwrap();
            } else {
                let error = is_unavailable(result);
                assert!(
                    matches!(error, Error::Status { status: found, .. } if found == status),
                    "{error}"
                );
            }
            assert_eq!(world.calls().len(), most.min(times + 1) as usize);
        }
    }
    world.mend();
    let broken = Fault::on("POST /one", Lie::ResetAfter(1)).times(2);
    world.stand_in.faults().push(broken);
    world.one().before().await.unwrap();
    assert_eq!(world.calls().len(), 3);
    // Whoever wants to be left alone for longer than there is time is not asked in vain, neither at once nor later.
    world.mend();
    world.lie(Lie::throttled("99999"));
    let authority = world.one();
    is_unavailable(authority.before().await);
    world.mend();
    let error = is_unavailable(authority.before().await);
    assert!(error.to_string().contains("too late"), "{error}");
    assert_eq!(world.calls().len(), 0);
}

#[tokio::test]
async fn what_does_not_pass_is_asked_once() {
    let world = World::new();
    for status in [204, 400, 401, 403, 404, 405, 415] {
        world.mend();
        world.lie(Lie::status(status));
        let error = is_unavailable(world.one().before().await);
        assert!(
            matches!(error, Error::Status { status: found, .. } if found == status),
            "{error}"
        );
        assert_eq!(world.calls().len(), 1, "{status}");
    }
    world.mend();
    let nowhere = world.stand_in.tsa_url("one").unwrap();
    let nowhere = nowhere.join("/nobody").unwrap();
    let authority = world.at(nowhere, Duration::from_secs(30));
    is_unavailable(authority.before().await);
    assert_eq!(world.calls().len(), 1);
}

#[tokio::test]
async fn what_is_no_stamp_is_invalid() {
    let world = World::new();
    for body in [
        "",
        "<html>Welcome!</html>",
        "0\u{0}",
        "\u{30}\u{3}\u{2}\u{1}",
    ] {
        world.mend();
        world.lie(Lie::Body(body.into()));
        for result in ask(&world.one()).await {
            is_refused(result, "stamp-invalid");
        }
    }
}

#[tokio::test]
async fn nobody_at_the_port_is_an_error() {
    let world = World::new();
    let gone = World::new();
    let url = gone.stand_in.tsa_url("one").unwrap();
    end(gone);
    let authority = world.at(url, Duration::from_secs(30));
    for result in ask(&authority).await {
        let error = is_unavailable(result);
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_answer_is_bounded_in_bytes() {
    let world = World::new();
    let limit = Limits::TABLE.time_stamp;
    let too_large = |result| {
        let refusal = is_refused(result, "stamp-invalid");
        let text = refusal.to_string();
        assert!(text.contains(&limit.to_string()), "{text}");
    };
    world.lie(Lie::Body(vec![0; limit + 1].into()));
    too_large(world.one().before().await);
    world.mend();
    world.lie(Lie::Announce(1 << 40));
    too_large(world.one().before().await);
    world.mend();
    world.lie(Lie::Endless);
    too_large(world.one().before().await);
    let calls = world.calls();
    assert_eq!(calls.len(), 1);
    // What a connection holds comes on top of what is read.
    assert!(calls[0].sent() < 16 << 20, "{}", calls[0].sent());
    // As long as it may be: it is read, and is no stamp.
    world.mend();
    world.lie(Lie::Body(vec![0; limit].into()));
    let refusal = is_refused(world.one().before().await, "stamp-invalid");
    assert!(!refusal.to_string().contains(&limit.to_string()));
}

#[tokio::test]
async fn an_answer_is_bounded_in_time() {
    let world = World::new();
    let drip = |part| Lie::Drip {
        every: Duration::from_millis(50),
        part,
    };
    let endless_failure = [Lie::status(503), Lie::Endless];
    for lies in [
        &[Lie::Silence][..],
        &[drip(Part::Body)],
        &[drip(Part::Head)],
        &endless_failure,
    ] {
        world.mend();
        for lie in lies {
            world.lie(lie.clone());
        }
        let began = Instant::now();
        is_unavailable(world.hurried().before().await);
        assert!(began.elapsed() < Duration::from_secs(3), "{lies:?}");
    }
}

#[tokio::test]
async fn many_who_wait_for_a_silent_authority_wait_at_once() {
    let world = World::new();
    world.lie(Lie::Silence);
    let authority = world.hurried();
    let began = Instant::now();
    let (one, two, three) =
        tokio::join!(authority.before(), authority.before(), authority.before());
    for result in [one, two, three] {
        is_unavailable(result);
    }
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn the_time_for_a_stamp_is_for_all_its_attempts() {
    let world = World::with(StandInOptions {
        delay: Duration::from_millis(400),
        ..StandInOptions::default()
    });
    world.lie(Lie::status(503));
    // After 400 ms there is no time for a second that takes as long: what the first said is told at once.
    let error = is_unavailable(world.hurried().before().await);
    assert!(
        matches!(error, Error::Status { status: 503, .. }),
        "{error}"
    );
    assert_eq!(world.calls().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let world = World::with(StandInOptions {
        elsewhere: Elsewhere::Listening,
        ..StandInOptions::default()
    });
    let two = world.stand_in.tsa_url("two").unwrap();
    let elsewhere = world.stand_in.elsewhere().unwrap().clone();
    for target in [two, elsewhere] {
        for status in [301, 302, 303, 307, 308] {
            world.mend();
            let fault = Fault::on("POST /one", Lie::redirect(status, target.as_str()));
            world.stand_in.faults().push(fault);
            let error = is_unavailable(world.one().before().await);
            assert!(
                matches!(error, Error::Status { status: found, .. } if found == status),
                "{error}"
            );
            let lines: Vec<_> = world.calls().into_iter().map(|call| call.line).collect();
            assert_eq!(lines, ["POST /one"]);
        }
    }
}

#[tokio::test]
async fn a_compressed_answer_is_not_read() {
    let world = World::new();
    world.lie(Lie::Header(
        "Content-Encoding".to_owned(),
        "gzip".to_owned(),
    ));
    is_unavailable(world.one().before().await);
    let calls = world.calls();
    assert!(
        calls
            .iter()
            .all(|call| call.header("accept-encoding").is_none())
    );
}

#[tokio::test]
async fn many_images_share_the_stamp_before() {
    let world = World::new();
    let authority = world.one();
    let stamps = join_all((0..16).map(|_| authority.before())).await;
    let first = authority.before().await.unwrap();
    for stamp in stamps {
        assert_eq!(stamp.unwrap(), first);
    }
    assert_eq!(world.calls().len(), 1);
    // Each signature has its own.
    for count in 2..=3 {
        authority.after(&signature()).await.unwrap();
        assert_eq!(world.calls().len(), count);
    }
    // Another client has asked nothing yet.
    world.one().before().await.unwrap();
    assert_eq!(world.calls().len(), 4);
}

#[tokio::test]
async fn a_failure_is_not_shared() {
    let world = World::new();
    let authority = world.one();
    world.is(Defect::OtherNonce);
    is_refused(authority.before().await, "stamp-implausible");
    world.mend();
    world.lie(Lie::status(404));
    is_unavailable(authority.before().await);
    world.mend();
    authority.before().await.unwrap();
}

#[tokio::test]
async fn several_authorities_are_told_apart() {
    let world = World::new();
    let client = client(&world.stand_in, Credentials::Anonymous);
    let url = |name| world.stand_in.tsa_url(name).unwrap();
    let authorities = client.time_authorities([url("one"), url("two")], Duration::from_secs(30));
    let [one, two] = authorities.as_slice() else {
        panic!("two were asked for")
    };
    assert_ne!(one.before().await.unwrap(), two.before().await.unwrap());
    let mut lines: Vec<_> = world.calls().into_iter().map(|call| call.line).collect();
    lines.sort();
    assert_eq!(lines, ["POST /one", "POST /two"]);
}

#[tokio::test]
async fn what_may_be_a_secret_in_a_url_is_sent_and_never_said() {
    let world = World::new();
    let authority = world.with_secrets(Duration::from_secs(30));
    authority.before().await.unwrap();
    let calls = world.calls();
    assert_eq!(calls[0].header("authorization"), Some("Basic present"));
    assert_eq!(calls[0].query, format!("key={}", SECRETS[2]));

    let mut failures = Vec::new();
    for lie in [
        Lie::status(404),
        Lie::status(503),
        Lie::redirect(307, "https://elsewhere.example/"),
        Lie::Body("no stamp".into()),
        Lie::Body(vec![0; (64 << 10) + 1].into()),
        Lie::ResetAfter(0),
        Lie::ResetAfter(1),
        Lie::Silence,
        Lie::Header("Content-Encoding".to_owned(), "gzip".to_owned()),
    ] {
        world.mend();
        world.lie(lie);
        let hurried = world.with_secrets(Duration::from_secs(1));
        failures.push(hurried.before().await.unwrap_err());
    }
    for defect in [Defect::NoNonce, Defect::OtherImprint, Defect::Rejected] {
        world.mend();
        world.is(defect);
        failures.push(authority.after(&signature()).await.unwrap_err());
    }
    world.mend();
    world.set(TsaSetting {
        clock: Clock::Offset(3_600),
        ..TsaSetting::default()
    });
    failures.push(authority.after(&signature()).await.unwrap_err());
    end(world);
    failures.push(authority.after(&signature()).await.unwrap_err());

    for failure in failures {
        let said = format!("{failure} {failure:?} {}", failure.remedy());
        assert!(said.contains("/one"), "it is said which: {said}");
        for secret in SECRETS {
            assert!(!said.contains(secret), "{said}");
        }
    }
}
