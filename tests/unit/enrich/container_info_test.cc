// Made-up files in the shapes that docker, containerd, cri-o and podman write.

#include "agent/enrich/container_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "agent/enrich/container_json.h"
#include "agent/enrich/host_lookup.h"
#include "scoring/rules/engine.h"
#include "tests/unit/enrich/table_fixture.h"

namespace shrike::enrich::test {
namespace {

using testing::ElementsAre;
using testing::Pair;

const std::string id(64, 'a');
const std::string pause_id(64, 'b');
const std::string image_id = "0123456789ab" + std::string(52, 'f');

// What each kind of container gets from its runtime.
const std::string masked = R"("maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/sys"])";
const std::string plain_process = R"("process": {"capabilities": {"bounding": ["CAP_CHOWN", "CAP_KILL"]}})";
const std::string full_process =
    R"("process": {"capabilities": {"bounding": ["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_SYS_RAWIO",
    "CAP_SYS_PTRACE", "CAP_NET_ADMIN", "CAP_SYS_BOOT"]}})";
const std::string own_namespaces =
    R"("namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "mount"}])";
const std::string pod_namespaces =
    R"("namespaces": [{"type": "pid"}, {"type": "network", "path": "/proc/9/ns/net"},
    {"type": "ipc", "path": "/proc/9/ns/ipc"}, {"type": "mount"}])";

std::string spec(const std::string& process, const std::string& linux_part, const std::string& annotations,
                 const std::string& mounts = "") {
  return R"({"ociVersion": "1.1.0", "root": {"path": "rootfs"}, )" + process + R"(, "linux": {)" + linux_part +
         R"(}, "annotations": {)" + annotations + R"(}, "mounts": [)" + mounts + "]}";
}

class ContainerInfoFiles : public ::testing::Test {
 protected:
  ContainerInfoFiles() {
    std::string name = (std::filesystem::temp_directory_path() / "shrike-containers-XXXXXX").string();
    root = ::mkdtemp(name.data());
  }
  ~ContainerInfoFiles() override { std::filesystem::remove_all(root); }
  void write(const std::string& path, std::string_view text) {
    std::filesystem::create_directories(std::filesystem::path(root + path).parent_path());
    std::ofstream(root + path) << text;
  }
  std::shared_ptr<const ContainerInfo> find(const std::string& runtime, const std::string& which = id) {
    return ContainerFiles(root).find({which, runtime, "", nullptr});
  }

  void write_docker() {
    const std::string folder = "/var/lib/docker/containers/" + id;
    write(folder + "/config.v2.json", R"({"ID": ")" + id + R"(", "Name": "/web", "Image": "sha256:)" + image_id +
                                          R"(", "Config": {"Image": "registry:5000/shop/web:1.4",
      "Env": ["SECRET=x"], "Labels": {"team": "shop", "tier": "front"}},
      "State": {"Running": true, "StartedAt": "2026-11-20T08:39:00.25Z"},
      "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}},
      "MountPoints": {"/data": {"Source": "/srv/data", "Destination": "/data", "RW": true, "Propagation": "rprivate"},
                      "/etc/conf": {"Source": "/srv/conf", "Destination": "/etc/conf", "RW": false, "Relabel": "ro"}}})");
    write(folder + "/hostconfig.json",
          R"({"Privileged": true, "PidMode": "host", "NetworkMode": "bridge", "IpcMode": "private"})");
    write("/var/lib/docker/image/overlay2/repositories.json",
          R"({"Repositories": {"other": {"other@sha256:00": "sha256:)" + std::string(64, '0') +
              R"("}, "registry:5000/shop/web": {"registry:5000/shop/web:1.4": "sha256:)" + image_id +
              R"(", "registry:5000/shop/web@sha256:11": "sha256:)" + image_id + R"("}}})");
  }
  void write_containerd_pod() {
    const std::string folder = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/";
    const std::string pod = R"("io.kubernetes.cri.sandbox-id": ")" + pause_id + R"(",
      "io.kubernetes.cri.sandbox-name": "web-0", "io.kubernetes.cri.sandbox-namespace": "shop",
      "io.kubernetes.cri.sandbox-uid": "6f4aeb0c-1111-2222-3333-444455556666")";
    write(folder + id + "/config.json",
          spec(full_process, pod_namespaces,
               R"("io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.container-name": "nginx",
      "io.kubernetes.cri.image-name": "docker.io/library/nginx:1.25@sha256:22", )" +
                   pod,
               R"({"destination": "/proc", "type": "proc", "source": "proc"},
      {"destination": "/host", "type": "bind", "source": "/", "options": ["rbind", "rslave", "ro"]})"));
    write(folder + pause_id + "/config.json",
          spec(plain_process, R"("namespaces": [{"type": "pid"}, {"type": "ipc"}, {"type": "mount"}], )" + masked,
               R"("io.kubernetes.cri.container-type": "sandbox", )" + pod));
  }
  std::string root;
};

