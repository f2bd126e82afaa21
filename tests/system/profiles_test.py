#!/usr/bin/env python3
"""What two nodes learned of a program's calls reaches a third: shipped, kept and merged by the collector, exported as a
signed file, taken in at the start. A changed file is refused, and the agent goes on. A fourth is sent it as an order.
"""
import json
import os
import shutil
import signal
import subprocess
import tempfile

from rig import Rig, check, need_all, wait_until

LEARNS = '[sequence]\nmode = "detect"\nlearn_s = 1\nlearn_calls = 20\n'


def profiles(rig, *arguments):
    done = rig.shrike("profiles", *arguments, env=rig.api_environment())
    check(done.returncode == 0, done.stdout)
    return done.stdout


def known_on(rig, program):
    """Nodes that shipped a profile of it, by name."""
    lines = profiles(rig, "list", "--json", "--path", program).splitlines()
    return {node["node"]: node for line in lines for node in json.loads(line)["nodes"]}


def imported(rig, node):
    return (rig.status(node) or {}).get("sequence", {}).get("imported", 0)


def reload(rig, node, reloads):
    rig.children[node].send_signal(signal.SIGHUP)
    wait_until(f"{node} has reloaded", lambda: rig.status(node)["rules"]["reloads"] == reloads, 120)


def main():
    need_all()
    directory = tempfile.mkdtemp(prefix="shrike-profiles-")
    program = os.path.join(directory, "program")
    shutil.copy(os.path.realpath("/bin/true"), program)
    fleet = os.path.join(directory, "fleet")
    with Rig(directory) as rig:
        rig.add_collector()
        for node in ("one", "two"):
            rig.add_agent(node, LEARNS)
        rig.add_agent("three", LEARNS + f'import = ["{fleet}"]\n')
        rig.add_agent("four", LEARNS + "from_collector = true\n")
        rig.start_nats()
        rig.start_collector()
        for node in ("one", "two"):
            rig.start_agent(node)

        def shipped():
            for _ in range(20):
                subprocess.run([program], check=True)
            return sorted(known_on(rig, program)) == ["one", "two"]

        wait_until("both nodes have shipped the program's profile", shipped, 120, every=1)
        print(profiles(rig, "show", program), flush=True)
        profiles(rig, "export", fleet, "--path", f"{directory}/*")

        rig.start_agent("three")
        wait_until("the third node begins with it", lambda: imported(rig, "three") == 1, 60)

        with open(fleet, "rb") as f:
            good = f.read()
        with open(fleet, "wb") as f:
            f.write(good[:-1] + bytes([good[-1] ^ 1]))
        reload(rig, "three", 1)
        wait_until("the changed file is refused", lambda: imported(rig, "three") == 0, 60)
        check("not signed by this collector" in rig.log("three"), "the log says why")
        with open(fleet, "wb") as f:
            f.write(good)
        reload(rig, "three", 2)
        wait_until("the right file is taken again", lambda: imported(rig, "three") == 1, 60)
        rig.kill("three", signal.SIGTERM)

        rig.start_agent("four")
        wait_until("it is heard of", lambda: any(n["node"] == "four" for n in rig.api("/v1/nodes")), 60)
        check(imported(rig, "four") == 0, "it knows nothing yet")
        print(profiles(rig, "send", "four", "--path", f"{directory}/*"), flush=True)
        wait_until("it takes in what it was sent", lambda: imported(rig, "four") == 1, 120)
        rig.kill("four", signal.SIGTERM)
        rig.start_agent("four")
        wait_until("it has it still after a restart", lambda: imported(rig, "four") == 1, 60)
        rig.stop_all()
        check(rig.verify().returncode == 0, "proven")
    shutil.rmtree(directory)
    print("PASSED")


if __name__ == "__main__":
    main()
