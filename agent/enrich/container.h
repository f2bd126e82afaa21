#pragma once
// Which container a cgroup is. Names only; nothing of any container runtime is asked.

#include <optional>
#include <string>
#include <string_view>

#include "common/wire/process.h"

namespace shrike::enrich {

/// The container that a cgroup path ("/system.slice/docker-<id>.scope") names, by its outermost part that does.
/// Nothing for the host's own cgroups: slices, services, scopes of sessions, monitors such as conmon and lxc.monitor.
/// Knows docker, containerd (also through the CRI, and nerdctl), crio, podman, buildkit, lxc, systemd-nspawn and, where
/// only Kubernetes names it (cgroupfs driver: /kubepods/.../pod<uid>/<id>), the runtime "kubernetes".
std::optional<Container> container_of_path(std::string_view cgroup_path);

/// The same for the text of /proc/PID/cgroup: all hierarchies are looked at, v2 first, because on a hybrid host the
/// runtime may have made its cgroup only in a v1 hierarchy.
std::optional<Container> container_of_proc(std::string_view text);

}  // namespace shrike::enrich
