// Rule files, from YAML to alerts.
//
// Threat model: the operator loads files that others wrote. Such a file may be wrong in any way, or made to hurt: it
// must give an error with a place, or a rule set that can judge any event; it must not crash, hang, or take memory out
// of proportion. A second threat is in the events: names, paths and arguments are chosen by whoever is watched, so the
// last bytes of the input become one event's texts and numbers.
//
// link: shrike_rules shrike_wire
#include <cstdint>
#include <cstdlib>
#include <string>

#include "scoring/rules/derive.h"
#include "scoring/rules/engine.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace shrike;
  using namespace shrike::scoring;
  if (size > 20000) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::vector<RuleStatus> statuses;
  const auto rules = RuleSet::compile({{"fuzz.yaml", text}}, &statuses, {.hostname = "h"});
  if (!rules.ok()) {
    if (rules.error().message.empty()) std::abort();
    return 0;
  }
  const std::string tail = text.substr(size - std::min<size_t>(size, 64));
  Process parent, process;
  parent.name = tail.substr(0, 8);
  process.name = tail.substr(0, 15);
  process.exe = "/" + tail;
  process.argv = {tail, tail.substr(0, 3), "-c"};
  process.parent = &parent;
  Event event;
  event.process = event.target = &process;
  event.path.text = tail;
  event.full_path = event.real_path = event.path.text;
  event.path2.text = tail;
  event.full_path2 = event.path_at_exit = event.socket_path = event.path2.text;
  event.syscall = static_cast<int>(size % 600);
  event.result = static_cast<int64_t>(size % 7) - 3;
  event.flags = static_cast<uint16_t>(size * 2654435761u >> 16);
  for (size_t i = 0; i < event.arg.size(); ++i) event.arg[i] = size * (i + 1) % 0x101;
  event.socket.family = static_cast<uint16_t>(size % 12);
  std::vector<Alert> alerts;
  for (size_t k = 0; k < 130; ++k) {
    event.kind = static_cast<EventKind>(k);
    alerts.clear();
    rules.value().evaluate(event, alerts);
    // Opens of odd flags and failed calls of kinds that cannot fail have no part in what the kernel promises.
  }
  return 0;
}
