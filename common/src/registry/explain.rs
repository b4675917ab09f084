//! The codes and remedies of what a registry answers, and of what is refused about it. Decides nothing.

use super::{Channel, Error, Refusal, damage};
use crate::{Code, Explain};

impl Explain for Error {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::BlobAbsent { .. }
            | Self::ForeignLayer { .. }
            | Self::Status { .. }
            | Self::Unreachable { .. } => "registry-unavailable",
            Self::Credentials { .. } => "credentials-unavailable",
            Self::Denied { .. } => "registry-denied",
            Self::Egress { .. } => "egress-refused",
            Self::Throttled { .. } => "registry-throttled",
            Self::Silent { .. } | Self::TimedOut { .. } => "fetch-timeout",
            Self::FileAbsent { .. } | Self::Unreadable { .. } => "layout-unreadable",
            Self::Unwritable { .. } => "layout-unwritable",
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::BlobAbsent { .. } => "run it again; if it persists, push the image or the signature again".to_owned(),
            Self::Credentials { registry, .. } => {
                format!("log in with `docker login {registry}`, or give AWS credentials that allow `ecr:GetAuthorizationToken`")
            }
            Self::Denied { registry, .. } => format!(
                "log in with `docker login {registry}`; on Amazon ECR allow `ecr:BatchGetImage` and `ecr:GetDownloadUrlForLayer` on the repository, and to sign `ecr:PutImage`, `ecr:InitiateLayerUpload`, `ecr:UploadLayerPart` and `ecr:CompleteLayerUpload`"
            ),
            Self::Egress { .. } => {
                "check the registry's and the proxy's configuration: redirects must stay on HTTPS and off private addresses".to_owned()
            }
            Self::ForeignLayer { .. } => {
                "push the image with its foreign layers, which Docker does for registries that its `allow-nondistributable-artifacts` names, or verify it without `--deep`".to_owned()
            }
            Self::FileAbsent { .. } => {
                "copy the image into the folder again with all that belongs to it, as `oras copy -r --to-oci-layout` does".to_owned()
            }
            Self::Silent { .. } => {
                "run it again once the registry answers, which every run asks anew; if it is only slow, raise `--timeout`".to_owned()
            }
            Self::Status { .. } => "run it again; if it persists, ask whoever runs the registry".to_owned(),
            Self::Throttled { .. } => "run it again later, or with fewer images at once".to_owned(),
            Self::TimedOut { .. } => "run it again, or raise `--timeout`".to_owned(),
            Self::Unreachable { channel: Channel::Plain, .. } => {
                "check the name, the port, the network and `HTTP_PROXY`: it was asked without TLS".to_owned()
            }
            Self::Unreachable { .. } => {
                "check the name, the network, `HTTPS_PROXY` and `--ca-file`; a registry without TLS needs `--plain-http`".to_owned()
            }
            Self::Unreadable { .. } => {
                "check the disk and the rights of the folder; what lies there must be files, and no links: `cp -rL` makes such a copy".to_owned()
            }
            Self::Unwritable { .. } => {
                "check the disk and the rights of the folder; what was there before still is".to_owned()
            }
        }
    }
}

impl Explain for Refusal {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Ambiguous { .. } => "image-ambiguous",
            Self::Damaged { source, .. } => source.code(),
            Self::DigestMismatch { .. } => "digest-mismatch",
            Self::FormatNotAllowed { .. } => "format-not-allowed",
            Self::ImageNotFound { .. } | Self::NotInLayout { .. } => "image-not-found",
            Self::Malformed { source, .. } => damage::code_of(source),
            Self::SizeMismatch { .. } => "descriptor-mismatch",
            Self::TooLarge { .. } => "too-large",
            Self::ReferrersFull { .. } | Self::ReferrersTooMany { .. } => "referrers-too-many",
            Self::Rejected { .. } => "push-rejected",
            Self::TagImmutable { .. } => "tag-immutable",
        })
    }

    fn remedy(&self) -> String {
        let is_of_layout = matches!(self, Self::Damaged { .. } | Self::NotInLayout { .. });
        match self.code().as_str() {
            "descriptor-mismatch" if is_of_layout => {
                "copy the image into the folder again, with a tool that writes true sizes: what lies there was damaged, or is named by another size than it has"
            }
            "descriptor-mismatch" => {
                "push what names it again with a tool that writes true sizes; if it names the true one, suspect the registry or what lies between"
            }
            "digest-mismatch" if is_of_layout => {
                "copy the image into the folder again: what lies there was damaged, or somebody has changed it"
            }
            "format-not-allowed" | "malformed" if is_of_layout => {
                "write the folder again with a tool that writes valid layouts, such as `crane pull --format oci` or `oras copy --to-oci-layout`"
            }
            "image-not-found" if is_of_layout => {
                "name a tag that the folder has, or copy the image into it with all that belongs to it"
            }
            "referrers-too-many" if matches!(self, Self::ReferrersFull { .. }) => {
                "remove what should not refer to this image or is no longer needed; `attest --replace` keeps one attestation of a kind"
            }
            "digest-mismatch" => "suspect the registry or what lies between: the bytes are not what their name says",
            "format-not-allowed" => "push the image as an OCI image or as Docker schema 2, uncompressed in transit",
            "image-ambiguous" => "name one by its tag or digest: `oci:FOLDER:TAG` or `oci:FOLDER@sha256:…`",
            "image-not-found" => "check the name and the tag, or push the image first",
            "malformed" => "push the image or the signature again with a tool that writes valid manifests",
            "push-rejected" => "read what the registry says; on Amazon ECR the repository must exist before the push",
            "referrers-too-many" => "remove what should not refer to this image: somebody may be hiding its signatures",
            "tag-immutable" => "exclude `sha256-*` from tag immutability, or use a registry with the referrers API",
            _ => "use something smaller: the limit protects whoever verifies it",
        }
        .to_owned()
    }
}
