"""The measured commands. Placeholders: {reg} registry address; {keys} key folder; {tiny} {app} {multi} {legacy}
{nota} {att} {many} {own} = REG/NAME@DIGEST; {tiny_tag} ... = REG/NAME:v1; {fresh} = an image not used before;
{plain_oras} {plain_notation} {plain_crane} {plain_ours} = the tool's flag for plain HTTP (nothing under TLS);
{kms} = KMS endpoint host:port; {predicate} = a small JSON file.

More commands (our tool) come from --extra FILE.json: [{"id": "...", "cmd": ["tool", "verify", "{tiny}"]}].
A scenario with "only": "crane" or "dist" runs against that registry alone.
"""
COSIGN_SIGN = ["--tlog-upload=false", "--use-signing-config=false"]
V = ["--insecure-ignore-tlog"]
PUB, KEY = "{keys}/cosign.pub", "{keys}/cosign.key"
OURS = ["countersign", "verify", "{plain_ours}", "--no-cache", "--key", PUB]
AGAIN = ["countersign", "verify", "{plain_ours}", "--key", PUB]

SCENARIOS = [
    # start-up cost: no network at all
    {"id": "cosign version", "cmd": ["cosign", "version"], "offline": True},
    {"id": "notation version", "cmd": ["notation", "version"], "offline": True},
    {"id": "crane version", "cmd": ["crane", "version"], "offline": True},
    {"id": "oras version", "cmd": ["oras", "version"], "offline": True},
    {"id": "countersign version", "cmd": ["countersign", "--version"], "offline": True},
    # sign
    {"id": "cosign sign (bundle)", "cmd": ["cosign", "sign", "--key", KEY, *COSIGN_SIGN, "{fresh}"]},
    {"id": "cosign sign (legacy)", "cmd": ["cosign", "sign", "--key", KEY, *COSIGN_SIGN, "--new-bundle-format=false",
                                           "{fresh}"]},
    {"id": "cosign sign (KMS, bundle)", "cmd": ["cosign", "sign", "--key", "awskms://{kms}/{alias}", *COSIGN_SIGN,
                                                "{fresh}"]},
    {"id": "countersign sign (no date)", "cmd": ["countersign", "sign", "{plain_ours}", "--no-tsa", "--key", KEY, "{fresh}"]},
    {"id": "countersign sign (KMS, no date)", "cmd": ["countersign", "sign", "{plain_ours}", "--no-tsa", "--key",
                                                      "awskms://{kms}/{alias}", "{fresh}"]},
    {"id": "cosign attest (bundle)", "cmd": ["cosign", "attest", "--key", KEY, *COSIGN_SIGN, "--type", "custom",
                                             "--predicate", "{predicate}", "{fresh}"]},
    {"id": "countersign attest (no date)", "cmd": ["countersign", "attest", "{plain_ours}", "--no-tsa", "--key", KEY,
                                                   "--type", "https://example.com/custom", "--predicate", "{predicate}",
                                                   "{fresh}"]},
    {"id": "notation sign", "cmd": ["notation", "sign", "{plain_notation}", "{fresh}"]},
    # verify
    {"id": "cosign verify digest (bundle)", "cmd": ["cosign", "verify", "--key", PUB, *V, "{tiny}"]},
    {"id": "cosign verify tag (bundle)", "cmd": ["cosign", "verify", "--key", PUB, *V, "{tiny_tag}"]},
    {"id": "cosign verify digest (legacy)", "cmd": ["cosign", "verify", "--key", PUB, *V, "{legacy}"]},
    {"id": "cosign verify (legacy, --new-bundle-format=false)",
     "cmd": ["cosign", "verify", "--key", PUB, *V, "--new-bundle-format=false", "{legacy}"]},
    {"id": "cosign verify (KMS, bundle)", "cmd": ["cosign", "verify", "--key", "awskms://{kms}/{alias}", *V, "{app}"]},
    {"id": "cosign verify (10 signatures)", "cmd": ["cosign", "verify", "--key", PUB, *V, "{many}"]},
    {"id": "cosign verify-attestation", "cmd": ["cosign", "verify-attestation", "--key", PUB, *V, "--type", "custom",
                                                "{att}"]},
    {"id": "cosign verify index, 3 platforms (4 references)",
     "cmd": ["cosign", "verify", "--key", PUB, *V, "{multi}", "{multi_p0}", "{multi_p1}", "{multi_p2}"]},
    {"id": "notation verify", "cmd": ["notation", "verify", "{plain_notation}", "{nota}"]},
    {"id": "countersign verify digest (bundle)", "cmd": [*OURS, "{tiny}"]},
    {"id": "countersign verify tag (bundle)", "cmd": [*OURS, "{tiny_tag}"]},
    {"id": "countersign verify digest (own)", "cmd": [*OURS, "{own}"]},
    {"id": "countersign verify tag (own)", "cmd": [*OURS, "{own_tag}"]},
    {"id": "countersign verify digest (bundle), seen before", "cmd": [*AGAIN, "{tiny}"]},
    {"id": "countersign verify digest (legacy, --legacy-signatures)", "cmd": [*OURS, "--legacy-signatures", "{legacy}"]},
    {"id": "countersign verify (10 signatures)", "cmd": [*OURS, "{many}"]},
    {"id": "countersign verify index, 3 platforms", "cmd": [*OURS, "--recursive", "{multi}"]},
    {"id": "countersign verify (KMS, bundle)",
     "cmd": ["countersign", "verify", "{plain_ours}", "--no-cache", "--key", "awskms://{kms}/{alias}", "{app}"]},
    # plain look-ups
    {"id": "crane digest (tag)", "cmd": ["crane", "digest", "{tiny_tag}"]},
    {"id": "oras discover", "cmd": ["oras", "discover", "{plain_oras}", "{tiny}"]},
    # whole-image layer check, as users do it: download
    {"id": "crane validate app (74 MB)", "cmd": ["crane", "validate", "--remote", "{app}"]},
    {"id": "countersign verify --deep app (74 MB)",
     "cmd": ["countersign", "verify", "{plain_ours}", "--no-cache", "--key", "{keys}/kms.pub", "--deep", "{app}"]},
    {"id": "countersign verify --deep=unpacked app (74 MB)",
     "cmd": ["countersign", "verify", "{plain_ours}", "--no-cache", "--key", "{keys}/kms.pub", "--deep=unpacked", "{app}"]},
]
