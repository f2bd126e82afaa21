#!/usr/bin/env python3
"""The kernel tests on Debian 12's own kernel, in a machine of software: no KVM, no root, no network in the guest.

The agent must load there (6.1 lacks much of what newer kernels have), and there BPF LSM is active.
usage: vm_test.py TITLE LSM FILTER    LSM: what lsm= says on the kernel's command line; FILTER: gtest's, which tests
"""
import os
import shutil
import subprocess
import sys
import tempfile

BUILD = os.path.abspath(os.environ.get("SHRIKE_BUILD", "build"))
CACHE = os.path.join(BUILD, "tests", "vm")
QEMU = "qemu-system-x86_64"
BUSYBOX = "/bin/busybox"
SECONDS = 840  # in software, on a machine that may be busy; unloaded it takes three minutes
KERNEL_TESTS = os.path.join(BUILD, "bin", "kernel_tests")
SANDBOX = os.path.join(BUILD, "bin", "shrike-sandbox")
PROGRAMS = os.path.join(BUILD, "tests", "programs")

# Ends in a line that no test prints, with the tests' exit code.
INIT = """#!/bin/busybox sh
if [ "$1" != again ]; then
  # What the kernel unpacks an initramfs into has no parent: no pivot_root, no clone of its mounts. A tmpfs has.
  /bin/busybox mount -t tmpfs root /root
  for part in /*; do [ "$part" = /root ] || /bin/busybox cp -a "$part" /root; done
  /bin/busybox mkdir /root/root
  exec /bin/busybox switch_root /root /init again
fi
export PATH=/usr/bin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t securityfs security /sys/kernel/security
mount -t cgroup2 cgroup /sys/fs/cgroup
ip link set lo up
echo "guest: $(uname -r), LSM $(cat /sys/kernel/security/lsm)"
export SHRIKE_REQUIRE={require}
{tests} --gtest_color=no '--gtest_filter={filter}'
echo "guest: exit $?"
poweroff -f
"""


def need(what, present):
    """Skips with 77, saying so; where SHRIKE_REQUIRE names qemu, what is missing is a failure."""
    if present:
        return
    if "qemu" in os.environ.get("SHRIKE_REQUIRE", "").split(","):
        sys.exit(f"FAILED: qemu is required, and it needs {what}")
    print(f"SKIPPED: needs {what}")
    sys.exit(77)


def output(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def debian_kernel(modules=()):
    """The newest kernel of Debian's for clouds, from its package, and paths of these modules; kept for the next run."""
    depends = output("apt-cache", "depends", "--important", "linux-image-cloud-amd64").split()
    package = next((word for word in depends if word.startswith("linux-image-")
                    and word.endswith("-cloud-amd64") and word != "linux-image-cloud-amd64"), None)
    need("apt's lists to know linux-image-cloud-amd64", package)
    release = package.replace("linux-image-", "")
    wanted = {f"vmlinuz-{release}": f"./boot/vmlinuz-{release}"}
    wanted |= {f"{os.path.basename(module)}-{release}": f"./lib/modules/{release}/kernel/{module}" for module in modules}
    kept = [os.path.join(CACHE, name) for name in wanted]
    if all(os.path.exists(path) for path in kept):
        return kept
    os.makedirs(CACHE, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        # apt's own user may not write here: it says so and goes on.
        fetched = subprocess.run(["apt-get", "download", "-q", package], cwd=folder, capture_output=True, text=True)
        need(f"apt-get download {package} ({fetched.stderr.strip()[-200:]})", fetched.returncode == 0)
        (deb,) = [name for name in os.listdir(folder) if name.endswith(".deb")]
        tar = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", os.path.join(folder, deb)], stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x", "-C", folder, *wanted.values()], stdin=tar.stdout, check=True)
        tar.stdout.close()
        tar.wait()
        for name, path in wanted.items():
            os.rename(os.path.join(folder, path), os.path.join(CACHE, name))
    return kept


