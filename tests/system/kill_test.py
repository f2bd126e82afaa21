#!/usr/bin/env python3
"""kill -9 of agent, nats-server and collector, in turn, under load: no acknowledged event is lost, none is stored
twice, and the chain is proven by `shrike verify`.

usage: kill_test.py [ROUNDS]      (20; ends with 77 where something it needs is missing)
"""
import collections
import random
import shutil
import subprocess
import sys
import tempfile
import time

from rig import BUILD, Rig, check, need_all, wait_until

NODE = "killed"


def acked_of(rig):
    spool = (rig.status(NODE) or {}).get("spool", {})
    return {lane: state["acked_seq"] for lane, state in spool.items()}


def main():
    need_all()
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    random.seed(rounds)
    directory = tempfile.mkdtemp(prefix="shrike-kill-")
    with Rig(directory) as rig:
        rig.add_collector()
        rig.add_agent(NODE, '[filter]\nkinds = ["prctl"]\n')
        rig.start_nats()
        rig.start_collector()
        rig.start_agent(NODE)
        load = subprocess.Popen([f"{BUILD}/bin/bench_load", "3000", str(rounds * 8 + 60)], stdout=subprocess.DEVNULL)
        acked = collections.Counter()
        try:
            for turn in range(rounds):
                victim = [NODE, "nats", "collector"][turn % 3]
                subprocess.run(["cat", "/etc/shadow"], stdout=subprocess.DEVNULL, check=True)
                time.sleep(random.uniform(0.2, 1.5))  # the moment of the kill is what is varied
                for lane, seq in acked_of(rig).items():
                    acked[lane] = max(acked[lane], seq)
                rig.kill(victim)
                time.sleep(random.uniform(0, 0.5))
                {NODE: lambda: rig.start_agent(NODE), "nats": rig.start_nats, "collector": rig.start_collector}[victim]()
                before = acked["telemetry"]
                wait_until(f"round {turn + 1}: acknowledgements go on after {victim} was killed",
                           lambda: acked_of(rig).get("telemetry", 0) > before, 60)
                print(f"round {turn + 1}/{rounds}: {victim} killed and back, acknowledged {dict(acked_of(rig))}", flush=True)
        finally:
            load.kill()
            load.wait()
        rig.wait_acknowledged(NODE, "everything sealed is acknowledged", 120)
        for lane, seq in acked_of(rig).items():
            acked[lane] = max(acked[lane], seq)
        verdicts = collections.Counter(v["verdict"] for v in rig.api("/v1/verdicts"))
        stored = collections.Counter((v["boot"], v["lane"], v["seq"]) for v in rig.api("/v1/verdicts")
                                     if v["verdict"] == "accepted")
        rig.stop_all()

        check(max(stored.values()) == 1, f"stored twice: {[k for k, n in stored.items() if n > 1][:5]}")
        for lane, seq in acked.items():
            have = sorted(s for _, l, s in stored if l == lane)
            check(have and have[-1] >= seq, f"{lane}: acknowledged up to {seq}, stored up to {have[-1:]}")
        check(not {"forged", "forked", "rolled_back", "malformed"} & set(verdicts), f"bad verdicts: {verdicts}")
        proof = rig.verify()
        print(proof.stdout)
        check(proof.returncode == 0, "shrike verify did not prove the chain")
        print(f"PASSED: {rounds} kills, {sum(stored.values())} batches, verdicts {dict(verdicts)}")
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
