#!/usr/bin/env python3
"""The microVM's tests on an ordinary kvm-amd: Debian's kernel in a machine of software whose CPU has SVM. First those of
the machine, then the backend whole: escape suite, jail, one job after the other.

First with nested paging, then with shadow paging. No KVM here, no root, no network in the guest.
usage: kvm_test.py [FILTER]    FILTER: gtest's, which tests
"""
import os
import shutil
import subprocess
import sys
import tempfile

import vm_test

TESTS = os.path.join(vm_test.BUILD, "bin", "microvm_tests")
WHOLE = os.path.join(vm_test.BUILD, "bin", "vm_tests")
# Not those whose hundred thousand calls take minutes in software.
WHOLE_FILTER = "VmEscape.Observed*:VmEscape.Strict*:VmEscape.AReturn*:VmElf.AsAJobs*:VmReset.Fpu*:VmJail.*"
WHOLE_PROGRAMS = ["vm_escape", "open_file", "fpu_state"]
MODULES = ["virt/lib/irqbypass.ko", "arch/x86/kvm/kvm.ko", "arch/x86/kvm/kvm-amd.ko"]
CPU = "EPYC,+svm,+npt,+umip,+smap"
SECONDS = 540

INIT = """#!/bin/busybox sh
if [ "$1" != again ]; then
  # What the kernel unpacks an initramfs into has no parent: no pivot_root. A tmpfs has.
  /bin/busybox mount -t tmpfs root /root
  for part in /*; do [ "$part" = /root ] || /bin/busybox cp -a "$part" /root; done
  /bin/busybox mkdir /root/root
  exec /bin/busybox switch_root /root /init again
fi
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
insmod /irqbypass.ko && insmod /kvm.ko
ip link set lo up
export SHRIKE_REQUIRE=kvm,root
for npt in 1 0; do
  insmod /kvm-amd.ko npt=$npt
  echo "guest: $(uname -r), kvm-amd npt=$(cat /sys/module/kvm_amd/parameters/npt)"
  {tests} --gtest_color=no --gtest_brief=1 '--gtest_filter={filter}'
  echo "guest: exit $?"
  if [ $npt = 1 ]; then
    {whole} --gtest_color=no --gtest_brief=1 '--gtest_filter={whole_filter}'
    echo "guest: exit $?"
  fi
  rmmod kvm-amd
done
poweroff -f
"""


def make_root(root, modules, tests_filter):
    for folder in ("bin", "usr/bin", "usr/lib", "usr/lib64", "dev", "proc", "sys", "tmp", "etc", "root"):
        os.makedirs(os.path.join(root, folder))
    for folder in ("lib", "lib64"):
        os.symlink(f"usr/{folder}", os.path.join(root, folder))
    shutil.copy(vm_test.BUSYBOX, os.path.join(root, "bin", "busybox"))
    for applet in ("sh", "mount", "ip", "insmod", "rmmod", "uname", "cat", "poweroff"):
        os.symlink("busybox", os.path.join(root, "bin", applet))
    for path, module in zip(modules, MODULES):
        shutil.copy(path, os.path.join(root, os.path.basename(module)))
    files = {TESTS, WHOLE, vm_test.SANDBOX, *(os.path.join(vm_test.PROGRAMS, name) for name in WHOLE_PROGRAMS)}
    for file in sorted(files):
        files |= set(vm_test.libraries(file))
    with open(os.path.join(root, "etc", "passwd"), "w", encoding="ascii") as passwd:
        passwd.write("root:x:0:0::/root:/bin/sh\n")
    for file in files:
        os.makedirs(root + os.path.dirname(file), exist_ok=True)
        shutil.copy(file, root + file)
    subprocess.run(["strip", *(root + file for file in files)], check=True, stderr=subprocess.DEVNULL)
    init = os.path.join(root, "init")
    with open(init, "w", encoding="ascii") as script:
        script.write(INIT.format(tests=TESTS, filter=tests_filter, whole=WHOLE, whole_filter=WHOLE_FILTER))
    os.chmod(init, 0o755)


def main():
    tests_filter = sys.argv[1] if len(sys.argv) > 1 else "*"
    vm_test.need_tools(TESTS)
    vm_test.need_tools(WHOLE)
    kernel, *modules = vm_test.debian_kernel(MODULES)
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.join(folder, "root")
        os.mkdir(root)
        make_root(root, modules, tests_filter)
        image = vm_test.make_image(root, os.path.join(folder, "initrd"))
        guest = subprocess.run(
            [vm_test.QEMU, "-accel", "tcg", "-cpu", CPU, "-m", "768", "-nographic", "-no-reboot", "-nic", "none",
             "-kernel", kernel, "-initrd", image, "-append", "console=ttyS0 quiet panic=-1 mitigations=off"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=SECONDS, check=False)
    said = guest.stdout.decode("utf-8", "replace").replace("\r", "")
    print(said[max(0, said.find("guest:")):])
    if said.count("guest: exit 0\n") != 3:
        sys.exit("FAILED: machine tests on kvm-amd")


if __name__ == "__main__":
    main()
