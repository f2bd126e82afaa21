#include <cerrno>

#include "sandbox/microvm/files/file_system.h"

namespace shrike::sandbox::microvm {

namespace {

constexpr int links_max = 40;
constexpr size_t path_max = 4096, name_max = 255;  // Linux's, a path's with its NUL

/// Where `..` of `node` leads, not above `root`.
NodePtr above(const NodePtr& node, const NodePtr& root) {
  if (node == root) return node;
  NodePtr parent = node->parent();
  return parent ? parent : node;
}

/// Takes the next name off the front of `rest`; `slash`: it was followed by one, `last`: by nothing else.
std::string_view take_name(std::string_view& rest, bool& slash, bool& last) {
  const size_t end = rest.find('/');
  const std::string_view name = rest.substr(0, end);
  slash = end != std::string_view::npos;
  rest.remove_prefix(name.size());
  rest.remove_prefix(std::min(rest.find_first_not_of('/'), rest.size()));
  last = rest.empty();
  return name;
}

}  // namespace

int64_t FileSystem::resolve(const Place& place, const NodePtr& base, std::string_view path, bool follow, Found& out) {
  return walk(place, base, path, follow ? End::follow : End::keep, out);
}

int64_t FileSystem::resolve_name(const Place& place, const NodePtr& base, std::string_view path, Found& out) {
  return walk(place, base, path, End::name, out);
}

int64_t FileSystem::walk(const Place& place, const NodePtr& base, std::string_view path, End end, Found& out) {
  if (path.empty()) return -ENOENT;
  if (path.size() >= path_max) return -ENAMETOOLONG;
  if (path.find('\0') != std::string_view::npos) return -ENOENT;  // no caller can have meant this
  NodePtr at = path.front() == '/' ? place.root : base ? base : place.cwd;
  std::string text(path);  // what of the path is left, links replaced by what they say
  std::string_view rest(text);
  rest.remove_prefix(std::min(rest.find_first_not_of('/'), rest.size()));
  int links = 0;
  out = {};
  out.owner = place.owner;
  if (!at->is_folder()) return -ENOTDIR;
  while (!rest.empty()) {
    auto* folder = at->is_folder() ? static_cast<Folder*>(at.get()) : nullptr;
    if (folder == nullptr) return -ENOTDIR;
    bool slash = false, last = false;
    const std::string name(take_name(rest, slash, last));
    if (name.size() > name_max) return -ENAMETOOLONG;
    NodePtr child;
    if (name == ".") {
      child = at;
    } else if (name == "..") {
      child = above(at, place.root);
    } else if (const int64_t error = folder->find(name, child); error < 0) {
      return error;
    }
    const bool at_end = end == End::follow || (end == End::keep && slash) || (end == End::create && !slash);
    const bool follows = child && child->is_link() && (!last || at_end);
    if (follows) {
      if (++links > links_max) return -ELOOP;
      if (NodePtr to = child->goes_to()) {
        child = std::move(to);
      } else {
        std::string target;
        if (const int64_t error = child->target(target); error < 0) return error;
        if (target.empty()) return -ENOENT;
        if (slash) target += '/';
        target += rest;
        text = std::move(target);
        rest = text;
        if (rest.front() == '/') at = place.root;
        rest.remove_prefix(std::min(rest.find_first_not_of('/'), rest.size()));
        if (rest.empty()) break;  // a link to "/"
        continue;
      }
    }
    if (last) {
      out.folder = name == "." || name == ".." ? child : at;
      out.name = name;
      out.slash = slash;
      out.node = std::move(child);
      if ((end == End::follow || end == End::keep) && slash && out.node && !out.node->is_folder()) return -ENOTDIR;
      return 0;
    }
    if (!child) return -ENOENT;
    at = std::move(child);
  }
  out.folder = out.node = at;
  return 0;
}

std::string FileSystem::path_of(const Node& node) const {
  if (std::string own = node.own_name(); !own.empty()) return own;
  std::vector<std::string_view> names;
  const Node* at = &node;
  std::vector<NodePtr> kept;  // so that none goes meanwhile
  while (at != root_.get() && !at->names().empty()) {
    NodePtr folder = at->names().front().folder.lock();
    if (!folder) break;
    names.push_back(at->names().front().name);
    at = folder.get();
    kept.push_back(std::move(folder));
  }
  std::string path = at == root_.get() ? "" : at->last_path();
  for (auto name = names.rbegin(); name != names.rend(); ++name) path.append("/").append(*name);
  if (path.empty()) path = "/";
  return at == root_.get() ? path : path + " (deleted)";
}

std::string FileSystem::path_in(const Node& folder, std::string_view name) const {
  std::string path = path_of(folder);
  if (!path.ends_with('/')) path += '/';
  return path.append(name);
}

}  // namespace shrike::sandbox::microvm
