// Threat model: the spool's files after a power cut, a failing disk, or the hands of somebody with root on the node.
// The agent must start all the same, keep what can be read, and give out nothing that is not a whole batch of its own
// node. The input is a segment file, and what is behind "\nCHAIN\n" in it the chain file.
// link: shrike_ship shrike_wire

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "agent/ship/lane_spool.h"

namespace {
using namespace shrike;
using namespace shrike::ship;

const Identity& identity() {
  static const Identity made{"web-1", PrivateKey::generate(), "fuzz"};
  return made;
}

/// On a memory file system where there is one: each input is a few files.
class Folder {
 public:
  Folder() {
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = std::filesystem::exists("/dev/shm") ? "/dev/shm/fuzz_spoolXXXXXX" : "/tmp/fuzz_spoolXXXXXX";
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Folder made;
  const std::string& folder = made.path();
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Scan scan = scan_segment(bytes);
  uint64_t seen = 0;
  for (const Record& record : scan.records) seen += record.end() - record.offset;
  for (const Scan::Damage& damage : scan.damages) seen += damage.bytes;
  if (seen != bytes.size()) std::abort();  // every byte is a record's or damage

  constexpr std::string_view mark = "\nCHAIN\n";
  const size_t chain = bytes.find(mark);
  ChainState state;
  if (chain != std::string_view::npos) {
    if (auto parsed = parse_chain_state(bytes.substr(chain + mark.size()))) state = *parsed;
    bytes = bytes.substr(0, chain);
  }
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  std::ofstream(folder + "/000000000001.seg", std::ios::binary).write(bytes.data(), static_cast<long>(bytes.size()));
  std::vector<std::string> repairs;
  auto spool = LaneSpool::open({folder, Lane::telemetry, 1u << 20}, identity(), state, repairs);
  if (!spool) return 0;
  for (int i = 0; i < 1000; ++i) {
    const auto next = spool->next(repairs);
    if (!next) std::abort();  // what `open` let stand can be read
    if (!*next) break;
    const auto header = header_of_body((*next)->bytes);
    if (!header || header->node != "web-1") std::abort();
  }
  static_cast<void>(spool->drop_oldest());
  // A second open finds nothing left to repair.
  repairs.clear();
  if (!LaneSpool::open({folder, Lane::telemetry, 1u << 20}, identity(), state, repairs)) std::abort();
  return 0;
}
