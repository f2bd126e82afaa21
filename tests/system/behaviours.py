#!/usr/bin/env python3
"""Harmless and hostile programs in both sandboxes: what risk comes out, and why.

usage: behaviours.py [--quick] [--backend process|microvm]... [--why] [--set harmless|hostile] [NAME]...

Prints a line for each, then how many harmless ones came out at HARMLESS_BELOW or more and how many hostile ones at
HOSTILE_ABOVE or less, and ends with 1 if there is any. --quick: those that are part of the test. --why: all reasons.
The programs are in tests/programs/behaviours. Ends with 77 where something it needs is missing.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from rig import BUILD, SOURCE, need

HARMLESS_BELOW, HOSTILE_ABOVE = 0.3, 0.5
FOLDER = pathlib.Path(SOURCE) / "tests" / "programs" / "behaviours"
Sample = collections.namedtuple("Sample", "kind name words about script")


def read_set(kind):
    """The samples of a file, in its order."""
    parts = re.split(r"^=== ", (FOLDER / f"{kind}.txt").read_text(), flags=re.M)[1:]
    for part in parts:
        head, script = part.split("\n", 1)
        names, about = head.split(" | ", 1)
        name, *words = names.split()
        yield Sample(kind, name, dict(word.split("=", 1) for word in words), about, script.rstrip() + "\n")


def run(sample, backend, folder, timeout):
    """The report of one run."""
    place = pathlib.Path(tempfile.mkdtemp(prefix=f"{sample.name}-", dir=folder))
    program = place / "sample"
    program.write_text(sample.script)
    program.chmod(0o755)
    files = []
    for number in range(int(sample.words.get("files", 0))):
        path = place / f"letter-{number:02}.txt"
        path.write_text(f"letter {number}\n" * 50)
        files += ["--file", f"{path}:/home/user/documents/{path.name}"]
    done = subprocess.run([f"{BUILD}/bin/shrike", "run", "--agent", "", "--sandbox", "", "--json", "--backend", backend,
                           "--timeout", timeout, *files, "--", str(program)], capture_output=True, timeout=120, check=False)
    shutil.rmtree(place)
    if not done.stdout:
        raise AssertionError(f"{sample.name} in {backend}: {done.stderr.decode(errors='replace')}")
    report = json.loads(done.stdout)
    if done.returncode != 0:
        raise AssertionError(f"{sample.name} in {backend}: {report['status']}: {report['cause']}")
    return report


def wrong(sample, risk):
    return risk >= HARMLESS_BELOW if sample.kind == "harmless" else risk <= HOSTILE_ABOVE


def show(sample, backend, report, why):
    mark = "!" if wrong(sample, report["risk"]) else " "
    reasons = report["reasons"]
    first = "; ".join(f"{r['rule']} {r['risk']:.2f}" for r in (reasons if why else reasons[:3]))
    ended = report["status"] if report["status"] != "ok" else f"code {report['exit_code']}"
    print(f"{mark} {sample.kind:8} {sample.name:20} {backend:8} {report['risk']:.2f}  {ended:9} {first}", flush=True)
    if why:
        for reason in reasons:
            print(f"      {reason['risk']:.2f} {reason['rule']}: {reason['message'][:150]}")
        for refusal in report["refusals"]:
            print(f"      refused {refusal['call']} x{refusal['count']}: {refusal['reason']}")
        for text in (report["stdout"], report["stderr"]):
            for line in text.splitlines()[-6:]:
                print(f"      | {line[:150]}")


def main():
    words = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
    words.add_argument("--quick", action="store_true")
    words.add_argument("--why", action="store_true")
    words.add_argument("--backend", action="append", choices=["process", "microvm"])
    words.add_argument("--set", action="append", choices=["harmless", "hostile"])
    words.add_argument("names", nargs="*")
    asked = words.parse_args()
    need("bpf", os.geteuid() == 0 and os.path.exists("/sys/kernel/btf/vmlinux"))
    backends = asked.backend or ["process", "microvm"]
    if "microvm" in backends and not os.path.exists("/dev/kvm"):
        need("kvm", "kvm" not in os.environ.get("SHRIKE_REQUIRE", "").split(","))
        backends.remove("microvm")
    samples = [s for kind in asked.set or ["harmless", "hostile"] for s in read_set(kind)
               if (not asked.names or s.name in asked.names) and (not asked.quick or "quick" in s.words)]
    here = [s for s in samples if "needs" not in s.words or shutil.which(s.words["needs"])]
    work = [(s, b) for s in here for b in backends if s.words.get("only", b) == b]
    bad = collections.Counter()
    with tempfile.TemporaryDirectory(prefix="shrike-behaviours-") as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        for (sample, backend), report in zip(work, pool.map(lambda w: run(*w, folder, "5s" if asked.quick else "15s"), work)):
            bad[sample.kind] += wrong(sample, report["risk"])
            show(sample, backend, report, asked.why)
    count = collections.Counter(s.kind for s, _ in work)
    for sample in samples:
        if sample not in here:
            print(f"left out: {sample.name} needs {sample.words['needs']}")
    print(f"harmless at {HARMLESS_BELOW} or more: {bad['harmless']} of {count['harmless']}; "
          f"hostile at {HOSTILE_ABOVE} or less: {bad['hostile']} of {count['hostile']}")
    return 1 if bad.total() else 0


if __name__ == "__main__":
    sys.exit(main())
