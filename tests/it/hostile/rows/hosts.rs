//! Where a registry points to, and what its name is.

use countersign_stand_in::Lie;

use super::super::{
    Asked, Case,
    End::{Honestly, Refused, Unknown, Usage},
    scene::{ALL, BLOBS, LIST, Rig, Scene, TAG, TOKEN, Told, body, each, header, told},
};

/// Addresses that only this machine or its network can reach, and schemes that are not HTTP.
const PRIVATE: [&str; 14] = [
    "http://169.254.169.254/latest/meta-data/",
    "https://169.254.169.254/",
    "https://[fd00:ec2::254]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://10.0.0.1/",
    "https://0xa.1/",
    "https://167772161/",
    "https://100.100.100.200/",
    "https://metadata.google.internal/",
    "https://kubernetes.default.svc/",
    "http://example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
];

fn redirects(pattern: &str, target: &str) -> Vec<Told> {
    each(
        pattern,
        [301, 302, 303, 307, 308].map(|status| Lie::redirect(status, target)),
    )
}

/// Realms that an ECR registry must not send a login to.
fn realms(_: &Scene) -> Vec<Told> {
    let realms = [
        "https://evil.example/token",
        "https://000000000000.dkr.ecr.us-east-1.amazonaws.com.evil.example/token",
        "https://000000000000.dkr.ecr.us-east-1.amazonaws.com@evil.example/token",
        "https://evil.example/?000000000000.dkr.ecr.us-east-1.amazonaws.com",
        "https://203.0.113.1/token",
    ];
    let challenge = |realm| Lie::challenge(&format!("Bearer realm=\"{realm}\""));
    each(ALL, realms.map(challenge))
}

fn names(names: impl IntoIterator<Item = &'static str>) -> Vec<Told> {
    names.into_iter().map(Told::of).collect()
}

