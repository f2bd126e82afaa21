#include <cstdio>
#include <nlohmann/json.hpp>

#include "sandbox/backends.h"
#include "sandbox/json_object.h"
#include "sandbox/microvm/backend.h"
#include "sandbox/process/cgroup.h"
#include "sandbox/process/ebpf.h"
#include "sandbox/process/landlock.h"
#include "sandbox/program.h"

namespace shrike::sandbox {

namespace {

struct Ability {
  const char* name;
  bool there;
  std::string detail;
};

Ability landlock() {
  const int abi = process::landlock_abi();
  return {"landlock", abi > 0, abi > 0 ? "ABI " + std::to_string(abi) : "not in this kernel, or switched off"};
}

Ability cgroups() {
  const auto host = process::prepare_cgroups();
  std::string detail;
  for (const auto& h : host.hierarchies) {
    detail += (detail.empty() ? "" : ", ") + std::string("version ") + std::to_string(h.version);
    for (const auto& controller : h.controllers) detail += " " + controller;
  }
  for (const auto& note : host.notes) detail += (detail.empty() ? "" : "; ") + note;
  process::remove_cgroups(host);
  return {"cgroups", host.with("memory") != nullptr && host.with("pids") != nullptr, detail};
}

Ability ebpf() {
  const auto trace = process::EbpfTrace::load();
  return {"ebpf", trace.ok(), trace ? "tells calls" : trace.error().message};
}

Ability machines() {
  const auto machine = microvm::MicrovmBackend::open();
  return {"microvm", machine.ok(), machine ? "/dev/kvm does what it needs" : machine.error().message};
}

/// The whole of it, made and taken away: what counts in the end.
Ability namespaces(Backends& backends) {
  const auto made = backends.prepare(0);
  backends.forget();
  return {"process", made.ok(), made ? "a sandbox was made" : made.error().message};
}

}  // namespace

Result<void> run_check(const CheckOptions& options) {
  const std::vector<Ability> parts = {landlock(), cgroups(), ebpf(), machines()};
  auto backends = TRY(Backends::open(true));
  std::vector<Ability> all = {namespaces(backends)};
  all.insert(all.end(), parts.begin(), parts.end());
  nlohmann::json json;
  for (const auto& [name, there, detail] : all) {
    json[name] = {{"there", there}, {"detail", detail}};
    if (!options.json) std::printf("%-10s %-4s %s\n", name, there ? "yes" : "no", detail.c_str());
  }
  if (options.json) std::printf("%s\n", dump_json(json).c_str());
  if (!all.front().there) return Error{"this host cannot run process sandboxes: " + all.front().detail};
  return {};
}

}  // namespace shrike::sandbox
