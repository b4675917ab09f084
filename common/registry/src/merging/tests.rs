use std::{collections::HashSet, fmt::Write};

use serde_json::json;

use super::*;

/// What three writers and one list look like at a moment.
#[derive(Clone)]
struct World {
    listed: Vec<Entry>,
    /// Manifests that somebody has removed, and no list may name in the end.
    removed: BTreeSet<Digest>,
    writers: Vec<Writer>,
}

#[derive(Clone)]
struct Writer {
    merging: Merging,
    doing: Doing,
}

#[derive(Clone)]
enum Doing {
    /// It will look first when those before it have: among writers that are alike, every other order is one of these.
    Coming,
    /// It will look, once nobody writes any more what was read before its own last write.
    Looking,
    /// It will write this; who has written since it looked is here.
    Writing(Vec<Entry>, BTreeSet<usize>),
    Left,
}

/// Whether writers keep to a rule.
#[derive(Clone, Copy, PartialEq)]
enum Rule {
    Broken,
    Kept,
}

#[derive(Clone, Copy)]
struct Rules {
    /// To leave only a turn after the last write.
    patience: Rule,
    /// To put back what vanished.
    memory: Rule,
}

const KEPT: Rules = Rules {
    patience: Rule::Kept,
    memory: Rule::Kept,
};

fn named(name: &str) -> Entry {
    let digest = Digest::sha256(name.as_bytes());
    let value = Object::of(&json!({ "digest": digest.to_string() })).unwrap();
    Entry { digest, value }
}

fn digests<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> BTreeSet<Digest> {
    entries
        .into_iter()
        .map(|entry| entry.digest.clone())
        .collect()
}

/// What tells these entries from others here, in any order.
fn names(entries: &[Entry]) -> String {
    let mut names: Vec<String> = entries
        .iter()
        .map(|entry| entry.digest.to_string().chars().skip(7).take(4).collect())
        .collect();
    names.sort();
    names.join(",")
}

impl World {
    fn of(listed: &[&str], writers: Vec<Merging>) -> Self {
        let writer = |merging| Writer {
            merging,
            doing: Doing::Looking,
        };
        Self {
            listed: listed.iter().map(|name| named(name)).collect(),
            removed: BTreeSet::new(),
            writers: writers.into_iter().map(writer).collect(),
        }
    }

    fn alike(listed: &[&str], names: &[&str]) -> Self {
        let writers = names.iter().map(|name| Merging::adding(vec![named(name)]));
        let mut world = Self::of(listed, writers.collect());
        for writer in &mut world.writers {
            writer.doing = Doing::Coming;
        }
        world
    }

    /// All that tells one moment from another.
    fn key(&self) -> String {
        let mut key = names(&self.listed);
        for writer in &self.writers {
            let Merging { wanted, seen, .. } = &writer.merging;
            let doing = match &writer.doing {
                Doing::Coming => "coming".to_owned(),
                Doing::Looking => "looking".to_owned(),
                Doing::Writing(list, since) => format!("{} {since:?}", names(list)),
                Doing::Left => "left".to_owned(),
            };
            let _ = write!(key, "|{} {} {doing}", names(wanted), names(seen));
        }
        key
    }

    fn may_step(&self, writer: usize, rules: Rules) -> bool {
        match &self.writers[writer].doing {
            Doing::Coming => self.writers[..writer]
                .iter()
                .all(|other| !matches!(other.doing, Doing::Coming)),
            Doing::Left => false,
            Doing::Writing(..) => true,
            // A turn after its last write, nobody has yet to write who looked before it.
            Doing::Looking => {
                rules.patience == Rule::Broken
                    || self.writers.iter().all(|other| match &other.doing {
                        Doing::Writing(_, since) => !since.contains(&writer),
                        _ => true,
                    })
            }
        }
    }

    fn step(&mut self, writer: usize, rules: Rules) {
        let doing = self.writers[writer].doing.clone();
        self.writers[writer].doing = match doing {
            Doing::Writing(list, _) => {
                self.listed = list;
                for other in &mut self.writers {
                    if let Doing::Writing(_, since) = &mut other.doing {
                        since.insert(writer);
                    }
                }
                Doing::Looking
            }
            _ => self.look(writer, rules),
        };
    }

    fn look(&mut self, writer: usize, rules: Rules) -> Doing {
        let removed = self.removed.clone();
        let merging = &mut self.writers[writer].merging;
        if rules.memory == Rule::Broken {
            merging.seen.clear();
        }
        match merging.look(&self.listed, 1_000) {
            Next::Leave => Doing::Left,
            Next::Check(vanished) => {
                for digest in vanished {
                    assert!(merging.may_check(&digest));
                    if removed.contains(&digest) {
                        merging.forget(&digest);
                    } else {
                        merging.keep(&digest);
                    }
                }
                Doing::Looking
            }
            Next::Write(edit) => {
                let mut list = self.listed.clone();
                list.retain(|entry| Some(&entry.digest) != edit.removed.as_ref());
                list.extend(edit.added.iter().map(|value| {
                    let digest = value.digest().unwrap();
                    let value = value.clone();
                    Entry { digest, value }
                }));
                Doing::Writing(list, BTreeSet::new())
            }
        }
    }