pub(super) const CASES: &[Case] = &[
    Case::new(
        "redirect-leak",
        "redirects to another host that has something else",
        |scene| redirects(BLOBS, &scene.stranger("/elsewhere")),
        Refused("digest-mismatch"),
    )
    .at(Rig::Basic),
    Case::new(
        "redirect-leak",
        "redirects to another host that has the same",
        |scene| {
            let mut ways = redirects(
                TAG,
                &scene.stranger(&format!("/v2/shop/api/manifests/{}", scene.image.digest)),
            );
            ways.extend(redirects(
                &scene.bundles[0],
                &scene.stranger(scene.bundles[0].strip_prefix("GET ").unwrap()),
            ));
            ways
        },
        Honestly,
    )
    .at(Rig::Basic),
    Case::new(
        "redirect-leak",
        "redirects in a circle",
        |_| redirects(TAG, "/v2/shop/api/manifests/1"),
        Unknown("egress-refused"),
    )
    .at(Rig::Basic),
    Case::new(
        "redirect-leak",
        "redirects from HTTPS to HTTP",
        |scene| {
            let host = scene.world.stand_in.registry_host();
            redirects(TAG, &format!("http://{host}/v2/shop/api/manifests/1"))
        },
        Unknown("egress-refused"),
    )
    .at(Rig::Tls),
    Case::new(
        "redirect-leak",
        "redirects to nowhere: without an address, or to one that is none",
        |_| {
            let nowhere = Lie::Instead {
                status: 307,
                headers: Vec::new(),
                body: Vec::new().into(),
            };
            each(
                TAG,
                [
                    nowhere,
                    Lie::redirect(307, "http://["),
                    Lie::redirect(307, "https://"),
                ],
            )
        },
        Unknown("registry-unavailable"),
    ),
    Case::new(
        "redirect-leak",
        "redirects what a signer writes",
        |scene| {
            let target = scene.stranger("/v2/shop/api/blobs/uploads/");
            ["POST /v2/*", "PUT /v2/*/manifests/*"]
                .map(|pattern| told(pattern, Lie::redirect(307, &target)))
                .into()
        },
        Unknown("registry-unavailable"),
    )
    .at(Rig::Basic)
    .of(Asked::Sign),
    Case::new(
        "redirect-leak",
        "wants what a signer uploads on another host",
        |scene| {
            each(
                "POST /v2/*",
                [header("Location", &scene.stranger("/upload"))],
            )
        },
        Unknown("registry-unavailable"),
    )
    .at(Rig::Basic)
    .of(Asked::Sign),
    Case::new(
        "realm-steal",
        "wants a credential of Amazon ECR at another host",
        realms,
        Unknown("egress-refused"),
    )
    .at(Rig::AwsNames),
    Case::new(
        "realm-steal",
        "wants a login at a private address, over HTTP, or with a user in the address",
        |_| {
            let realm =
                |realm: &&str| told(ALL, Lie::challenge(&format!("Bearer realm=\"{realm}\"")));
            PRIVATE
                .iter()
                .chain(&[
                    "https://user@example.com/",
                    "https://127.0.0.1:1@example.com/",
                ])
                .map(realm)
                .collect()
        },
        Unknown("egress-refused"),
    )
    .at(Rig::Basic),
    Case::new(
        "realm-steal",
        "wants a login at what is no address",
        |_| {
            let realms = ["http://[", "", "token", "https://"];
            each(ALL, realms.map(|realm| Lie::challenge(&format!("Bearer realm=\"{realm}\""))))
        },
        Unknown("credentials-unavailable"),
    ),
    Case::new(
        "realm-steal",
        "wants a login at two addresses, or in a scheme that nobody knows, a thousand times in one line",
        |_| {
            let challenges = [
                "Bearer realm=\"https://a/\",realm=\"https://b/\"",
                "Bearer realm=\"unclosed",
                "Negotiate",
                "Bearer",
                "Digest realm=\"x\", nonce=\"y\"",
                &"Negotiate, ".repeat(1_000),
            ];
            each(ALL, challenges.map(Lie::challenge))
        },
        Unknown("registry-denied"),
    )
    .at(Rig::Basic),
    Case::new(
        "realm-steal",
        "wants a login at an address of 64 KiB",
        |_| {
            let long = format!("Bearer realm=\"https://{}/\"", "a".repeat(64 << 10));
            each(ALL, [Lie::challenge(&long)])
        },
        Refused("too-large"),
    )
    .at(Rig::Basic),
    Case::new(
        "realm-steal",
        "gives a token that cannot be put into a header",
        |_| {
            each(
                TOKEN,
                [
                    body("{\"token\":\"a\\nb\"}"),
                    body("{\"token\":\"a\\u0000\"}"),
                    body("{\"token\":\"a\\r\\nX-Y: z\"}"),
                ],
            )
        },
        Unknown("credentials-unavailable"),
    )
    .at(Rig::Bearer),
    Case::new(
        "realm-steal",
        "redirects its login realm to another host",
        |scene| redirects(TOKEN, &scene.stranger("/token")),
        Unknown("registry-unavailable"),
    )
    .at(Rig::Bearer),
    Case::new(
        "ecr-lookalike",
        "has a name that looks like Amazon ECR's",
        |_| {
            names([
                "000000000000.dkr.ecr.us-east-1.amazonaws.com.evil.example/app:1",
                "000000000000.dkr.ecr.us-east-1.amazonaws.com:444/app:1",
                "evil.example/000000000000.dkr.ecr.us-east-1.amazonaws.com:1",
                "x000000000000.dkr.ecr.us-east-1.amazonaws.com/app:1",
                "000000000000-dkr.ecr.us-east-1.amazonaws.com/app:1",
                "000000000000.dkr.ecr.us-east-1.amazonaws.com.cn.evil.example/app:1",
            ])
        },
        Unknown("registry-unavailable"),
    )
    .at(Rig::AwsNames),
    Case::new(
        "ssrf",
        "redirects to a private address, a metadata service, plain HTTP or another scheme",
        |_| {
            let way = |target: &&str| {
                [TAG, LIST, BLOBS].map(|pattern| told(pattern, Lie::redirect(307, target)))
            };
            PRIVATE.iter().flat_map(way).collect()
        },
        Unknown("egress-refused"),
    ),
    Case::new(
        "ssrf",
        "names addresses in a descriptor, from which a blob could be had too",
        |scene| {
            vec![scene.only(&scene.bundle(), |manifest| {
                let urls = serde_json::json!([scene.stranger("/urls"), "http://169.254.169.254/"]);
                manifest["layers"][0]["urls"] = urls;
            })]
        },
        Honestly,
    ),
    Case::new(
        "host-tricks",
        "has a name that is doubtful",
        |_| {
            names([
                "registry.example./app:1",
                "REGISTRY.example/app@sha256:00",
                "reg:0443/app:1",
                "reg:99999/app:1",
                "user@registry.example/app:1",
                "[fe80::1%25eth0]:5000/app:1",
                "registry.example/\u{430}pp:1",
                "registry.example/app:\u{430}",
                "registry.example/../app:1",
                "registry.example/a//b:1",
                "r\u{e9}gistry.example/app:1",
            ])
        },
        Usage("reference-invalid"),
    ),
];
