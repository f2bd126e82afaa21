// Threat model: a program that has broken out into its sandbox and speaks to the agent in its name: calls in any order,
// with any numbers, texts and process ids, far beyond what a kernel or a machine would tell. Nothing of it may crash
// the agent's side, read what is not there, or make it remember without bound. (That the alerts are then worth nothing
// is another matter.) link: shrike_detonate

#include <cstdlib>

#include "agent/detonate/detonation.h"
#include "common/wire/codec.h"

namespace {

constexpr const char* rules_text = R"(
- list: shells
  items: [sh, bash]
- rule: Shell
  desc: d
  condition: evt.type in (execve, execveat) and proc.name in (shells) and container.id != host
  output: "%proc.cmdline %proc.pname %container.id %evt.args"
  priority: WARNING
- rule: Write
  desc: d
  condition: evt.type in (open, openat, openat2, creat) and evt.is_open_write=true
  output: "%fd.name %fd.realpath %proc.exepath %evt.args"
  priority: NOTICE
- rule: Connect
  desc: d
  condition: evt.type in (connect, sendto, dup, dup2) and fd.type in (ipv4, ipv6, unix)
  output: "%fd.name %fd.sip %fd.l4proto %evt.args"
  priority: NOTICE
- rule: Privilege
  desc: d
  condition: evt.kind in (ptrace, signal, map_wx, prctl, setid, memfd, bpf, vm_access, mount)
  output: "%evt.args %proc.aname[2] %user.name"
  priority: NOTICE
)";

/// As the agent does with what comes out.
class Encoding : public shrike::detonate::Sink {
 public:
  void event(const shrike::Event& event) override {
    out_.clear();
    shrike::encode_event(event, out_);
    if (!shrike::event_to_json(out_)) std::abort();
  }
  void alert(const shrike::Alert& alert) override { shrike::encode_alert(alert, out_); }

 private:
  std::string out_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto compiled = shrike::scoring::RuleSet::compile({{"fuzz", rules_text}}, nullptr);
  if (!compiled) std::abort();
  Encoding sink;
  shrike::detonate::DetonationOptions options;
  options.converter.job = "fuzz";
  options.node = "fuzz";
  shrike::detonate::Detonation detonation(std::move(options), *compiled, sink);
  std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  while (!bytes.empty()) {
    const auto call = shrike::sandbox::decode_call(bytes);
    if (!call) break;
    detonation.call(*call);
  }
  shrike::sandbox::Report report;
  detonation.finish(report);
  if (!(report.risk >= 0 && report.risk <= 1)) std::abort();
  return 0;
}
