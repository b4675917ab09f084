//! The folder by itself: what is damaged, in whose hands it is, how much it holds, and who else uses it.

mod processes;

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use tempfile::TempDir;

use super::*;

const MIB: u64 = 1 << 20;

fn cache(folder: &Path) -> Cache {
    limited(folder, MIB)
}

fn limited(folder: &Path, limit: u64) -> Cache {
    Cache::open(folder, limit).unwrap()
}

fn entry(content: &[u8]) -> Entry {
    Entry::blob(&repository(), &Digest::sha256(content))
}

fn repository() -> Repository {
    Repository::parse("registry.example/shop/api").unwrap()
}

fn read(cache: &Cache, content: &[u8]) -> Option<Bytes> {
    let length = content.len() as u64;
    cache.read(&entry(content), length..=length)
}

async fn keep(cache: &Cache, content: &[u8]) -> PathBuf {
    let entry = entry(content);
    cache.keep(&entry, &Bytes::copy_from_slice(content)).await;
    cache.folder.path().join(entry.name)
}

/// The same where there must be room first: a sweep gives way to whoever holds its lock, which programs that other tests
/// start do until they run.
async fn keep_in_the_end(cache: &Cache, content: &[u8]) -> PathBuf {
    for _ in 0..1_000 {
        let path = keep(cache, content).await;
        if path.exists() {
            return path;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody makes room");
}

/// The names of what is kept.
fn kept(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

fn unfinished(folder: &Path) -> usize {
    let names = fs::read_dir(folder).unwrap();
    names
        .filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with(".unfinished-")
        })
        .count()
}

/// What it takes, as disks count.
fn taken(folder: &Path) -> u64 {
    let lengths = kept(folder)
        .into_iter()
        .map(|name| fs::symlink_metadata(folder.join(name)).unwrap().len());
    lengths
        .map(|length| length.div_ceil(4_096).max(1) * 4_096)
        .sum()
}

fn used(path: &Path, ago: Duration) {
    let file = fs::File::open(path).unwrap();
    file.set_modified(SystemTime::now() - ago).unwrap();
}

#[tokio::test]
async fn what_is_kept_is_read_by_the_next_and_is_for_the_user_alone() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("cache/countersign");
    for content in [&b""[..], b"content", &vec![7; 200_000]] {
        assert_eq!(read(&cache(&folder), content), None);
        let path = keep(&cache(&folder), content).await;
        assert_eq!(read(&cache(&folder), content).unwrap(), content);
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, 0o600);
    }
    for made in ["cache", "cache/countersign"] {
        let mode = fs::metadata(home.path().join(made)).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o700, "{made}");
    }
    assert_eq!(unfinished(&folder), 0);
}

#[tokio::test]
async fn what_is_damaged_is_never_used_and_is_removed_or_replaced() {
    let home = TempDir::new().unwrap();
    let cache = cache(home.path());
    let content = b"what a registry sent".as_slice();
    let other = b"what a registry sent, too".as_slice();
    let mut flipped = content.to_vec();
    flipped[3] ^= 1;
    for damaged in [
        &flipped,
        &content[..19],
        b"",
        other,
        &vec![b' '; LONGEST + 1],
    ] {
        let path = keep(&cache, content).await;
        assert_eq!(read(&cache, content).unwrap(), content);
        fs::write(&path, damaged).unwrap();
        assert_eq!(read(&cache, content), None);
        // What has another length may be what another descriptor names rightly: it is not read, and replaced.
        assert_eq!(path.exists(), damaged.len() != content.len());
    }
    keep(&cache, content).await;
    assert_eq!(read(&cache, content).unwrap(), content);
}

#[tokio::test]
async fn only_plain_files_of_the_users_own_are_read() {
    let home = TempDir::new().unwrap();
    let cache = cache(home.path());
    let content = b"content".as_slice();
    let other = home.path().join("other");
    fs::write(&other, content).unwrap();
    let made: [&dyn Fn(&Path); 4] = [
        &|path| symlink(&other, path).unwrap(),
        &|path| fs::hard_link(&other, path).unwrap(),
        &|path| {
            fs::write(path, content).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o622)).unwrap();
        },
        // It would wait for a writer that never comes.
        &|path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
    ];
    for make in made {
        let path = home.path().join(entry(content).name);
        make(&path);
        assert_eq!(read(&cache, content), None);
        assert!(!path.is_symlink() && !path.exists());
        keep(&cache, content).await;
        assert_eq!(read(&cache, content).unwrap(), content);
        fs::remove_file(path).unwrap();
    }
    assert_eq!(fs::read(other).unwrap(), content);
}

