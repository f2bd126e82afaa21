#pragma once
// The batches that a collector sends, as a source for its verification: one thread receives, the caller's verifies.

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "collector/ctl/client.h"
#include "collector/verify.h"

namespace shrike::ctl {

/// Cuts a stream of length-prefixed (u32, little-endian) pieces.
class Pieces {
 public:
  explicit Pieces(size_t most_bytes) : most_bytes_(most_bytes) {}
  /// Takes bytes; calls `on_piece` for every whole piece. Errors: a length above `most_bytes`.
  Result<void> feed(std::string_view bytes, const std::function<void(std::string)>& on_piece);
  /// Whether the stream may end here: between two pieces.
  [[nodiscard]] bool whole() const { return rest_.empty(); }

 private:
  size_t most_bytes_;
  std::string rest_;
};

class BatchStream : public collector::BatchSource {
 public:
  BatchStream(Client& client, Parameters parameters);
  ~BatchStream() override;
  Result<bool> next(collector::StoredBatch& batch) override;

 private:
  void receive(const Parameters& parameters);
  bool put(std::string piece);

  Client& client_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> queue_;
  size_t queued_bytes_ = 0;
  bool done_ = false;       ///< the other end has sent all, or failed
  bool abandoned_ = false;  ///< nobody asks for more
  std::optional<Error> failure_;
  std::string current_;
  std::thread thread_;
};

}  // namespace shrike::ctl
