#pragma once
// `shrike profiles`: what is known of programs' calls, node by node, and for the fleet.

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace shrike::ctl {

struct ProfilesOptions {
  enum class What : uint8_t { list, show, export_file, send };
  What what = What::list;
  std::string node, path, since;
  uint32_t min_nodes = 2;
  std::string file;                ///< export: where to
  std::vector<std::string> nodes;  ///< send: to whom
  bool json = false;
};

/// The answer of GET /v1/profiles, one program a line, as a table. Errors: not such an answer.
Result<std::string> profiles_as_text(std::string_view lines, bool colour);
/// The same, each program with its nodes.
Result<std::string> programs_as_text(std::string_view lines, uint64_t now_ns, bool colour);

}  // namespace shrike::ctl
