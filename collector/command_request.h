#pragma once
// The body of POST /v1/commands: JSON to a command.

#include <string_view>

#include "collector/command_sender.h"
#include "collector/query.h"

namespace shrike::collector {

inline constexpr size_t command_request_max_bytes = 96u << 20;

/// {"node", "kind": "detonate" (default), "id" (optional: idempotency key), "expires_s" (optional, 600), and
///  detonate: "job": object, as job_to_json makes it; "files": list of base64, the program first
///  profile:  "body": base64}. An id without which none is in the job: then the job's "id" is it.
/// Errors: the first key that is missing, unknown or wrong, in `bad`.
std::optional<NewCommand> parse_command_request(std::string_view text, BadParameter& bad);

}  // namespace shrike::collector
