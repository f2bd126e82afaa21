#pragma once
// A made-up node: a state folder, an identity, a boot id file, and batches to put into its spool.

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "agent/ship/spool.h"
#include "common/base/file.h"

namespace shrike::ship::test {

struct Folder {
  Folder() {
    std::string pattern = testing::TempDir() + "/shipXXXXXX";
    path = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

class Rig {
 public:
  Rig() { host_boot("11111111-1111-1111-1111-111111111111"); }

  void host_boot(const std::string& id) { EXPECT_TRUE(write_file_atomic(folder.path + "/boot_id", id + "\n")); }
  [[nodiscard]] SpoolOptions options() const {
    SpoolOptions options;
    options.state_dir = folder.path + "/state";
    options.boot_id_file = folder.path + "/boot_id";
    options.max_bytes = max_bytes;
    return options;
  }
  std::unique_ptr<Spool> open() {
    auto spool = Spool::open(options(), identity);
    EXPECT_TRUE(spool) << spool.error().message;
    return spool ? std::move(*spool) : nullptr;
  }
  /// Seals one batch of `count` events of `bytes` incompressible bytes each, and appends it.
  Result<void> append(Spool& spool, Lane lane, uint32_t count = 1, size_t bytes = 100) {
    BatchBuilder builder(lane);
    std::string event(bytes, '\0');
    for (uint32_t i = 0; i < count; ++i) {
      for (char& c : event) c = static_cast<char>(noise_ = noise_ * 1664525u + 1013904223u, noise_ >> 24);
      builder.add(event, ++time_);
    }
    const NextLink link = spool.next_link(lane);
    BatchHeader header;
    header.node = identity.node;
    header.lane = lane;
    header.boot = link.boot;
    header.seq = link.seq;
    header.previous = link.previous;
    header.count = count;
    header.losses = spool.losses({});
    Digest hash;
    const std::string batch = builder.seal(header, identity.key, hash);
    return spool.append(lane, batch, header, hash);
  }
  [[nodiscard]] std::string lane_folder(Lane lane) const {
    return folder.path + "/state/spool/" + std::string(lane_name(lane));
  }
  [[nodiscard]] std::vector<std::string> segments(Lane lane) const {
    std::vector<std::string> paths;
    for (const auto& entry : std::filesystem::directory_iterator(lane_folder(lane)))
      if (entry.path().extension() == ".seg") paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    return paths;
  }

  Folder folder;
  Identity identity{"web-1", PrivateKey::generate(), "0.1.0"};
  uint64_t max_bytes = 8u << 20;

 private:
  uint32_t noise_ = 1;
  uint64_t time_ = 0;
};

/// Everything a lane of the spool holds, opened; each signature is checked.
struct Held {
  std::string bytes;
  OpenBatch batch;
};
inline std::deque<Held> drain(Spool& spool, Lane lane, const PublicKey& key) {
  std::deque<Held> all;
  for (;;) {
    auto next = spool.next(lane);
    EXPECT_TRUE(next) << next.error().message;
    if (!next || !*next) return all;
    all.push_back({std::move((*next)->bytes), {}});
    auto batch = open_batch(all.back().bytes);
    EXPECT_TRUE(batch) << batch.error().message;
    if (!batch) return all;
    all.back().batch = *batch;
    EXPECT_TRUE(verify_signature(*batch, key));
  }
}

inline AckBody ack_of(const Held& held, const std::string& node = "web-1") {
  AckBody ack;
  ack.node = node;
  ack.boot = held.batch.header.boot;
  ack.lane = held.batch.header.lane;
  ack.seq = held.batch.header.seq;
  ack.hash = held.batch.header.drop ? held.batch.header.drop->last_hash : held.batch.hash;
  return ack;
}

}  // namespace shrike::ship::test
