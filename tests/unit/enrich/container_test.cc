#include "agent/enrich/container.h"

#include <gtest/gtest.h>

namespace shrike::enrich {
namespace {

const std::string id64 = "3f4c0d2b9a8e7f6d5c4b3a2918070605f4e3d2c1b0a99887766554433221100f";

std::string at(const std::string& path) {
  const auto found = container_of_path(path);
  return found ? found->runtime + " " + found->id : "host";
}

TEST(Container, IsNamedByEachRuntimesCgroup) {
  EXPECT_EQ(at("/docker/" + id64), "docker " + id64);
  EXPECT_EQ(at("/system.slice/docker-" + id64 + ".scope"), "docker " + id64);
  EXPECT_EQ(at("/system.slice/docker-" + id64 + ".scope/init/sub"), "docker " + id64);
  EXPECT_EQ(
      at("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12ab.slice/cri-containerd-" + id64 + ".scope"),
      "containerd " + id64);
  EXPECT_EQ(at("/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" + id64), "containerd " + id64);
  EXPECT_EQ(at("/kubepods/besteffort/pod8e2f/" + id64), "kubernetes " + id64);
  EXPECT_EQ(at("/kubepods.slice/kubepods-pod1.slice/crio-" + id64 + ".scope"), "crio " + id64);
  EXPECT_EQ(at("/machine.slice/libpod-" + id64 + ".scope"), "podman " + id64);
  EXPECT_EQ(at("/machine.slice/libpod-" + id64 + ".scope/container"), "podman " + id64);
  EXPECT_EQ(at("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id64 + ".scope"), "podman " + id64);
  EXPECT_EQ(at("/libpod_parent/libpod-" + id64), "podman " + id64);
  EXPECT_EQ(at("/default/" + id64), "containerd " + id64);
  EXPECT_EQ(at("/system.slice/nerdctl-" + id64 + ".scope"), "containerd " + id64);
  EXPECT_EQ(at("/lxc/web/init.scope"), "lxc web");
  EXPECT_EQ(at("/lxc.payload.web/system.slice/ssh.service"), "lxc web");
  EXPECT_EQ(at("/machine.slice/systemd-nspawn@debian\\x2dtest.service/payload"), "systemd-nspawn debian-test");
  EXPECT_EQ(at("/machine.slice/machine-deb.scope"), "systemd-nspawn deb");
}

TEST(Container, OfTheHostsOwnCgroupsIsNone) {
  for (const char* path :
       {"/", "", "/init.scope", "/system.slice/ssh.service", "/user.slice/user-0.slice/session-3.scope",
        "/system.slice/docker.service", "/kubepods.slice", "/kubepods/besteffort/pod8e2f", "/lxc.monitor.web",
        "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", "/system.slice/docker-zz.scope", "/docker", "/docker/short",
        "/lxc/", "//", "/machine.slice/machine-.scope"})
    EXPECT_EQ(at(path), "host") << path;
  EXPECT_EQ(at("/machine.slice/libpod-conmon-" + id64 + ".scope"), "host");
  EXPECT_EQ(at("/x/crio-conmon-" + id64 + ".scope"), "host");
  EXPECT_EQ(at("/system.slice/docker-" + id64 + ".scopeX"), "host");
}

TEST(Container, NestedIsTheOuterOneWhichTheInnerCannotForge) {
  const std::string inner(64, 'a');
  EXPECT_EQ(at("/docker/" + id64 + "/docker/" + inner), "docker " + id64);
  EXPECT_EQ(container_of_path("/docker/" + id64 + "/docker/" + inner)->cgroup, "/docker/" + id64);
}

TEST(Container, OfProcTextPrefersV2AndFallsBackToV1) {
  const std::string other(64, 'b');
  // Hybrid: the runtime made its cgroup in v1 only.
  EXPECT_EQ(container_of_proc("12:memory:/docker/" + id64 + "\n1:name=systemd:/docker/" + id64 +
                              "\n0::/system.slice/containerd.service\n")
                ->id,
            id64);
  EXPECT_EQ(container_of_proc("3:pids:/docker/" + other + "\n0::/docker/" + id64 + "\n")->id, id64);
  EXPECT_FALSE(container_of_proc("0::/user.slice/user-0.slice/session-1.scope\n"));
  EXPECT_FALSE(container_of_proc(""));
  EXPECT_FALSE(container_of_proc("\n\n:\n::\n0:\ngarbage"));
}

}  // namespace
}  // namespace shrike::enrich
