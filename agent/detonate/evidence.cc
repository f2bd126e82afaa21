#include "agent/detonate/evidence.h"

#include <algorithm>

#include "common/base/bytes.h"

namespace shrike::detonate {
namespace {

template <class List>
void cut(List& list, size_t most, uint64_t& dropped) {
  if (list.size() <= most) return;
  dropped += list.size() - most;
  list.resize(most);
}

void cut_lists(sandbox::Report& report, size_t most) {
  cut(report.artefacts, most, report.artefacts_dropped);
  cut(report.processes, most, report.processes_dropped);
  cut(report.connections, most, report.connections_dropped);
  cut(report.refusals, most, report.refusals_dropped);
  uint64_t forgotten = 0;
  cut(report.reasons, most, forgotten);
  cut(report.steps, most, forgotten);
  cut(report.notes, most, forgotten);
}

void cut_text(std::string& text, size_t most) { text.resize(std::min(text.size(), most)); }

/// Long texts go first: a list that is whole says more than one long argument.
void cut_texts(sandbox::Report& report, size_t most) {
  for (auto& process : report.processes) {
    cut_text(process.exe, most);
    if (process.argv.size() > 16) process.argv.resize(16);
    for (auto& argument : process.argv) cut_text(argument, most);
  }
  for (auto& artefact : report.artefacts) cut_text(artefact.path, most);
  for (auto& connection : report.connections) {
    cut_text(connection.address, most);
    cut_text(connection.first_bytes, most);
  }
  for (auto& refusal : report.refusals) cut_text(refusal.call, most), cut_text(refusal.reason, most);
  for (auto& reason : report.reasons) cut_text(reason.message, most);
  for (auto& note : report.notes) cut_text(note, most);
  cut_text(report.cause, most);
}

}  // namespace

std::string detail_of(sandbox::Report report, const OutputHead& out, const OutputHead& err) {
  const std::string tail =
      ",\"stdout_base64\":\"" + base64(out.bytes()) + "\",\"stderr_base64\":\"" + base64(err.bytes()) + "\"}";
  std::string json = sandbox::report_to_json(report);
  size_t text = 1024, list = 512;
  while (json.size() + tail.size() + 16 > detail_max_bytes && list > 0) {
    cut_texts(report, text);
    if (text > 64) {
      text /= 4;
    } else {
      cut_lists(report, list);
      list /= 2;
    }
    json = sandbox::report_to_json(report);
  }
  return "{\"report\":" + json + tail;
}

}  // namespace shrike::detonate
