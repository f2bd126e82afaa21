// golden_trim CAPTURE OUT PID: keeps of a capture what the process PID and its descendants did; everything else on the
// host is nobody's business.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "agent/probe/capture.h"
#include "agent/probe/record.h"

namespace {

using shrike::probe::CaptureReader;
using shrike::probe::CaptureWriter;

shrike_record head_of(const std::string& record) {
  shrike_record head;
  std::memcpy(&head, record.data(), sizeof head);
  return head;
}

int fail(const std::string& why) {
  std::fprintf(stderr, "golden_trim: %s\n", why.c_str());
  return 1;
}

/// PID and everything it forked, directly or not.
std::set<uint32_t> family_of(uint32_t pid, const std::vector<std::string>& records) {
  std::set<uint32_t> family = {pid};
  for (const auto& record : records) {
    const auto head = head_of(record);
    if (head.kind == SHRIKE_FORK && (head.flags & SHRIKE_F_THREAD) == 0 && family.contains(head.task.tgid))
      family.insert(static_cast<uint32_t>(head.arg[1]));
  }
  return family;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return fail("usage: golden_trim CAPTURE OUT PID");
  auto reader = CaptureReader::open(argv[1]);
  if (!reader) return fail(reader.error().message);
  const auto pid = static_cast<uint32_t>(std::atoi(argv[3]));
  std::vector<std::string> records;
  for (;;) {
    auto record = reader->next();
    if (!record) return fail(record.error().message);
    if (!record->has_value()) break;
    records.emplace_back(reinterpret_cast<const char*>((**record).data()), (**record).size());
  }
  const auto family = family_of(pid, records);

  auto info = reader->info();
  info.host = "golden";
  std::remove(argv[2]);
  auto writer = CaptureWriter::create(argv[2], info);
  if (!writer) return fail(writer.error().message);
  size_t kept = 0;
  for (const auto& record : records) {
    if (!family.contains(head_of(record).task.tgid)) continue;
    if (auto written = writer->write(std::as_bytes(std::span(record.data(), record.size()))); !written)
      return fail(written.error().message);
    ++kept;
  }
  if (auto flushed = writer->flush(); !flushed) return fail(flushed.error().message);
  std::printf("%s: %zu of %zu records\n", argv[2], kept, records.size());
  return 0;
}
