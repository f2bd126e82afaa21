#include "common/wire/bundle.h"

#include "common/base/bytes.h"

namespace shrike {
namespace {

// Then u32 length of the text, u32 number of files, u64 size of each, the text, the files; nothing between or behind.
constexpr std::string_view magic = "SHRKBND1";
constexpr size_t fixed_bytes = 16;

Error bad(const std::string& what) { return Error{"bundle: " + what}; }

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof value];
  store_le(bytes, value);
  out.append(bytes, sizeof bytes);
}

}  // namespace

Result<std::string> encode_bundle(std::string_view text, std::span<const std::string_view> files) {
  if (text.size() > bundle_text_max_bytes) return bad("text of " + std::to_string(text.size()) + " bytes, over 1 MiB");
  if (files.size() > bundle_files_max) return bad(std::to_string(files.size()) + " files, over 64");
  std::string out(magic);
  put(out, static_cast<uint32_t>(text.size()));
  put(out, static_cast<uint32_t>(files.size()));
  for (const std::string_view file : files) put(out, static_cast<uint64_t>(file.size()));
  out += text;
  for (const std::string_view file : files) out += file;
  return out;
}

Result<BundleHead> open_bundle(std::string_view begin, uint64_t total_bytes) {
  if (begin.size() < fixed_bytes || !begin.starts_with(magic)) return bad("there is none");
  const auto text_size = load_le<uint32_t>(begin.data() + 8);
  const auto count = load_le<uint32_t>(begin.data() + 12);
  if (text_size > bundle_text_max_bytes || count > bundle_files_max) return bad("text or number of files is too large");
  const size_t sizes_end = fixed_bytes + 8 * size_t{count};
  if (begin.size() < sizes_end + text_size) return bad("cut in its head");
  BundleHead head;
  head.text = begin.substr(sizes_end, text_size);
  uint64_t at = sizes_end + text_size;
  for (uint32_t i = 0; i < count; ++i) {
    const auto size = load_le<uint64_t>(begin.data() + fixed_bytes + 8 * i);
    if (at > total_bytes || size > total_bytes - at) return bad("file " + std::to_string(i) + " reaches over the end");
    head.files.push_back({at, size});
    at += size;
  }
  if (at != total_bytes)
    return bad("has " + std::to_string(total_bytes - std::min(at, total_bytes)) + " bytes too many");
  return head;
}

}  // namespace shrike
