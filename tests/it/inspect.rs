//! `countersign inspect`: what is shown of what is attached, of every format and of none.

use crate::world::{Run, World};

/// Shows an image by the stand-in's key and authority of time.
pub(crate) fn judged(world: &World, image: &str, more: &[&str]) -> Run {
    let chain = world.stand_in.tsa_chain_pem("one").unwrap();
    let chain = world.write("tsa.pem", &chain);
    let key = World::kms_key();
    let arguments = ["inspect", "--key", &key, "--tsa-chain", &chain];
    let arguments: Vec<&str> = arguments
        .iter()
        .chain(more)
        .copied()
        .chain([image])
        .collect();
    world.countersign(&arguments)
}

/// A text without what differs from run to run: names made of hexadecimal digits by the order in which they appear, times
/// and sizes not at all.
pub(crate) fn redacted(world: &World, text: &str) -> String {
    let text = text.replace(world.stand_in.registry_host(), "registry.example");
    let mut names: Vec<String> = Vec::new();
    let mut redacted = String::new();
    let is_of_word =
        |character: char| character.is_ascii_alphanumeric() || "-:.".contains(character);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest
            .find(|character| !is_of_word(character))
            .unwrap_or(rest.len());
        // What is of no word is passed on by itself.
        let end = end.max(rest.chars().next().map_or(0, char::len_utf8));
        let (word, after) = rest.split_at(end);
        redacted.push_str(&word_without_chance(word, &mut names));
        rest = after;
    }
    redacted
}

fn word_without_chance(word: &str, names: &mut Vec<String>) -> String {
    let (before, name) = word.rsplit_once(':').unwrap_or(("", word));
    let is_hexadecimal = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    };
    if name.len() >= 12 && is_hexadecimal(name) && name != countersign_stand_in::ACCOUNT {
        // A shorter form is of the first that begins so.
        let known = names.iter().position(|known| known.starts_with(name));
        let position = known.unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        });
        let colon = if before.is_empty() { "" } else { ":" };
        return format!("{before}{colon}<{}>", position + 1);
    }
    let is_time = word.len() >= 20 && word.contains('T') && word.ends_with('Z');
    if is_time && word.starts_with("20") {
        return "TIME".to_owned();
    }
    word.to_owned()
}