#[tokio::test]
async fn a_folder_in_its_place_is_no_entry_and_nothing_in_it_is_touched() {
    let home = TempDir::new().unwrap();
    let cache = cache(home.path());
    let path = home.path().join(entry(b"content").name);
    fs::create_dir(&path).unwrap();
    fs::write(path.join("kept"), "").unwrap();
    assert_eq!(read(&cache, b"content"), None);
    keep(&cache, b"content").await;
    assert!(path.join("kept").exists());
    assert_eq!(unfinished(home.path()), 0);
}

#[test]
fn a_folder_that_is_not_the_users_own_is_not_used() {
    let home = TempDir::new().unwrap();
    let refused = |folder: &Path| match Cache::open(folder, MIB).unwrap_err() {
        CacheError::Unsafe { reason, .. } => reason,
        other => panic!("{other}"),
    };
    let good = home.path().join("good");
    cache(&good);
    let link = home.path().join("link");
    symlink(&good, &link).unwrap();
    assert_eq!(refused(&link), Distrust::Link);
    assert_eq!(refused(&link.join("")), Distrust::Link);
    let nowhere = home.path().join("nowhere");
    symlink(home.path().join("missing"), &nowhere).unwrap();
    assert_eq!(refused(&nowhere), Distrust::Link);
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(refused(&file), Distrust::NoFolder);
    for mode in [0o777, 0o1777, 0o720, 0o702] {
        fs::set_permissions(&good, Permissions::from_mode(mode)).unwrap();
        assert_eq!(refused(&good), Distrust::Writable { mode });
    }
    // What others may only look into tells them nothing: the files are the user's.
    fs::set_permissions(&good, Permissions::from_mode(0o755)).unwrap();
    cache(&good);
    assert_eq!(folder::distrust(1_000, 1_000, 0o40700), None);
    for owner in [0, 1_001] {
        let foreign = Some(Distrust::Foreign { owner });
        assert_eq!(folder::distrust(owner, 1_000, 0o40700), foreign);
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_said_without_a_panic() {
    for folder in ["/proc/countersign", "/dev/null/countersign", ""] {
        let error = Cache::open(Path::new(folder), MIB).unwrap_err();
        assert!(matches!(error, CacheError::Unusable { .. }), "{error}");
    }
    let hostile = Path::new("/proc/\u{1b}[2J\u{202e}");
    let said = Cache::open(hostile, MIB).unwrap_err().to_string();
    assert_eq!(said, Escaped(&said).to_string());
}

#[tokio::test]
async fn it_never_holds_more_than_its_limit_and_what_was_used_last_stays() {
    let home = TempDir::new().unwrap();
    let cache = limited(home.path(), 20 * 4_096);
    let content = |number: u32| format!("{number}").into_bytes();
    let stays = keep(&cache, &content(0)).await;
    for number in 1..200 {
        let path = keep_in_the_end(&cache, &content(number)).await;
        used(&path, Duration::from_secs(u64::from(1_000 - number)));
        // By each use it is the newest again.
        used(&stays, Duration::from_secs(10_000));
        assert_eq!(read(&cache, &content(0)).unwrap(), content(0));
        assert!(taken(home.path()) <= 20 * 4_096, "{number}");
    }
    assert!(kept(home.path()).len() >= 15, "it is not emptied");
    assert_eq!(read(&cache, &content(199)).unwrap(), content(199));
    assert_eq!(read(&cache, &content(1)), None);
}

#[tokio::test]
async fn what_takes_too_much_of_it_is_not_kept() {
    let home = TempDir::new().unwrap();
    let cache = limited(home.path(), 80_000);
    keep(&cache, &vec![7; 20_000]).await;
    assert_eq!(kept(home.path()).len(), 1);
    keep(&cache, &vec![7; 20_001]).await;
    assert_eq!(kept(home.path()).len(), 1);
    let wide = limited(&home.path().join("wide"), 100 * MIB);
    keep(&wide, &vec![7; LONGEST + 1]).await;
    assert_eq!(kept(wide.folder.path()), [""; 0]);
    keep(&wide, &vec![7; LONGEST]).await;
    assert_eq!(read(&wide, &vec![7; LONGEST]).unwrap().len(), LONGEST);
}

#[tokio::test]
async fn who_overfilled_it_or_lost_count_is_caught_by_the_next_write() {
    let home = TempDir::new().unwrap();
    for number in 0..100 {
        let content = format!("{number}").into_bytes();
        fs::write(home.path().join(entry(&content).name), content).unwrap();
    }
    let cache = limited(home.path(), 20 * 4_096);
    keep_in_the_end(&cache, b"one").await;
    assert_eq!(kept(home.path()).len(), 16);
    // An archive brings them all back, and no count.
    fs::remove_file(home.path().join(".count")).unwrap();
    for number in 0..100 {
        let content = format!("{number}").into_bytes();
        fs::write(home.path().join(entry(&content).name), content).unwrap();
    }
    keep_in_the_end(&cache, b"another").await;
    assert!(taken(home.path()) <= 20 * 4_096);
    assert!(read(&cache, b"another").is_some());
}

#[tokio::test]
async fn what_is_not_its_own_is_neither_counted_nor_removed() {
    let home = TempDir::new().unwrap();
    for name in ["notes", "sha256-short", ".hidden", "sha256"] {
        fs::write(home.path().join(name), vec![7; 200_000]).unwrap();
    }
    let cache = limited(home.path(), 10 * 4_096);
    for number in 0..50_u32 {
        keep(&cache, &number.to_be_bytes()).await;
    }
    for name in ["notes", "sha256-short", ".hidden", "sha256"] {
        assert_eq!(fs::read(home.path().join(name)).unwrap().len(), 200_000);
    }
    assert!(kept(home.path()).len() >= 7);
}

#[tokio::test]
async fn a_clock_that_was_set_back_keeps_nothing_for_ever() {
    let home = TempDir::new().unwrap();
    let cache = cache(home.path());
    let path = keep(&cache, b"content").await;
    let ahead = SystemTime::now() + Duration::from_hours(1_000);
    for file in [&path, &home.path().join(".swept")] {
        fs::File::open(file).unwrap().set_modified(ahead).unwrap();
    }
    read(&cache, b"content").unwrap();
    keep(&cache, b"another").await;
    for file in [&path, &home.path().join(".swept")] {
        let modified = fs::metadata(file).unwrap().modified().unwrap();
        assert!(modified <= SystemTime::now());
    }
}

#[tokio::test]
async fn what_killed_writers_left_is_removed_within_a_day_and_what_is_written_is_not() {
    let home = TempDir::new().unwrap();
    let cache = cache(home.path());
    keep(&cache, b"content").await;
    let dead = home.path().join(".unfinished-0000000000000000");
    let alive = home.path().join(".unfinished-0000000000000001");
    fs::write(&dead, "half").unwrap();
    fs::write(&alive, "half").unwrap();
    let writer = fs::File::open(&alive).unwrap();
    writer.lock().unwrap();
    keep(&cache, b"more").await;
    assert_eq!(unfinished(home.path()), 2);
    used(&home.path().join(".swept"), Duration::from_hours(25));
    keep(&cache, b"and more").await;
    assert!(!dead.exists() && alive.exists());
    drop(writer);
    used(&home.path().join(".swept"), Duration::from_hours(25));
    keep(&cache, b"and more again").await;
    assert!(!alive.exists());
    assert_eq!(kept(home.path()).len(), 4);
}

#[tokio::test]
async fn who_sweeps_and_does_not_end_holds_nobody_up_and_lets_nothing_grow() {
    let home = TempDir::new().unwrap();
    let cache = limited(home.path(), 10 * 4_096);
    keep(&cache, b"content").await;
    let other = fs::File::open(home.path().join(".swept")).unwrap();
    other.lock().unwrap();
    for number in 0..50_u32 {
        keep(&cache, &number.to_be_bytes()).await;
    }
    assert_eq!(kept(home.path()).len(), 10);
    drop(other);
    keep(&cache, b"after").await;
    assert!(read(&cache, b"after").is_some());
}

#[test]
fn entries_are_known_by_their_names() {
    let digest = Digest::sha256(b"");
    let other = Repository::parse("registry.example/shop/copy").unwrap();
    let long = Digest::of(countersign_common::digest::HashAlgorithm::Sha512, b"");
    let names = [
        Entry::manifest(&repository(), &digest).name,
        Entry::manifest(&other, &digest).name,
        Entry::blob(&repository(), &digest).name,
        Entry::blob(&repository(), &long).name,
    ];
    for (index, name) in names.iter().enumerate() {
        assert!(Entry::is_named(name), "{name}");
        assert_eq!(names.iter().position(|other| other == name), Some(index));
    }
    for name in [
        "",
        ".count",
        ".swept",
        "blob-sha256-",
        "manifest-sha256-..",
        "blob-a.b",
    ] {
        assert!(!Entry::is_named(name), "{name}");
    }
}
