#!/usr/bin/env python3
"""The spool when nobody takes it: NATS away, a full spool, a full disk. Alerts are never dropped; what a full spool
drops is the oldest telemetry, replaced by signed statements and counted; all of it is proven by `shrike verify`.

usage: spool_test.py away [SECONDS] | full | disk     (ends with 77 where something it needs is missing)
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

from rig import BUILD, Rig, check, need_all, wait_until

NODE = "spooled"


def read_shadow(times):
    for _ in range(times):
        subprocess.run(["cat", "/etc/shadow"], stdout=subprocess.DEVNULL, check=True)


def stored_losses(rig):
    """Loss counters as the newest signed headers tell them."""
    node = next(n for n in rig.api("/v1/nodes") if n["node"] == NODE)
    return {(loss["cause"], loss["class"]): loss["count"] for loss in node["losses"]}


def finish(rig, alerts_before):
    """NATS comes back: everything is taken in, every alert arrived once, and the chain is proven."""
    rig.start_nats()
    raised = rig.status(NODE)["alerts"]
    rig.wait_acknowledged(NODE, "everything sealed is acknowledged", 180)
    check(raised > alerts_before, "the outage raised no alert: the test shows nothing")
    uids = [a["uid"] for a in rig.api("/v1/alerts?limit=100000") if a["node"] == NODE and a["evidence"]["lane"] == "alerts"]
    check(len(uids) >= raised, f"{raised} alerts were raised, {len(uids)} arrived")
    losses = stored_losses(rig)
    rig.stop_all()
    proof = rig.verify()
    print(proof.stdout)
    check(proof.returncode == 0, "shrike verify did not prove the chain")
    return losses


def main():
    need_all()
    what = sys.argv[1] if len(sys.argv) > 1 else "away"
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    directory = tempfile.mkdtemp(prefix="shrike-spool-")
    mounted = None
    try:
        with Rig(directory) as rig:
            rig.add_collector()
            spool = "[spool]\nmax_bytes = 8388608\n" if what == "full" else ""
            if what == "disk":
                mounted = rig.path(NODE)
                os.makedirs(mounted, mode=0o700)
                subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", mounted], check=True)
            rig.add_agent(NODE, '[filter]\nkinds = ["prctl"]\n' + spool)
            rig.start_nats()
            rig.start_collector()
            rig.start_agent(NODE)
            read_shadow(3)
            rig.wait_acknowledged(NODE, "the first batches are acknowledged", 30)
            alerts = rig.status(NODE)["alerts"]
            rig.kill("nats")
            if what == "away":
                load = subprocess.Popen([f"{BUILD}/bin/bench_load", "2000", str(seconds)], stdout=subprocess.DEVNULL)
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    read_shadow(1)
                    time.sleep(1)
                load.wait(30)
            else:
                # Names that do not compress, and enough of them to fill the spool several times over.
                load = subprocess.Popen([f"{BUILD}/bin/bench_load", "40000", "40"], stdout=subprocess.DEVNULL)
                while load.poll() is None:
                    read_shadow(2)
                    time.sleep(0.5)
            losses = finish(rig, alerts)
            dropped = losses.get(("spool_full", "telemetry"), 0)
            if what == "away":
                check(dropped == 0, f"a spool with room dropped {dropped} events")
            else:
                check(dropped > 0, f"a full spool dropped nothing: {losses}")
            check(not any(c == "spool_full" and k == "alerts" for c, k in losses), f"alerts were dropped: {losses}")
            print(f"PASSED: {what}, telemetry dropped and counted: {dropped}")
    finally:
        if mounted:
            subprocess.run(["umount", "-l", mounted], check=True)
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