def libraries(program):
    """What the loader maps for it, as absolute paths; nothing for a static program, of which ldd says so and fails."""
    asked = subprocess.run(["ldd", program], capture_output=True, text=True)
    if asked.returncode != 0 and "not a dynamic executable" not in asked.stderr:
        sys.exit(f"FAILED: ldd {program}: {asked.stderr.strip()}")
    return [word for word in asked.stdout.split() if word.startswith("/")]


def make_root(root, tests_filter, require):
    for folder in ("usr/bin", "usr/lib", "usr/lib64", "dev", "proc", "sys", "tmp", "etc", "root"):
        os.makedirs(os.path.join(root, folder))
    for folder in ("bin", "lib", "lib64"):
        os.symlink(f"usr/{folder}", os.path.join(root, folder))
    shutil.copy(BUSYBOX, os.path.join(root, "bin", "busybox"))
    for applet in output(BUSYBOX, "--list").split():
        if applet != "busybox":
            os.symlink("busybox", os.path.join(root, "bin", applet))
    os.remove(os.path.join(root, "bin", "true"))
    files = {KERNEL_TESTS, SANDBOX, "/usr/bin/true"}
    files |= {os.path.join(PROGRAMS, name) for name in os.listdir(PROGRAMS)} if os.path.isdir(PROGRAMS) else set()
    for program in sorted(files):
        files |= set(libraries(program))
    for file in sorted(files):
        os.makedirs(root + os.path.dirname(file), exist_ok=True)
        shutil.copy(file, root + file)
    # Debug information would be most of what the guest has to unpack.
    subprocess.run(["strip", *(root + file for file in files)], check=True, stderr=subprocess.DEVNULL)
    with open(os.path.join(root, "etc", "passwd"), "w", encoding="ascii") as passwd:
        passwd.write("root:x:0:0::/root:/bin/sh\n")
    init = os.path.join(root, "init")
    with open(init, "w", encoding="ascii") as script:
        script.write(INIT.format(tests=KERNEL_TESTS, filter=tests_filter, require=require))
    os.chmod(init, 0o755)


def run_bounded(command):
    """What it printed until its end; ended after SECONDS, what it had printed until then, and why."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=SECONDS, check=False).stdout
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"") + f"\nended by the test after {SECONDS} s\n".encode()


def make_image(root, image):
    with open(image, "wb") as file:
        subprocess.run([BUSYBOX, "sh", "-c", "find . | cpio -o -H newc"], cwd=root, stdout=file,
                       stderr=subprocess.DEVNULL, check=True)
    return image


def need_tools(program):
    need(QEMU, shutil.which(QEMU))
    need(f"{BUSYBOX} (busybox-static)", os.path.exists(BUSYBOX) and "not a dynamic" in
         subprocess.run(["ldd", BUSYBOX], capture_output=True, text=True).stderr)
    need("apt-get", shutil.which("apt-get"))
    need(program, os.path.exists(program))


def main():
    title, lsm, tests_filter = sys.argv[1:]
    need_tools(KERNEL_TESTS)
    (kernel,) = debian_kernel()
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.join(folder, "root")
        os.mkdir(root)
        make_root(root, tests_filter, "bpf,lsm" if "bpf" in lsm.split(",") else "bpf")
        image = make_image(root, os.path.join(folder, "initrd"))
        guest = run_bounded(
            [QEMU, "-accel", "tcg", "-cpu", "max", "-m", "1024", "-nographic", "-no-reboot", "-nic", "none",
             "-kernel", kernel, "-initrd", image,
             "-append", f"console=ttyS0 quiet panic=-1 mitigations=off lsm={lsm}"])
    said = guest.decode("utf-8", "replace").replace("\r", "")
    print(said[max(0, said.find("guest:")):])
    if "guest: exit 0\n" not in said:
        sys.exit(f"FAILED: {title}")


if __name__ == "__main__":
    main()
