//! `policy.toml` as it is written. What its members say is what people who write policies read, in the JSON Schema too.
//!
//! Filled by [`super::Policy::parse`], and turned at once into types that hold only what can be met. Never leaves this
//! folder.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use toml::Spanned;

use super::{Mode, Reaction, Require, StateUse, exception};

/// What is demanded of images before they are used, and by which trust roots it is judged.
///
/// A repository that no policy matches is refused.
#[derive(Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table",
    rename = "policy.toml",
    rename_all = "kebab-case"
)]
pub(super) struct PolicyDocument {
    /// The version of this format: 1.
    #[expect(dead_code, reason = "looked at before all else")]
    #[schemars(extend("const" = 1))]
    version: i64,
    /// Trust roots, by the names that policies have for them: at most 64 of `a` to `z`, `0` to `9` and `-`.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 100))]
    pub(super) roots: BTreeMap<Located<String>, RootDocument>,
    /// What is demanded, where. Of several that match, the one with the longest literal beginning decides.
    #[schemars(extend("minItems" = 1, "maxItems" = 1_000))]
    pub(super) policy: Located<Vec<Located<RuleDocument>>>,
}

/// A trust root: who may sign what. It renews itself from the pinned version on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table", rename_all = "kebab-case")]
pub(super) struct RootDocument {
    /// `sha256:` and the SHA-256 of one version's file, of any version. Compare it with one that came another way.
    #[schemars(extend("minLength" = 71, "maxLength" = 71))]
    pub(super) fingerprint: Located<String>,
    /// Where its versions lie, tried in this order: `file:/absolute/folder`, `oci://host/path`, `https://…/folder/`. The
    /// signatures decide, not the source.
    #[schemars(extend("minItems" = 1, "maxItems" = 16))]
    pub(super) sources: Located<Vec<Located<String>>>,
}

/// What is demanded of the images of some repositories.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table", rename_all = "kebab-case")]
pub(super) struct RuleDocument {
    /// The repositories: `host/path`, where `*` stands for any characters inside one label of the host or one segment of
    /// the path, and `**` as the last segment for one or more segments. A port is literal.
    #[serde(rename = "match")]
    pub(super) pattern: Located<String>,
    /// The repositories that `match` mirrors, whose names the signed documents have. Both end in `/**` and have no other
    /// `*`, or neither has any.
    pub(super) mirrors: Option<Located<String>>,
    /// The name of the trust root.
    pub(super) root: Located<String>,
    /// What becomes of an image that does not show what is demanded.
    pub(super) mode: Located<Mode>,
    /// How much must be proven. Where that is a date, by this or by an age, what its publisher no longer supports is
    /// refused too.
    pub(super) require: Located<Require>,
    /// How long ago the signers may last have called the tag table the latest, such as `72h`. The root may demand less.
    /// Needed where `require` is `fresh` or `proven-fresh`.
    pub(super) heartbeat_max_age: Option<Located<String>>,
    /// Whether there must be a memory of what was seen before. Without it: optional.
    pub(super) state: Option<Located<StateUse>>,
    /// How old an image must at least be, such as `2h`.
    pub(super) min_age: Option<Located<String>>,
    /// How old an image may at most be, such as `180d`.
    pub(super) max_age: Option<Located<String>>,
    /// How many operators of time-stamp authorities must agree, where that is more than the root demands.
    #[schemars(range(min = 1, max = 64))]
    pub(super) time_threshold: Option<Located<i64>>,
    /// What becomes of an image that no tag names any more. Without it: report.
    pub(super) superseded: Option<Located<Reaction>>,
    /// What becomes of an image that its publisher advises against. Without it: report.
    pub(super) deprecated: Option<Located<Reaction>>,
    /// How long a gate still admits what it admitted before, while it cannot decide or what it knows is stale, such as
    /// `7d`. Without it, not at all.
    pub(super) grace: Option<Located<String>>,
    /// Keys of which several must have signed the image. Without it, any one key of the root.
    pub(super) signers: Option<SignersDocument>,
    /// Attestations that must be there: names such as `slsaprovenance1`, or the URIs of predicate types.
    #[schemars(extend("minItems" = 1, "maxItems" = 64))]
    pub(super) attestations: Option<Located<Vec<Located<String>>>>,
    /// Images of which less is demanded, for a time and with a reason.
    #[serde(default)]
    #[schemars(extend("maxItems" = 1_000))]
    pub(super) exception: Vec<Located<ExceptionDocument>>,
}

/// Several keys, and how many of them must have signed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table", rename_all = "kebab-case")]
pub(super) struct SignersDocument {
    /// How many of them.
    #[schemars(range(min = 1, max = 64))]
    pub(super) at_least: Located<i64>,
    /// Their ids, as `countersign trust show` says them; or the SHA-256 of their public keys, as verdicts do. The root must
    /// list them.
    #[schemars(extend("minItems" = 1, "maxItems" = 64, "items" = { "type": "string", "minLength": 64, "maxLength": 64 }))]
    pub(super) of: Located<Vec<Located<String>>>,
}

/// One image of which less is demanded.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table", rename_all = "kebab-case")]
pub(super) struct ExceptionDocument {
    /// The image, with its digest, by a name that `match` stands for.
    pub(super) image: Located<String>,
    /// The codes of the refusals that do not count.
    #[schemars(schema_with = "codes")]
    pub(super) codes: Located<Vec<Located<String>>>,
    /// Why, in at most 1,024 bytes. It is shown with the verdict wherever the exception was needed.
    #[schemars(extend("minLength" = 1, "maxLength" = 1_024))]
    pub(super) reason: Located<String>,
    /// Until when: RFC 3339, such as `2026-12-15T00:00:00Z`.
    pub(super) until: Located<String>,
}

/// A value, and where it stands.
#[derive(Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(transparent)]
pub(super) struct Located<T>(pub(super) Spanned<T>);

/// The value's own: where it stands is not written.
impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

fn codes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": exception::CODES.len(),
        "items": { "type": "string", "enum": exception::CODES.map(countersign_common::Code::as_str) },
    })
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "it compares a file, and writes it anew on demand"
)]
mod tests {
    use std::{env, fs, path::Path};

    use schemars::{generate::SchemaSettings, transform::RecursiveTransform};
    use serde_json::Value;

    use super::*;

    /// TOML has no null: what is optional is left out.
    fn without_null(schema: &mut Schema) {
        if let Some(Value::Array(kinds)) = schema.get_mut("type") {
            kinds.retain(|kind| kind != "null");
            if let [only] = kinds.as_slice() {
                let only = only.clone();
                schema.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(mut choices)) = schema.remove("anyOf") {
            choices.retain(|choice| choice["type"] != "null");
            for choice in choices {
                let members = choice.as_object().unwrap().clone();
                schema.ensure_object().extend(members);
            }
        }
    }

    #[test]
    fn the_schema_is_the_published_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/policy-v1.json");
        let settings = SchemaSettings::draft2020_12();
        let settings = settings.with_transform(RecursiveTransform(without_null));
        let schema = settings
            .into_generator()
            .into_root_schema_for::<PolicyDocument>();
        let wanted = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if env::var_os("COUNTERSIGN_REWRITE").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &wanted).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(found, wanted, "COUNTERSIGN_REWRITE=1 writes it anew");
    }
}
