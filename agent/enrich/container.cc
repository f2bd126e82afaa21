#include "agent/enrich/container.h"

#include <algorithm>
#include <array>

namespace shrike::enrich {
namespace {

constexpr size_t name_max = 128;  // machine names have no fixed length

/// The 64 hexadecimal digits at the start of `text` (or 32, as some runtimes have), when nothing like them follows.
std::string_view hex_id(std::string_view text) {
  const auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  const auto end = static_cast<size_t>(std::find_if_not(text.begin(), text.end(), digit) - text.begin());
  return end == 64 || end == 32 ? text.substr(0, end) : std::string_view{};
}

/// `text` without `prefix`; nothing when it does not begin with it.
std::optional<std::string_view> after(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  return text.substr(prefix.size());
}

std::string_view without(std::string_view text, std::string_view suffix) {
  return text.ends_with(suffix) ? text.substr(0, text.size() - suffix.size()) : text;
}

/// systemd's unit name escapes: \x2d is '-'.
std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("\\x2d")) {
      out += '-';
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

struct Found {
  std::string id;
  std::string_view runtime;
};

/// <runtime's prefix><hex id>[.scope]: how runtimes with the systemd cgroup driver name their scopes.
std::optional<Found> by_prefix(std::string_view part) {
  static constexpr auto prefixes = std::to_array<std::pair<std::string_view, std::string_view>>({
      {"docker-", "docker"},
      {"cri-containerd-", "containerd"},
      {"crio-", "crio"},
      {"libpod-payload-", "podman"},
      {"libpod-", "podman"},
      {"nerdctl-", "containerd"},
      {"containerd-", "containerd"},
      {"buildkit-", "buildkit"},
  });
  // containerd under the CRI with slices given by the kubelet: "<slice>:cri-containerd:<id>".
  if (const size_t colon = part.find(":cri-containerd:"); colon != std::string_view::npos)
    if (const auto id = hex_id(part.substr(colon + 16)); !id.empty()) return Found{std::string(id), "containerd"};
  for (const auto& [prefix, runtime] : prefixes) {
    const auto rest = after(part, prefix);
    if (!rest) continue;
    const auto id = hex_id(*rest);
    if (!id.empty() && (rest->size() == id.size() || rest->substr(id.size()) == ".scope"))
      return Found{std::string(id), runtime};
  }
  return std::nullopt;
}

/// Machines: systemd-nspawn and lxc give names, not ids.
std::optional<Found> machine(std::string_view part) {
  const auto named = [](std::string_view name, std::string_view runtime) -> std::optional<Found> {
    if (name.empty() || name.size() > name_max) return std::nullopt;
    return Found{unescape(name), runtime};
  };
  if (auto name = after(part, "systemd-nspawn@")) return named(without(*name, ".service"), "systemd-nspawn");
  if (auto name = after(part, "machine-"); name && name->ends_with(".scope")) {
    const auto machine_name = without(*name, ".scope");
    // libvirt's virtual machines stand there too; their processes are the host's.
    if (machine_name.starts_with("qemu\\x2d") || machine_name.starts_with("qemu-")) return std::nullopt;
    return named(machine_name, "systemd-nspawn");
  }
  if (auto name = after(part, "lxc.payload.")) return named(*name, "lxc");
  return std::nullopt;
}

/// What part i means because of the part before it: /docker/<id>, /lxc/<name>, /kubepods/.../pod<uid>/<id>.
std::optional<Found> by_parent(std::string_view part, std::string_view parent, bool in_pods) {
  if (parent == "lxc" || parent == "lxc.payload")
    return part.empty() || part.size() > name_max ? std::nullopt : std::optional(Found{std::string(part), "lxc"});
  const auto id = hex_id(part);
  if (id.empty() || id.size() != part.size()) return std::nullopt;
  if (parent == "docker") return Found{std::string(id), "docker"};
  if (parent == "buildkit") return Found{std::string(id), "buildkit"};
  if (parent == "libpod_parent") return Found{std::string(id), "podman"};
  if (parent == "default" || parent == "k8s.io" || parent == "moby") return Found{std::string(id), "containerd"};
  if (in_pods) return Found{std::string(id), "kubernetes"};
  return std::nullopt;
}

}  // namespace

std::optional<Container> container_of_path(std::string_view cgroup_path) {
  std::string_view rest = cgroup_path;
  std::string_view parent;
  bool in_pods = false;
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    if (part.empty()) continue;
    auto found = by_prefix(part);
    if (!found) found = machine(part);
    if (!found) found = by_parent(part, parent, in_pods);
    if (found) {
      const auto end = static_cast<size_t>(part.data() + part.size() - cgroup_path.data());
      return Container{std::move(found->id), std::string(found->runtime), std::string(cgroup_path.substr(0, end))};
    }
    in_pods = in_pods || part.starts_with("kubepods");
    parent = part;
  }
  return std::nullopt;
}

std::optional<Container> container_of_proc(std::string_view text) {
  std::optional<Container> best;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    // hierarchy:controllers:path
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    auto found = container_of_path(line.substr(second + 1));
    if (!found) continue;
    if (line.substr(0, first) == "0") return found;
    if (!best) best = std::move(found);
  }
  return best;
}

}  // namespace shrike::enrich
