#!/usr/bin/env python3
"""Signs the verify targets with the real tools, through the proxy (which indexes the referrers).

  sign_targets.py crane|dist
"""
import json, os, subprocess, sys, tempfile

E = os.environ
K = f"{E['BENCH_DIR']}/keys"
which = sys.argv[1]
reg = "127.0.0.1:" + E["PROXY_CRANE" if which == "crane" else "PROXY_DIST"]
images = json.load(open(f"{E['BENCH_DIR']}/images.json"))
ref = lambda name: f"{reg}/{name}@{images[name + ':v1']['digest']}"
OFF = ["--tlog-upload=false", "--use-signing-config=false"]


def run(*argv, **kw):
    r = subprocess.run(argv, capture_output=True, text=True, **kw)
    if r.returncode:
        raise SystemExit(f"{' '.join(argv)}\n{r.stderr}")


run("cosign", "sign", "--key", f"{K}/cosign.key", *OFF, ref("tiny"))
run("cosign", "sign", "--key", f"awskms://localhost:{E['TLS_KMS']}/{E['KMS_ALIAS']}", *OFF, ref("app"))
run("cosign", "sign", "--key", f"{K}/cosign.key", *OFF, "--new-bundle-format=false", ref("legacy"))
run("cosign", "sign", "--key", f"{K}/cosign.key", *OFF, "-r", ref("multi"))
predicate = f"{K}/predicate.json"
with open(predicate, "w") as f:
    json.dump({"published": "2026-01-01T00:00:00Z", "by": "bench"}, f)
run("cosign", "attest", "--key", f"{K}/cosign.key", *OFF, "--type", "custom", "--predicate", predicate, ref("att"))
run("notation", "sign", "--insecure-registry", ref("nota"))
# Bound to the name of the registry, which has one for each way to it.
WAYS = {"http": reg, "tls": "127.0.0.1:" + E["TLS_CRANE" if which == "crane" else "TLS_DIST"]}
if which == "crane":
    WAYS["ecr"] = "127.0.0.1:" + E["ECR_CRANE"]
for scheme, host in WAYS.items():
    plain = ["--plain-http"] if scheme == "http" else []
    own = f"own-{scheme}"
    run("countersign", "sign", *plain, "--no-tsa", "--key", f"{K}/cosign.key",
        f"{host}/{own}@{images[own + ':v1']['digest']}")
for i in range(9):          # nine other keys, then ours
    with tempfile.TemporaryDirectory() as d:
        run("cosign", "generate-key-pair", cwd=d)
        run("cosign", "sign", "--key", f"{d}/cosign.key", *OFF, ref("many"))
run("cosign", "sign", "--key", f"{K}/cosign.key", *OFF, ref("many"))
print("targets signed on", reg)
