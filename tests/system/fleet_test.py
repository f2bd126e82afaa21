#!/usr/bin/env python3
"""Several nodes: three agents in network namespaces of their own, one collector and nats-server in another, TLS between
them. Each agent's events arrive under its own name; none may publish, read or purge what is another's.

usage: fleet_test.py      (ends with 77 where something it needs is missing)
"""
import os
import shutil
import subprocess
import sys
import tempfile

from rig import Rig, check, need, need_all, wait_until

NODES = ("alder", "birch", "cedar")
NETWORK = "10.213.77"
TAG = f"shrk{os.getpid()}"


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def make_network():
    """One namespace with a bridge for the server side, and one a node, each with an address on it."""
    hub = f"{TAG}-hub"
    run("ip", "netns", "add", hub)
    run("ip", "-n", hub, "link", "set", "lo", "up")
    run("ip", "-n", hub, "link", "add", "bridge", "type", "bridge")
    run("ip", "-n", hub, "addr", "add", f"{NETWORK}.1/24", "dev", "bridge")
    run("ip", "-n", hub, "link", "set", "bridge", "up")
    spaces = {}
    for number, node in enumerate(NODES, start=11):
        space = spaces[node] = f"{TAG}-{node}"
        run("ip", "netns", "add", space)
        run("ip", "-n", space, "link", "set", "lo", "up")
        run("ip", "-n", hub, "link", "add", node, "type", "veth", "peer", "name", "eth0", "netns", space)
        run("ip", "-n", hub, "link", "set", node, "master", "bridge", "up")
        run("ip", "-n", space, "addr", "add", f"{NETWORK}.{number}/24", "dev", "eth0")
        run("ip", "-n", space, "link", "set", "eth0", "up")
    return hub, spaces


def remove_network():
    listed = subprocess.run(["ip", "netns", "list"], stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in listed.splitlines():
        if line.startswith(TAG + "-"):
            run("ip", "netns", "delete", line.split()[0])


def certificates(directory):
    """An authority of our own and the server's certificate for its address."""
    ca, ca_key = f"{directory}/ca.pem", f"{directory}/ca.key"
    cert, key, request = f"{directory}/nats.pem", f"{directory}/nats.key", f"{directory}/nats.csr"
    extensions = f"{directory}/nats.ext"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True}
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=fleet authority",
                    "-keyout", ca_key, "-out", ca], **quiet)
    subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=nats",
                    "-keyout", key, "-out", request], **quiet)
    with open(extensions, "w") as f:
        f.write(f"subjectAltName=IP:{NETWORK}.1\n")
    subprocess.run(["openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2",
                    "-extfile", extensions, "-out", cert], **quiet)
    return cert, key, ca


def main():
    need_all()
    need("nats", shutil.which("openssl") and shutil.which("ip"))
    directory = tempfile.mkdtemp(prefix="shrike-fleet-")
    try:
        hub, spaces = make_network()
        with Rig(directory, address=f"{NETWORK}.1", nats_namespace=hub, tls=certificates(directory)) as rig:
            rig.add_collector()
            for node in NODES:
                rig.add_agent(node, namespace=spaces[node])
            rig.start_nats()
            rig.start_collector()
            for node in NODES:
                rig.start_agent(node)
            subprocess.run(["cat", "/etc/shadow"], stdout=subprocess.DEVNULL, check=True)
            for node in NODES:
                wait_until(f"an alert of {node}",
                           lambda node=node: any(a["process"]["name"] == "cat" for a in rig.api(f"/v1/alerts?node={node}")))
            trespass(rig, spaces)
            for node in NODES:
                rig.wait_acknowledged(node, f"{node}'s batches are acknowledged", 60)
            verdicts = {(v["verdict"], v["node"]) for v in rig.api("/v1/verdicts")}
            bad = {v for v in verdicts if v[0] not in ("accepted", "duplicate")}
            check(bad == {("malformed", "alder")}, f"what alder published by hand is to be the only bad message: {bad}")
            rig.stop_all()
            proof = rig.verify()
            print(proof.stdout)
            check(proof.returncode == 0, "shrike verify did not prove the three chains")
            print("PASSED: three nodes over TLS, each within its own subjects")
        shutil.rmtree(directory)
    finally:
        remove_network()


def trespass(rig, spaces):
    """With alder's NATS identity: what is its own works, what is birch's or everybody's is refused."""
    program = rig.program("tests_nats_try")
    agent = rig.path("alder", "nkey.seed")
    tries = [
        ("publish", "alerts", "alder", True),
        ("publish", "alerts", "birch", False),
        ("publish", "telemetry", "cedar", False),
        ("subscribe", "ack", "alder", True),
        ("subscribe", "ack", "birch", False),
        ("subscribe", "all", "-", False),
        ("purge", "SHRIKE_ALERTS", "-", False),
        ("delete", "SHRIKE_TELEMETRY", "-", False),
    ]
    for action, what, node, allowed in tries:
        done = subprocess.run(["ip", "netns", "exec", spaces["alder"], program, rig.url(), agent, rig.tls[2], action, what, node],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        verdict = {0: True, 1: False}.get(done.returncode)
        check(verdict is not None, f"{action} {what} {node}: could not try: {done.stdout}")
        check(verdict == allowed, f"alder may{'' if verdict else ' not'} {action} {what} {node}: {done.stdout}")
        print(f"alder: {action} {what} {node}: {'allowed' if verdict else 'refused'}", flush=True)


if __name__ == "__main__":
    main()