    /// Every list that can be left when all are gone, and how many moments there are.
    fn ends(self, rules: Rules) -> (HashSet<BTreeSet<Digest>>, usize) {
        let (mut ends, mut known) = (HashSet::new(), HashSet::new());
        let mut open = vec![self];
        while let Some(world) = open.pop() {
            if !known.insert(world.key()) {
                continue;
            }
            let steps = (0..world.writers.len()).filter(|writer| world.may_step(*writer, rules));
            let steps: Vec<_> = steps.collect();
            if steps.is_empty() {
                let has_left = |writer: &Writer| matches!(writer.doing, Doing::Left);
                assert!(
                    world.writers.iter().all(has_left),
                    "nobody may wait for ever"
                );
                ends.insert(digests(&world.listed));
            }
            open.extend(steps.into_iter().map(|writer| {
                let mut next = world.clone();
                next.step(writer, rules);
                next
            }));
        }
        (ends, known.len())
    }
}

fn adding(name: &str) -> Merging {
    Merging::adding(vec![named(name)])
}

#[test]
fn writers_lose_nothing_in_any_order() {
    let (three, four) = (&["a", "b", "c"][..], &["a", "b", "c", "d"][..]);
    for (listed, names) in [(&[][..], three), (&["theirs"], three), (&[], four)] {
        let (ends, moments) = World::alike(listed, names).ends(KEPT);
        let all = names.iter().chain(listed);
        let all: Vec<_> = all.map(|name| named(name)).collect();
        assert_eq!(ends, HashSet::from([digests(&all)]));
        assert!(moments > 200, "{moments}");
    }
}

#[test]
fn each_rule_is_needed() {
    // That an entry is forgotten shows from four writers on.
    let names = ["a", "b", "c", "d"];
    for (count, patience, memory) in [(2, Rule::Broken, Rule::Kept), (4, Rule::Kept, Rule::Broken)]
    {
        let (ends, _) = World::alike(&[], &names[..count]).ends(Rules { patience, memory });
        assert!(ends.len() > 1, "{count} writers");
    }
}

#[test]
fn what_one_removes_while_two_write_is_gone_and_what_they_write_is_there() {
    let gone = named("gone");
    let removing = Merging::removing(gone.digest.clone());
    let mut world = World::of(&["gone"], vec![adding("a"), adding("b"), removing]);
    world.removed.insert(gone.digest.clone());
    let (ends, moments) = world.ends(KEPT);
    assert_eq!(ends, HashSet::from([digests(&["a", "b"].map(named))]));
    assert!(moments > 100, "{moments}");
}

#[test]
fn what_vanishes_is_put_back_as_it_was_unless_it_is_gone() {
    let mut theirs = named("theirs");
    theirs.value.set("unknown", &json!({ "c": [1] })).unwrap();
    for is_gone in [true, false] {
        let mut merging = adding("a");
        let listed = [theirs.clone(), named("gone")];
        assert!(matches!(merging.look(&listed, 10), Next::Write(_)));
        let Next::Check(vanished) = merging.look(&[named("a")], 10) else {
            panic!("it vanished")
        };
        assert_eq!(vanished.len(), 2);
        merging.forget(&named("gone").digest);
        if is_gone {
            merging.forget(&theirs.digest);
        } else {
            merging.keep(&theirs.digest);
        }
        match merging.look(&[named("a")], 10) {
            Next::Leave => assert!(is_gone),
            Next::Write(edit) => {
                let added: Vec<_> = edit
                    .added
                    .iter()
                    .map(|one| one.to_bytes().unwrap())
                    .collect();
                assert!(!is_gone && added == [theirs.value.to_bytes().unwrap()]);
            }
            Next::Check(vanished) => panic!("{vanished:?}"),
        }
    }
}

#[test]
fn a_registry_that_shows_others_each_time_is_asked_and_remembered_within_bounds() {
    let mut merging = adding("a");
    let mut asked = 0;
    for look in 0..20 {
        let list: Vec<_> = (0..50)
            .map(|entry| named(&format!("{look} {entry}")))
            .collect();
        while let Next::Check(vanished) = merging.look(&list, 30) {
            for digest in vanished {
                asked += usize::from(merging.may_check(&digest));
                merging.forget(&digest);
            }
        }
        assert!(merging.seen.len() < 30);
    }
    assert_eq!(asked, CHECKS);
}
