#!/usr/bin/env python3
"""Makes real OCI images (valid gzip layers, diff_ids, config) and pushes them. Standard library only.

  mkimages.py --registry 127.0.0.1:5001 --out images.json [--repos 200 --tags 5 --pool 200]

  tiny      1 layer, 64 KiB
  app       6 layers, about 80 MB compressed
  multi     index with 3 platforms, each 3 layers
  legacy, nota, att, many, own-…   1 small layer each (targets for one kind of signature each)
  pool/pNNN one small image each, to be used up by runs which sign
  pop/rNNN  REPOS repositories x TAGS tags, 2 small layers each (one shared in the repository)

The content is made from fixed seeds, so digests are the same each time. images.json maps
"repository:tag" to its digest, media type and (index) platform digests.
"""
import argparse, gzip, hashlib, http.client, io, json, random, tarfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EPOCH = "2026-01-01T00:00:00Z"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(seed, size, files):
    """A gzip tar of `files` files with about `size` bytes, half of it incompressible."""
    rng = random.Random(seed)
    buf = io.BytesIO()
    with tarfile.open(fileobj=buf, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for i in range(files):
            n = size // files
            # 7/8 random bytes, 1/8 text: the compressed size is close to `size`, as with binaries
            text = (f"{seed}/{i}: the quick brown fox jumps over the lazy dog\n" * (n // 8 // 40 + 1))[: n // 8]
            data = rng.randbytes(n - len(text)) + text.encode()
            info = tarfile.TarInfo(f"opt/{seed}/f{i:04d}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    raw = buf.getvalue()
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1, mtime=0) as gz:
        gz.write(raw)
    return out.getvalue(), digest(raw)


class Registry:
    def __init__(self, address):
        self.c = http.client.HTTPConnection(address)

    def req(self, method, path, body=None, headers={}):
        self.c.request(method, path, body, headers)
        r = self.c.getresponse()
        data = r.read()
        if r.status >= 300 and not (method == "HEAD" and r.status == 404):
            raise SystemExit(f"{method} {path}: {r.status} {data[:300]!r}")
        return r, data

    def blob(self, repo, data):
        d = digest(data)
        r, _ = self.req("HEAD", f"/v2/{repo}/blobs/{d}")
        if r.status != 200:
            r, _ = self.req("POST", f"/v2/{repo}/blobs/uploads/", b"", {"Content-Length": "0"})
            loc = r.headers["Location"]
            loc = loc[loc.index("/v2/"):]
            sep = "&" if "?" in loc else "?"
            self.req("PUT", f"{loc}{sep}digest={d}", data, {"Content-Type": "application/octet-stream"})
        return d

    def manifest(self, repo, ref, doc):
        data = json.dumps(doc, separators=(",", ":")).encode()
        self.req("PUT", f"/v2/{repo}/manifests/{ref}", data, {"Content-Type": doc["mediaType"]})
        return {"mediaType": doc["mediaType"], "digest": digest(data), "size": len(data)}

    def image(self, repo, ref, layers, arch="amd64"):
        config = json.dumps({"created": EPOCH, "architecture": arch, "os": "linux",
                             "config": {"Entrypoint": ["/opt/app"], "Labels": {"ref": f"{repo}:{ref}"}},
                             "rootfs": {"type": "layers", "diff_ids": [d for _, d in layers]},
                             "history": [{"created": EPOCH, "created_by": "mkimages"} for _ in layers]}).encode()
        doc = {"schemaVersion": 2, "mediaType": MANIFEST,
               "config": {"mediaType": CONFIG, "digest": self.blob(repo, config), "size": len(config)},
               "layers": [{"mediaType": LAYER, "digest": self.blob(repo, z), "size": len(z)} for z, _ in layers]}
        return self.manifest(repo, ref or digest(json.dumps(doc, separators=(",", ":")).encode()), doc)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--registry", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--repos", type=int, default=200)
    p.add_argument("--tags", type=int, default=5)
    p.add_argument("--pool", type=int, default=200)
    a = p.parse_args()
    reg = Registry(a.registry)
    out = {}
    out["tiny:v1"] = reg.image("tiny", "v1", [layer("tiny", 65536, 1)])
    app = [layer(f"app{i}", mb << 20, n) for i, (mb, n) in
           enumerate([(28, 200), (22, 120), (14, 60), (10, 40), (5, 20), (1, 4)])]
    out["app:v1"] = reg.image("app", "v1", app)
    plats = []
    for arch, variant in (("amd64", None), ("arm64", "v8"), ("s390x", None)):
        d = reg.image("multi", None, [layer(f"multi-{arch}-{i}", 400_000, 5) for i in range(3)], arch)
        d["platform"] = {"os": "linux", "architecture": arch} | ({"variant": variant} if variant else {})
        plats.append(d)
    out["multi:v1"] = reg.manifest("multi", "v1", {"schemaVersion": 2, "mediaType": INDEX, "manifests": plats})
    out["multi:v1"]["platforms"] = [d["digest"] for d in plats]
    for repo in ["legacy", "nota", "att", "many", "own-http", "own-tls", "own-ecr"] + [f"pool/p{i:03d}" for i in range(a.pool)]:
        out[f"{repo}:v1"] = reg.image(repo, "v1", [layer(repo, 4096, 1)])
    for r in range(a.repos):
        base = layer(f"base{r}", 8192, 2)
        for t in range(a.tags):
            repo, tag = f"pop/r{r:03d}", f"v{t}"
            out[f"{repo}:{tag}"] = reg.image(repo, tag, [base, layer(f"{repo}:{tag}", 4096, 1)])
    with open(a.out, "w") as f:
        json.dump(out, f, indent=0)
    print(f"{len(out)} images pushed to {a.registry}; app is "
          f"{sum(len(z) for z, _ in app) / 1e6:.1f} MB in {len(app)} layers")


if __name__ == "__main__":
    main()