TEST_F(ContainerInfoFiles, OfDockerHaveNameImageMountsAndMore) {
  write_docker();
  const auto info = find("docker");
  ASSERT_NE(info, nullptr);
  EXPECT_EQ(info->name, "web");
  EXPECT_EQ(info->image, "registry:5000/shop/web:1.4");
  EXPECT_EQ(info->image_repository, "registry:5000/shop/web");
  EXPECT_EQ(info->image_tag, "1.4");
  EXPECT_EQ(info->image_id, "0123456789ab");
  EXPECT_EQ(info->image_digest, "sha256:11");
  EXPECT_EQ(info->privileged, true);
  EXPECT_EQ(info->host_pid, true);
  EXPECT_EQ(info->host_network, false);
  EXPECT_EQ(info->ip, "172.17.0.2");
  EXPECT_EQ(info->start_ns, 1795163940'250'000'000u);
  EXPECT_THAT(info->labels, ElementsAre(Pair("team", "shop"), Pair("tier", "front")));
  ASSERT_EQ(info->mounts.size(), 2u);
  EXPECT_EQ(info->mounts[0].source, "/srv/data");
  EXPECT_TRUE(info->mounts[0].writable);
  EXPECT_EQ(info->mounts[1].dest, "/etc/conf");
  EXPECT_EQ(info->mounts[1].mode, "ro");
  EXPECT_FALSE(info->mounts[1].writable);
}

TEST_F(ContainerInfoFiles, OfDockerGiveAnImageThatWasAskedForByItsIdItsName) {
  write("/var/lib/docker/containers/" + id + "/config.v2.json", R"({"ID": "x", "Name": "/a", "Image": "sha256:)" +
                                                                    image_id + R"(", "Config": {"Image": "sha256:)" +
                                                                    image_id + R"("}})");
  write("/var/lib/docker/image/overlay2/repositories.json",
        R"({"Repositories": {"nginx": {"nginx:1": "sha256:)" + image_id + R"("}}})");
  const auto info = find("docker");
  ASSERT_NE(info, nullptr);
  EXPECT_EQ(info->image, "sha256:" + image_id);
  EXPECT_EQ(info->image_repository, "nginx");
  EXPECT_EQ(info->image_tag, "1");
  EXPECT_EQ(info->privileged, std::nullopt);
}

TEST_F(ContainerInfoFiles, OfContainerdHaveThePod) {
  write_containerd_pod();
  for (const char* runtime : {"containerd", "kubernetes"}) {
    const auto info = find(runtime);
    ASSERT_NE(info, nullptr) << runtime;
    EXPECT_EQ(info->name, "nginx");
    EXPECT_EQ(info->image_repository, "docker.io/library/nginx");
    EXPECT_EQ(info->image_tag, "1.25");
    EXPECT_EQ(info->image_digest, "sha256:22");
    EXPECT_EQ(info->pod_name, "web-0");
    EXPECT_EQ(info->pod_namespace, "shop");
    EXPECT_EQ(info->pod_uid, "6f4aeb0c-1111-2222-3333-444455556666");
    EXPECT_EQ(info->pod_sandbox_id, pause_id);
    EXPECT_EQ(info->privileged, true);
    EXPECT_EQ(info->host_pid, false);
    EXPECT_EQ(info->host_network, true);  // the pause container was given none of its own
    EXPECT_EQ(info->host_ipc, false);
    EXPECT_GT(info->start_ns, 0u);
    ASSERT_EQ(info->mounts.size(), 1u);
    EXPECT_EQ(info->mounts[0].source, "/");
    EXPECT_EQ(info->mounts[0].propagation, "rslave");
    EXPECT_FALSE(info->mounts[0].writable);
  }
  const auto sandbox = find("containerd", pause_id);
  ASSERT_NE(sandbox, nullptr);
  EXPECT_EQ(sandbox->name, "web-0");
  EXPECT_EQ(sandbox->privileged, false);
  EXPECT_EQ(sandbox->host_network, true);
}

