#pragma once
// Words between the process that runs a job and the init of its sandbox, over one SOCK_SEQPACKET pair. The init shares
// a sandbox with a hostile program: what it says is bounded and checked.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"

namespace shrike::sandbox::process {

enum class Word : uint8_t {
  go = 1,     ///< to init: you have your user ids and groups
  ready = 2,  ///< from init: all is built; text: notes and steps as JSON; fds: root, network, the sink's sockets
  job = 3,    ///< to init: text: "notify" or ""; fds: job's JSON, filter, standard output, error, program, input, files
  started = 4,  ///< from init: text: steps as JSON; fds: the listener of notifications, where asked for
  met = 5,      ///< from init: text: one connection of the sink's, as JSON
  ended = 6,    ///< from init: text: the program's wait status
  failed = 7    ///< from init: text: why it cannot go on
};

struct Heard {
  Word word{};
  std::string text;
  std::vector<Fd> fds;
};

inline constexpr size_t link_text_max = 32u << 10;

/// Waits while the other end is slow. Errors: errno.
Result<void> say(int link, Word word, std::string_view text = {}, std::span<const int> fds = {});
/// The next word; nothing at the end, or when `wait` is false and there is none. Errors: errno; no word of ours.
Result<std::optional<Heard>> hear(int link, bool wait = true);

}  // namespace shrike::sandbox::process
