//! For which platform an image is: by its index, by its configuration, and by who asks.

use countersign_common::manifest::Platform;
use serde_json::{Value, json};

use crate::{
    fixtures::{decisive_codes, outcome},
    signing::{Key, Signing},
    story::Story,
};

/// An image that says this of itself, listed in an index as for that, if it has one.
fn image(said: &str, listed: Option<&str>) -> Story {
    let said = Platform::parse(said).unwrap();
    let mut story = Story::new("", "");
    let edit = |config: &mut Value| {
        for (key, value) in [("variant", &said.variant), ("os.version", &said.os_version)] {
            if value.is_some() {
                config[key] = json!(value);
            }
        }
    };
    let plain = format!("{}/{}", said.os, said.architecture);
    story.put_layered("image", &plain, &[], (&edit, &|_| ()));
    match listed {
        Some(listed) => story
            .indexing(&[("image.manifest.json", listed)])
            .signed_for("index.manifest.json", &Signing::by(Key::Release)),
        None => story.signed(&Signing::by(Key::Release)),
    }
}

/// Builders leave a variant and a version out; what they do say must not be otherwise.
#[test]
fn a_variant_and_a_version_are_by_the_configuration_where_it_says_them() {
    for (precise, other, vague) in [
        ("linux/arm/v6", "linux/arm/v5", "linux/arm"),
        (
            "windows(10.0.1)/amd64",
            "windows(10.0.2)/amd64",
            "windows/amd64",
        ),
    ] {
        for (said, listed, is_verified) in [
            (precise, None, true),
            (other, None, false),
            (vague, None, false),
            (precise, Some(precise), true),
            (other, Some(precise), false),
            (vague, Some(precise), true),
            (precise, Some(other), false),
            (precise, Some(vague), false),
        ] {
            let story = image(said, listed);
            assert_eq!(outcome(&story.verify()), "verified");
            let asked = |wanted: &str| {
                let wanted = wanted.to_owned();
                let story = story.clone();
                story
                    .with(|case| case.demand.platform = Some(wanted))
                    .verify()
            };
            let verdict = asked(precise);
            if is_verified {
                assert_eq!(
                    outcome(&verdict),
                    "verified",
                    "{said}, {listed:?}: {verdict}"
                );
            } else {
                let codes = decisive_codes(&verdict);
                assert_eq!(codes, ["platform-missing"], "{said}, {listed:?}: {verdict}");
            }
            assert_eq!(outcome(&asked(vague)), "verified", "{said}, {listed:?}");
        }
    }
}
