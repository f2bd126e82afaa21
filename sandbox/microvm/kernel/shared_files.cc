// Shared mappings of files: all that map a file see one memory, and the file gets what was written there when somebody
// unmaps, syncs or reads it.

#include <algorithm>
#include <cstring>

#include "sandbox/microvm/kernel/system.h"

namespace shrike::sandbox::microvm {

std::shared_ptr<SharedMemory> System::shared_file(const std::shared_ptr<Node>& node, bool make) {
  const auto found = shared_files.find(node.get());
  if (found != shared_files.end()) {
    if (auto object = found->second.lock()) return object;
    shared_files.erase(found);
  }
  if (!make) return nullptr;
  std::erase_if(shared_files, [](const auto& entry) { return entry.second.expired(); });
  auto object = std::make_shared<SharedMemory>(physical, node);
  shared_files.emplace(node.get(), object);
  return object;
}

static void write_object(System& system, const SharedMemory& object) {
  Node& node = *object.node();
  std::array<std::byte, page_bytes> there{};
  for (const auto& [page, frame] : object.frames()) {
    const auto bytes = system.physical.bytes(frame);
    const int64_t length = system.files.read(node, page * page_bytes, there);
    if (length <= 0 || std::memcmp(there.data(), bytes.data(), static_cast<size_t>(length)) == 0) continue;
    // Out of quota: the program hears nothing of it, as on a full disk.
    (void)system.files.write(node, page * page_bytes, bytes.first(static_cast<size_t>(length)));
    system.pages.forget(&node);
  }
}

void System::write_back(const AddressSpace& space) {
  for (const auto& [begin, mapping] : space.mappings())
    if (mapping.object && mapping.node && mapping.may_write) write_object(*this, *mapping.object);
}

void System::write_back(const Node& node) {
  const auto found = shared_files.find(&node);
  if (found == shared_files.end()) return;
  if (const auto object = found->second.lock()) write_object(*this, *object);
}

void System::content_changed(const std::shared_ptr<Node>& node) {
  pages.forget(node.get());
  const auto object = shared_file(node, false);
  if (!object) return;
  for (const auto& [page, frame] : object->frames()) {
    const auto bytes = physical.bytes(frame);
    const int64_t length = files.read(*node, page * page_bytes, bytes);
    if (length >= 0 && static_cast<size_t>(length) < bytes.size())
      std::memset(&bytes[static_cast<size_t>(length)], 0, bytes.size() - static_cast<size_t>(length));
  }
}

}  // namespace shrike::sandbox::microvm
