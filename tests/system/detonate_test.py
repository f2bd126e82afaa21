#!/usr/bin/env python3
"""Programs detonated by `shrike run`, with the agent here and by a signed command through the collector: their calls,
alerts and reports are in the signed stream, an order is carried out once, and whatever is killed in the middle is told.

usage: detonate_test.py      (ends with 77 where something it needs is missing)
"""
import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request

from rig import Rig, check, need_all, wait_until

NODE = "lab"
SHUT = "shut"  # takes no orders
DROPPER = "echo second stage; cp /bin/true /tmp/stage; /tmp/stage; rm -f /tmp/stage"


def run(rig, *arguments, node=None, here=True, agent=NODE, command=("/bin/sh", "-c", "echo hello"), **options):
    where = ["--agent", rig.path(agent, "agent.sock") if here else "", "--sandbox", rig.path("sandbox.sock")]
    if node:
        where = ["--node", node]
    return subprocess.run([rig.program("shrike"), "run", *where, *arguments, "--", *command], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=rig.api_environment(), timeout=200, **options)


def order(rig, body):
    """POST /v1/commands; the status and the answer."""
    with open(rig.path("collector", "token")) as f:
        token = f.read().strip()
    request = urllib.request.Request(f"http://127.0.0.1:{rig.api_port}/v1/commands", json.dumps(body).encode(),
                                     {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def job(name, script, wall_ms=60_000):
    with open("/bin/busybox" if os.path.exists("/bin/busybox") else "/bin/sh", "rb") as f:
        program = base64.b64encode(f.read()).decode()
    limits = {"wall_ms": wall_ms, "cpu_ms": 30_000, "memory_bytes": 256 << 20, "output_bytes": 1 << 20,
              "file_bytes": 64 << 20, "files": 4096, "processes": 128, "calls": 1_000_000}
    return {"job": {"id": name, "caller": "collector", "backend": "process", "profile": "observe", "network": "sink",
                    "program": "/job/sh", "arguments": ["sh", "-c", script], "environment": ["PATH=/usr/bin:/bin"],
                    "cwd": "/tmp", "files": [], "has_input": False, "limits": limits}, "files": [program]}


def state_of(rig, name):
    found = rig.api(f"/v1/commands?id={name}")
    return found[0]["state"] if found else None


def wait_state(rig, name, states, seconds=60):
    return wait_until(f"command {name} is {states}", lambda: state_of(rig, name) in states and state_of(rig, name), seconds)


def local(rig):
    done = run(rig, "--json", command=("/bin/sh", "-c", DROPPER))
    check(done.returncode == 0, f"shrike run failed: {done.stderr}")
    report = json.loads(done.stdout)
    check(report["stdout"] == "second stage\n", f"its output: {report['stdout']!r}")
    check(report["evidence"] == f"signed by node {NODE}", report["evidence"])
    rules = {reason["rule"] for reason in report["reasons"]}
    check("Ran a program that it made" in rules and report["risk"] > 0.5, f"risk {report['risk']}: {rules}")
    name = report["id"]
    kept = wait_until("the report is at the collector", lambda: rig.api(f"/v1/detonations?id={name}"))[0]
    check(kept["detail"]["report"]["risk"] == report["risk"] and kept["caller"] == "local:0", str(kept)[:500])
    events = rig.api(f"/v1/events?job={name}")
    check(all(e["task"]["container_id"] == name for e in events), "events of another job")
    # Every call that the report counts is an event, signed, and every event of another kind is named as such.
    calls = sum("syscall" in e for e in events)
    check(calls == report["calls"], f"{report['calls']} calls in the report, {calls} in the stream")
    check(any(e["kind"] == "exec" and e.get("path") == "/tmp/stage" for e in events), "its second stage is not there")
    alerts = [a for a in rig.api("/v1/alerts") if a["process"]["container_id"] == name[:12]]
    check({"Ran a program that it made", "Risky program detonated"} <= {a["rule"] for a in alerts}, str(alerts)[:800])
    text = rig.shrike("query", "detonations", "--job", name, env=rig.api_environment()).stdout
    check(name in text and "risk" in text, text)
    print(f"local: risk {report['risk']}, {calls} calls in the stream")


def refused_locally(rig):
    user = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", rig.program("shrike"), "run", "--agent",
                           rig.path(NODE, "agent.sock"), "--sandbox", rig.path("sandbox.sock"), "--", "/bin/true"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    check("signed by node" not in user.stderr, f"a plain user reached the agent: {user.stderr}")
    check(oct(os.stat(rig.path(NODE, "agent.sock")).st_mode & 0o777) == "0o600", "the agent's socket is not root's alone")


def alone(rig):
    done = run(rig, here=False)
    check(done.returncode == 0 and done.stdout == "hello\n", f"{done.stdout} {done.stderr}")
    check("not signed" in done.stderr, done.stderr)
    code = run(rig, "--exit-code", here=False, command=("/bin/sh", "-c", "exit 7"))
    check(code.returncode == 7, f"its own exit code: {code.returncode} {code.stderr}")
    check(run(rig, here=False, command=("/bin/sh", "-c", "exit 7")).returncode == 0, "without --exit-code it is 0")
    check(run(rig, command=("/no/such/program",)).returncode == 1, "a program that is not there")


def ordered(rig):
    done = run(rig, "--json", node=NODE, command=("/bin/sh", "-c", DROPPER))
    check(done.returncode == 0, f"shrike run --node failed: {done.stderr}")
    report = json.loads(done.stdout)
    check(report["stdout"] == "second stage\n" and report["risk"] > 0.5, str(report)[:500])
    check("verified by the collector" in report["evidence"], report["evidence"])
    check(wait_state(rig, report["id"], ("done",)) == "done", "the order is done")
    body = job("twice", "echo once")
    first, second = order(rig, {"node": NODE, **body}), order(rig, {"node": NODE, **body})
    check(first[0] == 201 and second[0] == 200, f"the same order twice: {first} {second}")
    wait_state(rig, "twice", ("done",))
    check(len(rig.api("/v1/detonations?id=twice")) == 1, "it ran more than once")
    check(order(rig, {"node": NODE, **job("twice", "echo another")})[0] == 409, "another job under its name")
    check(order(rig, {"node": "nobody", **job("x", "")})[0] == 400, "a node nobody knows")
    check(order(rig, {"node": NODE, "job": {"id": "y"}})[0] == 400, "without files")
    # In parts: more than one message takes.
    large = job("large", "echo large")
    large["job"]["files"] = [{"path": "/tmp/big", "mode": 0o644}]
    large["files"].append(base64.b64encode(os.urandom(3 << 20)).decode())
    check(order(rig, {"node": NODE, **large})[0] == 201, "a large order")
    wait_state(rig, "large", ("done",))
    broken = job("broken", "")
    broken["job"]["limits"]["wall_ms"] = 0
    check(order(rig, {"node": NODE, **broken})[0] == 201, "what is wrong with a job its node says")
    wait_state(rig, "broken", ("failed",))


def not_allowed(rig):
    check(order(rig, {"node": SHUT, **job("unwanted", "echo no")})[0] == 201, "the order is taken")
    wait_state(rig, "unwanted", ("refused",))
    check("from_collector" in rig.api("/v1/commands?id=unwanted")[0]["reason"], "why it was refused")
    wait_until("the refusal is an alert", lambda: any(a["rule"] == "Command refused" and a["source"] == "integrity" and
                                                      a["node"] == SHUT for a in rig.api("/v1/alerts")))


def killed_in_the_middle(rig):
    # The sandbox: the job's end is not known, and that is reported.
    check(order(rig, {"node": NODE, **job("orphan", "echo begun; sleep 300")})[0] == 201, "order")
    wait_state(rig, "orphan", ("started",))
    wait_until("it has begun", lambda: any(e["kind"] == "exec" for e in rig.api("/v1/events?job=orphan")))
    rig.kill("sandbox")
    wait_state(rig, "orphan", ("done", "failed"))
    rig.start_sandbox()
    print(f"sandbox killed: {rig.api('/v1/commands?id=orphan')[0]}")
    # The collector: the order is carried out, and told when it is back.
    check(order(rig, {"node": NODE, **job("patient", "sleep 4; echo done")})[0] == 201, "order")
    # On a slow machine it may be over before we look.
    wait_state(rig, "patient", ("accepted", "started", "done"))
    rig.kill("collector")
    rig.start_collector()
    wait_state(rig, "patient", ("done",))
    check(len(rig.api("/v1/detonations?id=patient")) == 1, "its report")
    # The agent: what was begun is told as failed, and not begun again.
    check(order(rig, {"node": NODE, **job("broken-off", "sleep 300")})[0] == 201, "order")
    wait_state(rig, "broken-off", ("started",))
    rig.kill(NODE)
    check(order(rig, {"node": NODE, **job("later", "echo later")})[0] == 201, "an order while the node is away")
    rig.start_agent(NODE)
    check(wait_state(rig, "broken-off", ("failed", "done")) == "failed", "a broken off job is told as failed")
    wait_state(rig, "later", ("done",))
    check(not rig.api("/v1/detonations?id=broken-off"), "it was run a second time")


def main():
    need_all()
    directory = tempfile.mkdtemp(prefix="shrike-det-")
    with Rig(directory) as rig:
        rig.add_collector()
        rig.add_agent(NODE, from_collector=True)
        rig.add_agent(SHUT)
        rig.start_nats()
        rig.start_collector()
        rig.start_sandbox()
        rig.start_agent(NODE)
        rig.start_agent(SHUT)
        for part in (local, refused_locally, alone, ordered, not_allowed, killed_in_the_middle):
            print(f"--- {part.__name__}", flush=True)
            part(rig)
        rig.wait_acknowledged(NODE, "everything sealed is acknowledged", 120)
        rig.kill("sandbox", signal.SIGTERM)
        rig.stop_all()
        proof = rig.verify()
        print(proof.stdout)
        check(proof.returncode == 0, "shrike verify did not prove the chain")
        print("PASSED")
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
