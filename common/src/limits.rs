//! The one table of limits on everything that a stranger controls.
//!
//! Adapters and readers take their bounds from here and never carry numbers of their own.

use std::time::Duration;

/// How much of anything from outside is read, counted or tried before it is refused.
///
/// Sizes are bytes. [`Limits::TABLE`] is what the command uses; tests lower single members.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// A manifest or an index. OCI's distribution specification asks registries for no more.
    pub manifest: usize,
    /// A configuration blob.
    pub config: usize,
    /// A Sigstore bundle.
    pub bundle: usize,
    /// A bundle with an attestation, where one is asked for.
    pub attestation: usize,
    /// A bundle with a publication: strangers must not be able to crowd it out with few that are large.
    pub publication: usize,
    /// The payload of a signature by cosign before version 3.
    pub simple_signing: usize,
    /// All such payloads of one manifest, whatever else is fetched for the image: understood they take some ten times as much.
    pub simple_signings: usize,
    /// A signature envelope of the Notary Project, in JSON or CBOR.
    pub envelope: usize,
    /// The body of an error or of a token answer.
    pub error_body: usize,
    /// All headers of one answer.
    pub headers: usize,
    /// Pages of a listing of referrers.
    pub referrer_pages: usize,
    /// Descriptors in a listing of referrers.
    pub referrers: usize,
    /// Nesting of referrers of referrers, where all of them are shown.
    pub referrer_depth: usize,
    /// Signatures tried for one image, of each kind of claim that is asked for, of each format and at each place where it lies.
    pub signatures: usize,
    /// Redirects followed for one request.
    pub redirects: usize,
    /// Nesting of JSON.
    pub json_depth: usize,
    /// Members of one JSON object.
    pub json_members: usize,
    /// Nesting of CBOR.
    pub cbor_depth: usize,
    /// Subjects in a statement.
    pub subjects: usize,
    /// Digests of one subject.
    pub subject_digests: usize,
    /// Transparency-log entries in a bundle.
    pub log_entries: usize,
    /// Time stamps in a bundle, and in a payload.
    pub time_stamps: usize,
    /// Time stamps checked on one side of one document, which may lie in several artifacts.
    pub time_stamps_checked: usize,
    /// Of these, those whose own certificates are tried on the way to an anchor, which takes the longest.
    pub time_stamp_paths: usize,
    /// One time stamp.
    pub time_stamp: usize,
    /// Certificates in a chain, and in a time stamp.
    pub certificates: usize,
    /// One certificate.
    pub certificate: usize,
    /// Children of an index.
    pub children: usize,
    /// Manifests that an image-layout folder lists, with those that its indexes list.
    pub layout_entries: usize,
    /// Layers of one image, where they are looked at.
    pub layers: usize,
    /// What any layer may unpack to, however short it is.
    pub unpacked: u64,
    /// How many times its own length it may unpack to beyond that.
    pub unpacked_ratio: u64,
    /// How much of what was unpacked before zstd may refer to, which takes as much memory.
    pub zstd_window: u64,
    /// A trust root's file.
    pub root: usize,
    /// Versions of a trust root that are followed at once.
    pub root_steps: usize,
    /// Keys of a trust root, its scopes, all their patterns, all their epochs of single repositories, and its authorities of
    /// time.
    pub root_entries: usize,
    /// All that is kept on disk so that it is fetched once.
    pub cache: u64,
    /// All bytes fetched for one image.
    pub image_bytes: u64,
    /// All time spent on one image.
    pub image_time: Duration,
}

impl Limits {
    /// The limits in force.
    pub const TABLE: Self = Self {
        manifest: 4 * MIB,
        config: 16 * MIB,
        bundle: 4 * MIB,
        attestation: 16 * MIB,
        publication: 256 * KIB,
        simple_signing: 64 * KIB,
        simple_signings: 256 * KIB,
        envelope: 256 * KIB,
        error_body: 64 * KIB,
        headers: 32 * KIB,
        referrer_pages: 16,
        referrers: 1_000,
        referrer_depth: 3,
        signatures: 100,
        redirects: 3,
        json_depth: 64,
        json_members: 10_000,
        cbor_depth: 16,
        subjects: 1_024,
        subject_digests: 16,
        log_entries: 8,
        time_stamps: 8,
        time_stamps_checked: 1_000,
        time_stamp_paths: 100,
        time_stamp: 64 * KIB,
        certificates: 10,
        certificate: 16 * KIB,
        children: 256,
        // A folder may hold many images, and what refers to each. All are opened to find what refers to one.
        layout_entries: 10_000,
        // A runtime mounts 128 at the most; artifacts may have more.
        layers: 1_000,
        // Programs and texts unpack to some ten times their length. Files that are set aside and empty unpack to a thousand
        // times theirs with gzip, and to more with zstd: so much of them is let pass, and costs a second.
        unpacked: 256 * MIB as u64,
        unpacked_ratio: 200,
        // What zstd itself takes unless it is told to take more.
        zstd_window: 128 * MIB as u64,
        // As much as other TUF clients read: a longer one would be a root for ours alone.
        root: 512_000,
        root_steps: 256,
        root_entries: 1_000,
        cache: 256 * MIB as u64,
        image_bytes: 64 * MIB as u64,
        image_time: Duration::from_secs(10),
    };
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