TEST_F(ContainerInfoFiles, OfPlainContainerdHaveWhatTheBundleTells) {
  write("/run/containerd/io.containerd.runtime.v2.task/default/" + id + "/config.json",
        spec(plain_process, own_namespaces + ", " + masked, R"("nerdctl/name": "db")"));
  const auto info = find("containerd");
  ASSERT_NE(info, nullptr);
  EXPECT_EQ(info->name, "db");
  EXPECT_EQ(info->image, "");
  EXPECT_EQ(info->privileged, false);
  EXPECT_EQ(info->host_pid, false);
  EXPECT_EQ(info->host_network, false);
  EXPECT_EQ(info->pod_name, "");
}

TEST_F(ContainerInfoFiles, OfCriOHaveThePodItsLabelsAndAddress) {
  const std::string folder = "/run/containers/storage/overlay-containers/";
  const std::string pod = R"("io.kubernetes.cri-o.SandboxID": ")" + pause_id + R"(", "io.kubernetes.pod.name": "web-0",
      "io.kubernetes.pod.namespace": "shop", "io.kubernetes.pod.uid": "6f4aeb0c-1111-2222-3333-444455556666",
      "io.kubernetes.cri-o.IP.0": "10.88.0.7")";
  write(folder + id + "/userdata/config.json",
        spec(plain_process, pod_namespaces + ", " + masked,
             R"("io.kubernetes.cri-o.ContainerType": "container", "io.kubernetes.container.name": "nginx",
      "io.kubernetes.cri-o.ImageName": "quay.io/shop/web:2", "io.kubernetes.cri-o.Created": "2026-11-20T09:39:00+01:00",
      "io.kubernetes.cri-o.ImageRef": "quay.io/shop/web@sha256:33",
      "io.kubernetes.cri-o.Labels": "{\"io.kubernetes.container.name\":\"nginx\"}", )" +
                 pod));
  write(folder + pause_id + "/userdata/config.json", spec(plain_process, pod_namespaces + ", " + masked,
                                                          R"("io.kubernetes.cri-o.ContainerType": "sandbox",
      "io.kubernetes.cri-o.Labels": "{\"app\":\"web\",\"nested\":{\"a\":[1]}}", )" +
                                                              pod));
  write(folder + "containers.json", R"([{"id": ")" + pause_id + R"(", "image": "no"}, {"id": ")" + id +
                                        R"(", "image": ")" + image_id + R"(", "names": ["k8s_nginx"]}])");
  const auto info = find("crio");
  ASSERT_NE(info, nullptr);
  EXPECT_EQ(info->name, "nginx");
  EXPECT_EQ(info->image_repository, "quay.io/shop/web");
  EXPECT_EQ(info->image_tag, "2");
  EXPECT_EQ(info->image_digest, "sha256:33");
  EXPECT_EQ(info->image_id, "0123456789ab");
  EXPECT_EQ(info->pod_name, "web-0");
  EXPECT_EQ(info->pod_namespace, "shop");
  EXPECT_EQ(info->pod_ip, "10.88.0.7");
  EXPECT_THAT(info->pod_labels, ElementsAre(Pair("app", "web")));
  EXPECT_EQ(info->privileged, false);
  EXPECT_EQ(info->host_network, false);
  EXPECT_EQ(info->start_ns, 1795163940'000'000'000u);
}

TEST_F(ContainerInfoFiles, OfPodmanHaveNameAndImageFromTheStorage) {
  const std::string folder = "/var/lib/containers/storage/overlay-containers/";
  write(folder + id + "/userdata/config.json",
        spec(plain_process, R"("namespaces": [{"type": "pid"}, {"type": "mount"}], )" + masked,
             R"("io.container.manager": "libpod", "io.podman.annotations.privileged": "TRUE")"));
  write(folder + "containers.json", R"([{"id": ")" + id + R"(", "names": ["sad_gauss"], "image": ")" + image_id +
                                        R"(", "created": "2026-11-20T08:39:00Z", "metadata":
      "{\"image-name\":\"docker.io/library/alpine:latest\",\"name\":\"sad_gauss\"}"}])");
  const auto info = find("podman");
  ASSERT_NE(info, nullptr);
  EXPECT_EQ(info->name, "sad_gauss");
  EXPECT_EQ(info->image_repository, "docker.io/library/alpine");
  EXPECT_EQ(info->image_tag, "latest");
  EXPECT_EQ(info->image_id, "0123456789ab");
  EXPECT_EQ(info->privileged, true);
  EXPECT_EQ(info->host_network, true);
}

