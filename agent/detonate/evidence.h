#pragma once
// What the signed stream keeps of a job as a whole: its report, and the first of what it printed.

#include <string>

#include "sandbox/report.h"

namespace shrike::detonate {

/// A signed event is 256 KiB at most, and a report may be more: its lists are cut, with counts, until this fits.
inline constexpr size_t detail_max_bytes = 200u << 10;
/// Of standard output and of standard error, each.
inline constexpr size_t output_kept_bytes = 24u << 10;

/// Keeps the first bytes of a stream.
class OutputHead {
 public:
  void add(std::string_view bytes) { kept_.append(bytes.substr(0, output_kept_bytes - kept_.size())); }
  [[nodiscard]] const std::string& bytes() const { return kept_; }

 private:
  std::string kept_;
};

/// {"report": {...}, "stdout_base64": "...", "stderr_base64": "..."}, the detail of an event of kind `detonation`.
std::string detail_of(sandbox::Report report, const OutputHead& out, const OutputHead& err);

}  // namespace shrike::detonate
