#pragma once
// Which key each node signs with. Thread-safe.

#include <mutex>
#include <optional>
#include <string>

#include "collector/keys_file.h"
#include "common/wire/batch.h"

namespace shrike::collector {

class Registry {
 public:
  struct Options {
    std::string pinned_file;  ///< nodes.toml: written when a first key is trusted
    std::string keys_file;    ///< empty: none
    bool trust_first = false;
  };
  /// Errors: a file that is there and cannot be used, with line and column; a key of keys_file pinned for another node.
  static Result<Registry> open(Options options);
  /// Reads keys_file again. Errors: as `open`; then everything stays as it was.
  Result<void> reload();

  enum class Trust : uint8_t { keys_file, first_use };
  struct Known {
    PublicKey key;
    Trust trust = Trust::keys_file;
  };
  [[nodiscard]] std::optional<Known> find(const std::string& node) const;
  [[nodiscard]] NodeKeys keys() const;

  struct Admission {
    std::optional<PublicKey> key;  ///< what the batch must be signed with
    bool first = false;            ///< not pinned yet: call `pin` once the batch has been found right
    std::string refusal;           ///< why there is none
  };
  /// The key that decides over this batch. Nothing is changed.
  [[nodiscard]] Admission admit(const BatchHeader& header) const;
  /// Pins the first key of a node on the disk. Errors: errno; another key or node was faster.
  Result<void> pin(const std::string& node, const PublicKey& key);

 private:
  explicit Registry(Options options) : options_(std::move(options)), mutex_(std::make_unique<std::mutex>()) {}
  Result<void> check() const;
  [[nodiscard]] std::optional<std::string> owner_of(const PublicKey& key) const;

  Options options_;
  std::unique_ptr<std::mutex> mutex_;
  NodeKeys listed_;
  NodeKeys pinned_;
};

}  // namespace shrike::collector
