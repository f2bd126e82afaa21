// Bytes in and out of nodes without an open file, and what is put in from outside.

#include <openssl/evp.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "common/base/bytes.h"
#include "sandbox/microvm/files/file_system.h"

namespace shrike::sandbox::microvm {

namespace {

constexpr uint64_t hashed_file_max = 256u << 20, hashed_all_max = 1u << 30;

FileNode* file_node(Node& node) { return dynamic_cast<FileNode*>(&node); }
const FileNode* file_node(const Node& node) { return dynamic_cast<const FileNode*>(&node); }

/// Hexadecimal SHA-256 of a file; empty when it cannot be read.
std::string hash(const Content& content) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) return {};
  std::vector<std::byte> piece(64u << 10);
  for (uint64_t at = 0; at < content.size();) {
    const int64_t got = content.read(at, piece);
    if (got <= 0 || EVP_DigestUpdate(context.get(), piece.data(), static_cast<size_t>(got)) != 1) return {};
    at += static_cast<uint64_t>(got);
  }
  char digest[32];
  unsigned length = 0;
  if (EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest), &length) != 1) return {};
  return hex(std::string_view(digest, length));
}

}  // namespace

int64_t FileSystem::truncate(Node& node, uint64_t length) {
  if (node.is_folder()) return -EISDIR;
  FileNode* file = file_node(node);
  if (file == nullptr) return -EINVAL;
  const int64_t error = file->content().resize(length);
  if (error == 0) file->changed = true, file->touch();
  return error;
}

int64_t FileSystem::read(const Node& node, uint64_t at, std::span<std::byte> out) const {
  if (node.is_folder()) return -EISDIR;
  const FileNode* file = file_node(node);
  return file == nullptr ? -EINVAL : file->content().read(at, out);
}

int64_t FileSystem::write(Node& node, uint64_t at, std::span<const std::byte> in) {
  if (node.is_folder()) return -EISDIR;
  FileNode* file = file_node(node);
  if (file == nullptr) return -EINVAL;
  const int64_t put = file->content().write(at, in);
  if (put > 0) file->changed = true, file->touch();
  return put;
}

int64_t FileSystem::put_node(std::string_view path, NodePtr node, bool mount) {
  const size_t slash = path.rfind('/');
  if (!path.starts_with('/') || slash + 1 == path.size()) return -EINVAL;
  if (const int64_t error = put_folders(path.substr(0, slash), 0755); error < 0) return error;
  const Place place{root_, root_, {}};
  Found found;
  if (const int64_t error = resolve_name(place, nullptr, path, found); error < 0) return error;
  auto* folder = dynamic_cast<TreeFolder*>(found.folder.get());
  if (folder == nullptr || found.name == "." || found.name == "..") return -EINVAL;
  if (found.node) {
    if (!mount && (found.node->is_folder() || found.node->pinned)) return -EISDIR;
    folder->erase(found.name, path);
  }
  if (!mount) node->volume_ = folder->volume();
  node->pinned = mount;
  folder->insert(found.name, node);
  return 0;
}

int64_t FileSystem::put(std::string_view path, uint32_t mode, std::string bytes) {
  return put_node(path, std::make_shared<FileNode>(store_, mode & 07777, std::move(bytes)));
}

int64_t FileSystem::put_below(std::string_view path, uint32_t mode, uint64_t file, uint64_t size_bytes) {
  return put_node(path, std::make_shared<FileNode>(store_, mode & 07777, file, size_bytes));
}

int64_t FileSystem::put_link(std::string_view path, std::string target) {
  return put_node(path, std::make_shared<LinkNode>(store_, std::move(target)));
}

int64_t FileSystem::put_folder(std::string_view path, uint32_t mode) {
  if (!path.starts_with('/')) return -EINVAL;
  if (const int64_t error = put_folders(path, mode); error < 0) return error;
  Found found;
  if (const int64_t error = resolve({root_, root_, {}}, nullptr, path, true, found); error < 0) return error;
  return change_mode(*found.node, mode);
}

int64_t FileSystem::put_folders(std::string_view path, uint32_t mode) {
  for (size_t end = 0; end < path.size();) {
    end = std::min(path.find('/', end + 1), path.size());
    Found found;
    if (const int64_t error = resolve({root_, root_, {}}, nullptr, path.substr(0, end), true, found); error < 0)
      return error;
    if (found.node && !found.node->is_folder()) return -ENOTDIR;
    if (found.node) continue;
    auto* folder = dynamic_cast<TreeFolder*>(found.folder.get());
    if (folder == nullptr) return -EINVAL;
    folder->insert(found.name, std::make_shared<TreeFolder>(store_, S_IFDIR | (mode & 07777), folder->volume()));
  }
  return 0;
}

std::vector<Artefact> FileSystem::artefacts(size_t most, uint64_t& dropped) const {
  struct Made {
    std::shared_ptr<const TreeFolder> folder;
    std::string name;
    NodePtr node;
    bool executable;
    uint64_t size_bytes;
  };
  std::vector<Made> all;
  std::vector<std::shared_ptr<const TreeFolder>> folders{root_};
  while (!folders.empty()) {
    const auto folder = std::move(folders.back());
    folders.pop_back();
    folder->each([&](const std::string& name, const NodePtr& node) {
      if (auto below = std::dynamic_pointer_cast<const TreeFolder>(node)) folders.push_back(std::move(below));
      if (!node->changed || !node->is_file()) return;
      all.push_back({folder, name, node, (node->attributes().mode & 0111) != 0, node->size()});
    });
  }
  // What matters is not to be hidden among many small files.
  std::sort(all.begin(), all.end(), [](const Made& a, const Made& b) {
    return std::tie(b.executable, b.size_bytes, a.name) < std::tie(a.executable, a.size_bytes, b.name);
  });
  if (all.size() > most) dropped += all.size() - most;
  all.resize(std::min(all.size(), most));
  std::vector<Artefact> out;
  uint64_t hashed = 0;
  for (const Made& made : all) {
    Artefact artefact{path_in(*made.folder, made.name).substr(0, report_text_max), made.size_bytes, {}};
    if (made.size_bytes <= hashed_file_max && hashed + made.size_bytes <= hashed_all_max)
      if (const FileNode* file = file_node(*made.node)) {
        artefact.sha256 = hash(file->content());
        hashed += made.size_bytes;
      }
    out.push_back(std::move(artefact));
  }
  return out;
}

}  // namespace shrike::sandbox::microvm
