#pragma once
// What the service and the process of a job say to each other, over one SOCK_SEQPACKET pair.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"
#include "sandbox/ledger.h"

namespace shrike::sandbox {

struct ServeWord {
  enum class Kind : uint8_t {
    taken = 1,   ///< process: I have a client; fd: the same socket
    ask = 2,     ///< process: may this job begin? caller, id, use at most
    answer = 3,  ///< service: `verdict`; text: why not; fd: the kept report
    ended = 4,   ///< process: use; fd: the report
    kept = 5     ///< service: so it is kept
  };
  Kind kind = Kind::taken;
  std::string caller, id, text;
  Usage usage;
  uint8_t verdict = 0;  ///< Ledger::Answer
};

/// Errors: errno.
Result<void> send_word(int socket, const ServeWord& word, int fd = -1);
/// Nothing when the other end has gone. Errors: errno; no such word.
Result<std::optional<std::pair<ServeWord, Fd>>> receive_word(int socket);

/// The whole text of a sealed memfd.
Result<std::string> text_of_fd(int fd);

}  // namespace shrike::sandbox
