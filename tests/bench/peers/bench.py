#!/usr/bin/env python3
"""Measures the commands of scenarios.py (source env.sh first; servers up, targets signed).

  bench.py count  [--registries crane,dist] [--only REGEX] [--extra FILE] [--json OUT] [--trace]
  bench.py time   [--runs 7] [--conditions http0,http20,tls0,tls20] [the same options]

count: requests, TCP connections, sequential depth (longest chain of requests which do not overlap) and bytes,
       seen by the proxy with 20 ms per request.
time:  wall median [min-max], CPU (user + system) median, peak RSS, failures. Scenarios run in turn (A B C A B C),
       so that drift of the machine hits all alike.
Conditions: httpN / tlsN = N ms before each request is forwarded; under tls also 2*N ms when a connection opens
(TCP + TLS 1.3 handshakes); ecrN = tlsN + HTTP Basic challenge (the crane registry only).
"""
import argparse, json, os, re, statistics, subprocess, sys, urllib.request
from scenarios import SCENARIOS

E = os.environ
K = f"{E['BENCH_DIR']}/keys"
IMAGES = json.load(open(f"{E['BENCH_DIR']}/images.json"))
RUNSTAT = f"{E['BENCH_DIR']}/runstat"
ADMIN = f"http://127.0.0.1:{E['PORT_ADMIN']}"
PORTS = {("crane", "http"): "PROXY_CRANE", ("dist", "http"): "PROXY_DIST",
         ("crane", "tls"): "TLS_CRANE", ("dist", "tls"): "TLS_DIST", ("crane", "ecr"): "ECR_CRANE"}
POOL = f"{E['BENCH_DIR']}/pool-used.json"       # how many images of the pool each registry has used up


def reset(ms, conn_rtts):
    urllib.request.urlopen(urllib.request.Request(f"{ADMIN}/reset?delay_ms={ms}&conn_rtts={conn_rtts}",
                                                  method="POST")).read()


def fresh(registry):
    used = json.load(open(POOL)) if os.path.exists(POOL) else {}
    n = used.get(registry, 0)
    name = f"pool/p{n:03d}"
    if f"{name}:v1" not in IMAGES:
        raise SystemExit("the pool of unsigned images is used up: restart the servers, push again (README)")
    used[registry] = n + 1
    json.dump(used, open(POOL, "w"))
    return name


def expand(sc, registry, scheme):
    reg = f"127.0.0.1:{E[PORTS[registry, scheme]]}"
    ref = lambda n: f"{reg}/{n}@{IMAGES[n + ':v1']['digest']}"
    plain = scheme == "http"
    v = {"reg": reg, "keys": K, "kms": f"localhost:{E['TLS_KMS']}", "alias": E["KMS_ALIAS"],
         "predicate": f"{K}/predicate.json", "plain_oras": "--plain-http" if plain else "",
         "plain_notation": "--insecure-registry" if plain else "",
         "plain_crane": "--insecure" if plain else "",
         "plain_ours": "--plain-http" if plain else ""}
    for n in ("tiny", "app", "multi", "legacy", "nota", "att", "many"):
        v[n], v[n + "_tag"] = ref(n), f"{reg}/{n}:v1"
    v["own"], v["own_tag"] = ref(f"own-{scheme}"), f"{reg}/own-{scheme}:v1"
    for i, d in enumerate(IMAGES["multi:v1"]["platforms"]):
        v[f"multi_p{i}"] = f"{reg}/multi@{d}"
    if any("{fresh}" in a for a in sc["cmd"]):
        v["fresh"] = ref(fresh(registry))
    argv = [re.sub(r"\{(\w+)\}", lambda m: v[m.group(1)], a) for a in sc["cmd"]]
    return [a for a in argv if a]


def parse(cond):
    scheme, ms = re.fullmatch(r"(http|tls|ecr)(\d+)", cond).groups()
    return scheme, int(ms), 0 if scheme == "http" else 2


def one(argv):
    out = f"{E['BENCH_DIR']}/runstat.json"
    if os.path.exists(out):
        os.remove(out)
    subprocess.run([RUNSTAT, out, *argv], check=True)
    return json.load(open(out))


def depth(requests):
    """The longest chain of requests, each begun after the one before it ended."""
    end, n = 0.0, 0
    for r in sorted((r for r in requests if "t1" in r), key=lambda r: r["t1"]):
        if r["t0"] >= end:
            n, end = n + 1, r["t1"]
    return n