TEST_F(ContainerInfoFiles, AreNotSoughtOutsideTheirFoldersNorWaitedFor) {
  write("/etc/config.json", spec(plain_process, own_namespaces, R"("nerdctl/name": "x")"));
  EXPECT_EQ(find("containerd", "../../../../etc"), nullptr);
  EXPECT_EQ(find("containerd", ""), nullptr);
  EXPECT_EQ(find("lxc"), nullptr);
  const std::string folder = root + "/run/containerd/io.containerd.runtime.v2.task/default/" + id;
  std::filesystem::create_directories(folder);
  ASSERT_EQ(::mkfifo((folder + "/config.json").c_str(), 0600), 0);
  EXPECT_EQ(find("containerd"), nullptr);
  std::filesystem::remove(folder + "/config.json");
  std::filesystem::create_symlink(root + "/etc/config.json", folder + "/config.json");
  EXPECT_EQ(find("containerd"), nullptr);
  std::filesystem::remove(folder + "/config.json");
  std::ofstream(folder + "/config.json") << spec(plain_process, own_namespaces, "") << std::string(2u << 20, ' ');
  EXPECT_EQ(find("containerd"), nullptr);
}

TEST(ContainerJson, HasABoundWhateverTheFileHolds) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("{}"), std::string("null"),
        std::string(R"({"ociVersion": 1})"), std::string("{\"ociVersion\": \"\xff\"}"), std::string(500'000, '['),
        R"({"annotations":)" + std::string(400'000, '[')}) {
    EXPECT_EQ(info_of_oci(text), std::nullopt);
    EXPECT_EQ(info_of_docker(text, text), std::nullopt);
    EXPECT_EQ(sandbox_of_oci(text), "");
    ContainerInfo info;
    EXPECT_FALSE(add_storage_record(info, text, id));
    add_docker_image(info, text, "sha256:1");
  }
  std::string mounts, deep;
  for (int i = 0; i < 1000; ++i)
    mounts += (i == 0 ? "" : ",") + std::string(R"({"type":"bind","source":"/)") + std::string(700, 's') +
              R"(","destination":"/d"})";
  for (int i = 0; i < 10'000; ++i) deep += R"({"a":)";
  deep += "1" + std::string(10'000, '}');
  const auto info = info_of_oci(spec(plain_process, own_namespaces, R"("nerdctl/name": "n", "x": )" + deep, mounts));
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->name, "n");
  EXPECT_LE(info->mounts.size(), 64u);
  size_t text = 0;
  for (const auto& mount : info->mounts) text += mount.source.size() + mount.dest.size();
  EXPECT_LE(text, container_text_max_bytes);
}

TEST(ContainerJson, SplitsImageNames) {
  const auto split = [](std::string_view name) {
    ContainerInfo info;
    set_image(info, name);
    return std::vector<std::string>{info.image_repository, info.image_tag, info.image_digest};
  };
  EXPECT_THAT(split("nginx"), ElementsAre("nginx", "", ""));
  EXPECT_THAT(split("a.b:5000/c/d"), ElementsAre("a.b:5000/c/d", "", ""));
  EXPECT_THAT(split("a.b:5000/c/d:x@sha256:1"), ElementsAre("a.b:5000/c/d", "x", "sha256:1"));
  EXPECT_THAT(split(""), ElementsAre("", "", ""));
}

class InContainer : public ContainerInfoFiles {
 protected:
  void SetUp() override { write("/proc/10/cgroup", "0::/kubepods.slice/cri-containerd-" + id + ".scope\n"); }
  HostLookup open() { return HostLookup({root + "/proc", root + "/cgroup", root + "/etc", root}); }
  static Task task_in(uint32_t pid) {
    Task out = task(pid, 1);
    out.cgroup_id = 77;
    return out;
  }
  static constexpr uint64_t second = 1'000'000'000;
};

