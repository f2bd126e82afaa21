// link: shrike_collector
// Threat model: whoever can write the collector's disk may put anything into a segment, and a crash may leave anything
// at its end. Reading never crashes, always ends, gives every byte of the file to exactly one record, and never calls
// damaged bytes right: a record without damage, appended anew, has the same bytes.

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "collector/findings.h"
#include "collector/segment.h"
#include "collector/verify.h"
#include "common/base/file.h"

namespace {
using namespace shrike;
using namespace shrike::collector;

class OneFile : public BatchSource {
 public:
  explicit OneFile(SegmentFile& file) : file_(file) {}
  Result<bool> next(StoredBatch& batch) override {
    const auto record = TRY(file_.next());
    if (!record) return false;
    batch = {record->bytes, record->at, record->damage};
    return true;
  }

 private:
  SegmentFile& file_;
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Fd memory(::memfd_create("segment", MFD_CLOEXEC));
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (!write_all(memory.get(), bytes)) std::abort();
  auto file = SegmentFile::open("/proc/self/fd/" + std::to_string(memory.get()), 1);
  if (!file) std::abort();
  uint64_t end = 0;
  for (;;) {
    const auto record = file->next();
    if (!record) std::abort();
    if (!*record) break;
    const Record& r = **record;
    if (r.at.offset != end || r.size == 0 || r.at.offset + r.size > size) std::abort();
    end = r.at.offset + r.size;
    if (r.damage != Damage::none) continue;
    std::string again;
    append_record(again, r.kind, r.received_ns, r.bytes);
    if (again != bytes.substr(static_cast<size_t>(r.at.offset), static_cast<size_t>(r.size))) std::abort();
    if (r.kind == RecordKind::finding) (void)open_finding(r.bytes);
  }
  if (end != size) std::abort();
  file->seek(0);
  OneFile source(*file);
  if (!verify_batches(source, {}, {}).ok()) std::abort();
  return 0;
}