def do_count(a, todo):
    rows = []
    for registry in a.registries:
        for sc in todo:
            if sc.get("offline") or sc.get("only", registry) != registry:
                continue
            scheme, ms, rtts = parse(a.count_condition)
            if (registry, scheme) not in PORTS:
                continue
            argv = expand(sc, registry, scheme)
            reset(ms, rtts)
            r = one(argv)
            log = json.load(urllib.request.urlopen(f"{ADMIN}/log"))
            reqs = log["requests"]
            kinds = {}
            for q in reqs:
                k = q["method"] + (" " + q["amz"].split(".")[1] if "amz" in q else "")
                kinds[k] = kinds.get(k, 0) + 1
            row = {"registry": registry, "condition": a.count_condition, "id": sc["id"], "rc": r["rc"],
                   "requests": len(reqs),
                   "connections": len(log["connections"]), "depth": depth(reqs), "methods": kinds,
                   "errors_4xx": sum(q["status"] >= 400 for q in reqs),
                   "repeated": len(reqs) - len({(q["method"], q["path"], q.get("amz"), q["port"]) for q in reqs}),
                   "sent": sum(q["sent"] for q in reqs), "received": sum(q["received"] for q in reqs),
                   "wall": r["wall"]}
            if a.trace:
                row["trace"] = [[round(q["t0"] - reqs[0]["t0"], 4), q["conn"], q["method"], q["status"], q["path"],
                                 q.get("amz"), q["received"]] for q in reqs]
            rows.append(row)
            print(f"{registry:6} {sc['id']:52} rc={r['rc']} requests {len(reqs):3} (4xx {row['errors_4xx']}, repeated "
                  f"{row['repeated']}) connections {row['connections']:2} depth {row['depth']:3} received "
                  f"{row['received']:9} sent {row['sent']:6} | "
                  + " ".join(f"{k}:{n}" for k, n in kinds.items()), flush=True)
    reset(0, 0)
    return rows


def do_time(a, todo):
    rows = []
    for cond in a.conditions:
        scheme, ms, rtts = parse(cond)
        for registry in a.registries:
            if (registry, scheme) not in PORTS:
                continue
            reset(ms, rtts)
            samples = {}
            mine = [s for s in todo if s.get("only", registry) == registry
                    and not (s.get("offline") and (cond != a.conditions[0] or registry != a.registries[0]))]
            for i in range(a.runs + 1):
                for sc in mine:
                    r = one(expand(sc, registry, scheme))
                    if i or r["rc"]:
                        samples.setdefault(sc["id"], []).append(r)
            for sc in mine:
                s = samples[sc["id"]]
                med = lambda f: statistics.median(f(r) for r in s)
                row = {"condition": "offline" if sc.get("offline") else cond, "registry": registry, "id": sc["id"],
                       "runs": len(s), "failed": sum(r["rc"] != 0 for r in s),
                       "wall_ms": med(lambda r: r["wall"]) * 1e3, "wall_min_ms": min(r["wall"] for r in s) * 1e3,
                       "wall_max_ms": max(r["wall"] for r in s) * 1e3,
                       "cpu_ms": med(lambda r: r["user"] + r["sys"]) * 1e3,
                       "rss_mib": med(lambda r: r["rss_kib"]) / 1024}
                rows.append(row)
                print("{condition:7} {registry:6} {id:52} wall {wall_ms:8.1f} [{wall_min_ms:.0f}-{wall_max_ms:.0f}] ms  "
                      "cpu {cpu_ms:7.1f} ms  rss {rss_mib:6.1f} MiB  failed {failed}/{runs}".format(**row), flush=True)
    reset(0, 0)
    return rows


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=["count", "time"])
    p.add_argument("--registries", default="crane,dist", type=lambda s: s.split(","))
    p.add_argument("--conditions", default="http0,http20,tls0,tls20", type=lambda s: s.split(","))
    p.add_argument("--count-condition", default="tls20")
    p.add_argument("--runs", type=int, default=7)
    p.add_argument("--only", default="")
    p.add_argument("--extra")
    p.add_argument("--json")
    p.add_argument("--trace", action="store_true")
    a = p.parse_args()
    if not os.path.exists(RUNSTAT):
        subprocess.run(["cc", "-O2", "-o", RUNSTAT, f"{E['HARNESS_DIR']}/runstat.c"], check=True)
    todo = SCENARIOS + (json.load(open(a.extra)) if a.extra else [])
    todo = [s for s in todo if re.search(a.only, s["id"])]
    rows = do_count(a, todo) if a.what == "count" else do_time(a, todo)
    if a.json:
        with open(a.json, "w") as f:
            json.dump(rows, f, indent=1)


if __name__ == "__main__":
    sys.exit(main())