TEST_F(InContainer, RulesGetTheFields) {
  write_containerd_pod();
  HostLookup lookup = open();
  ProcessTable table({.processes = 64}, lookup);
  Event seen = event(EventKind::open, task_in(10), 1);
  table.apply(seen);
  const auto rules = scoring::RuleSet::compile(
      {{"r.yaml",
        "- rule: R\n  condition: >\n    evt.type in (open, openat, openat2) and container.privileged=true and\n"
        "    container.image.repository=docker.io/library/nginx and container.name=nginx and\n"
        "    k8s.pod.name=web-0 and k8s.ns.name=shop and container.mount.dest[/]=/host\n"
        "  output: \"%container.image.repository:%container.image.tag %container.privileged "
        "%k8s.ns.name/%k8s.pod.name\"\n"
        "  priority: INFO\n"}},
      nullptr);
  ASSERT_TRUE(rules.ok()) << rules.error().message;
  std::vector<Alert> alerts;
  rules->evaluate(seen, alerts);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].message, "docker.io/library/nginx:1.25 true shop/web-0");
}

TEST_F(InContainer, WhatIsMissingIsSoughtAgainButNotForEver) {
  HostLookup lookup = open();
  lookup.set_now(1);
  const Container* container = lookup.container(task_in(10));
  ASSERT_NE(container, nullptr);
  EXPECT_EQ(container->info, nullptr);
  write_containerd_pod();
  EXPECT_EQ(lookup.container(task_in(10))->info, nullptr);  // looked just now
  lookup.set_now(3 * second);
  ASSERT_NE(lookup.container(task_in(10))->info, nullptr);
  EXPECT_EQ(container->info->pod_name, "web-0");
}

TEST_F(InContainer, AContainerThatIsGoneKeepsWhatWasKnown) {
  write_containerd_pod();
  HostLookup lookup = open();
  lookup.set_now(1);
  const Container* container = lookup.container(task_in(10));
  ASSERT_NE(container->info, nullptr);
  std::filesystem::remove_all(root + "/run");
  for (uint64_t now = 1; now < 100; ++now) {
    lookup.set_now(now * second);
    EXPECT_NE(lookup.container(task_in(10))->info, nullptr);
  }
}

TEST_F(InContainer, ManyNewContainersAreLookedAtFewEachSecond) {
  HostLookup lookup = open();
  lookup.set_now(1);
  std::vector<const Container*> met;
  for (uint32_t i = 0; i < 30; ++i) {
    std::string which = std::to_string(1000 + i);
    which.insert(0, 64 - which.size(), '0');
    write("/proc/" + std::to_string(100 + i) + "/cgroup", "0::/docker/" + which + "\n");
    write("/var/lib/docker/containers/" + which + "/config.v2.json", R"({"ID": "x", "Name": "/n"})");
    Task process = task(100 + i, 1);
    process.cgroup_id = 1000 + i;
    met.push_back(lookup.container(process));
  }
  const auto known = [&] {
    return std::count_if(met.begin(), met.end(), [](auto* one) { return one->info != nullptr; });
  };
  EXPECT_EQ(known(), 20);
  lookup.set_now(2 * second);
  for (uint32_t i = 0; i < 30; ++i) {
    Task process = task(100 + i, 1);
    process.cgroup_id = 1000 + i;
    lookup.container(process);
  }
  EXPECT_EQ(known(), 30);
}

TEST_F(InContainer, LargeFilesAreReadFewEachSecond) {
  HostLookup lookup = open();
  lookup.set_now(1);
  const std::string large =
      R"({"ID": "x", "Name": "/n", "Config": {"Labels": {"l": ")" + std::string(900'000, 'l') + "\"}}}";
  int known = 0;
  for (uint32_t i = 0; i < 12; ++i) {
    std::string which = std::to_string(1000 + i);
    which.insert(0, 64 - which.size(), '0');
    write("/proc/" + std::to_string(100 + i) + "/cgroup", "0::/docker/" + which + "\n");
    write("/var/lib/docker/containers/" + which + "/config.v2.json", large);
    Task process = task(100 + i, 1);
    process.cgroup_id = 1000 + i;
    known += lookup.container(process)->info != nullptr;
  }
  EXPECT_EQ(known, 5);
}

}  // namespace
}  // namespace shrike::enrich::test
