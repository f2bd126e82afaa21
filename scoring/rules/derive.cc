#include "scoring/rules/derive.h"

#include <algorithm>
#include <array>
#include <set>

namespace shrike::scoring {
namespace {

using Outcome = World::Outcome;

// Folders that so many paths go through that their names select nothing.
constexpr auto common = std::to_array<std::string_view>(
    {".cache", ".config", ".git", ".local", "bin", "boot", "dev",   "etc", "home", "lib", "lib64", "local",
     "log",    "opt",     "proc", "root",   "run", "sbin", "share", "sys", "tmp",  "usr", "var"});

// A set of paths, larger rather than smaller than what a condition allows.
struct Paths {
  bool any = true;
  std::set<std::string> prefixes, names, last_names, objects;

  static Paths none() { return {false, {}, {}, {}, {}}; }

  // How much of ordinary work such a set lets through, roughly; less is better.
  [[nodiscard]] double weight() const {
    if (any) return 1e12;
    double sum = static_cast<double>(last_names.size());
    for (const std::string& component : names) {
      const bool often = std::find(common.begin(), common.end(), component) != common.end();
      sum += often ? 1e4 : component.starts_with('.') ? 0.5 : 4;  // hidden folders belong to one program
    }
    for (const std::string& prefix : prefixes) {
      const auto length = static_cast<double>(prefix.size());
      sum += prefix == "/" ? 1e9 : 1 + 4000 / (length * length);
    }
    return sum;
  }
  void merge(const Paths& other) {
    any = any || other.any;
    prefixes.insert(other.prefixes.begin(), other.prefixes.end());
    names.insert(other.names.begin(), other.names.end());
    last_names.insert(other.last_names.begin(), other.last_names.end());
    objects.insert(other.objects.begin(), other.objects.end());
  }
};

Paths prefix(std::string_view text) {
  if (!text.starts_with('/')) return {};
  Paths paths = Paths::none();
  paths.prefixes.emplace(text.substr(0, filter_prefix_max));
  return paths;
}
Paths name(std::string_view text, bool last) {
  if (text.empty() || text.size() > filter_name_max || text.find('/') != std::string_view::npos) return {};
  Paths paths = Paths::none();
  (last ? paths.last_names : paths.names).emplace(text);
  return paths;
}
Paths better(Paths a, Paths b) { return a.weight() <= b.weight() ? std::move(a) : std::move(b); }

// One path, whole. A relative one (fd.nameraw) is known only by its last name.
Paths exactly(std::string_view path) {
  return path.starts_with('/') ? prefix(path) : name(path.substr(path.rfind('/') + 1), true);
}

// The best component that stands whole, between two slashes, in a piece of literal text; the deeper ones select more.
// `ends`: the path ends with the text.
Paths components(std::string_view text, bool ends) {
  Paths best;
  size_t slash = text.find('/');
  while (slash != std::string_view::npos) {
    const size_t next = text.find('/', slash + 1);
    if (next != std::string_view::npos)
      best = better(name(text.substr(slash + 1, next - slash - 1), false), std::move(best));
    if (next == std::string_view::npos && ends) best = better(name(text.substr(slash + 1), true), std::move(best));
    slash = next;
  }
  return best;
}

Paths globbed(std::string_view pattern) {
  if (pattern.empty() || pattern.find('\\') != std::string_view::npos) return {};
  const size_t head = pattern.find_first_of("*?[");
  if (head == std::string_view::npos) return exactly(pattern);
  Paths best = prefix(pattern.substr(0, head));
  for (size_t at = 0; at < pattern.size();) {
    const size_t special = std::min(pattern.find_first_of("*?[", at), pattern.size());
    best = better(std::move(best), components(pattern.substr(at, special - at), special == pattern.size()));
    if (special < pattern.size() && pattern[special] == '[') {
      const size_t close = pattern.find(']', special + 2);
      if (close == std::string_view::npos) break;  // not a class after all: stop looking
      at = close + 1;
    } else {
      at = special + 1;
    }
  }
  return best;
}

Paths whole_path(Operator op, std::string_view text) {
  switch (op) {
    case Operator::equal:
    case Operator::in:
    case Operator::intersects:
      return exactly(text);
    case Operator::startswith:
      return better(prefix(text), components(text, false));
    case Operator::pmatch:
      while (text.size() > 1 && text.ends_with('/')) text.remove_suffix(1);
      // Parts of it may be patterns.
      return prefix(text.substr(0, text.find_first_of("*?[")));
    case Operator::endswith:
      return components(text, true);
    case Operator::contains:
      return components(text, false);
    case Operator::glob:
      return globbed(text);
    default:
      return {};
  }
}

Paths directory(Operator op, std::string_view text) {
  switch (op) {
    case Operator::equal:
    case Operator::in:
    case Operator::intersects:
      return prefix(text == "/" ? "/" : std::string(text) + "/");
    case Operator::startswith:
    case Operator::pmatch:
    case Operator::contains:
      return whole_path(op, text);
    default:
      return {};
  }
}

Paths of_check(const Check& check, EventKind kind) {
  if (check.field() == nullptr || check.type != Type::text) return {};
  const auto reader = reader_for(*check.field(), kind);
  if (reader && check.field()->field->name == "fd.object" && check.op == Operator::in) {
    Paths paths = Paths::none();
    paths.objects.insert(check.texts.begin(), check.texts.end());
    return paths;
  }
  if (!reader || reader->path == PathPart::none) return {};
  if (check.op == Operator::not_equal || check.op == Operator::exists) return {};
  Paths all = Paths::none();
  for (const std::string& text : check.texts) {
    switch (reader->path) {
      case PathPart::whole:
        all.merge(whole_path(check.op, text));
        break;
      case PathPart::directory:
        all.merge(directory(check.op, text));
        break;
      case PathPart::last:
        if (check.op != Operator::equal && check.op != Operator::in && check.op != Operator::intersects) return {};
        all.merge(name(text, true));
        break;
      case PathPart::none:
        break;
    }
  }
  return all;
}

Paths of_tree(const TreePtr& tree, EventKind kind) {
  switch (tree->kind) {
    case Tree::Kind::no:
      return Paths::none();
    case Tree::Kind::yes:
    case Tree::Kind::negation:
      return {};
    case Tree::Kind::check:
      return of_check(*tree->check, kind);
    case Tree::Kind::all: {
      Paths best;
      for (const TreePtr& child : tree->children) best = better(std::move(best), of_tree(child, kind));
      return best;
    }
    case Tree::Kind::any:
      break;
  }
  Paths sum = Paths::none();
  for (const TreePtr& child : tree->children) sum.merge(of_tree(child, kind));
  return sum;
}

void add_paths(const Paths& paths, uint32_t access, FilterSpec& filter) {
  if (paths.any) {
    filter.any_path |= access;
    return;
  }
  for (const std::string& text : paths.prefixes) filter.prefixes[text] |= access;
  for (const std::string& text : paths.names) filter.names[text].any |= access;
  for (const std::string& text : paths.last_names) filter.names[text].last |= access;
  for (const std::string& name : paths.objects) filter.objects[name].access |= access;
}

// A part of a kind's events, and the access bit under which its paths are asked for.
struct Part {
  World world;
  uint32_t access;
};

std::vector<Part> parts_of(EventKind kind) {
  const uint32_t access = access_of(kind);
  if (kind != EventKind::open) return {{{kind, Outcome::success, 0}, access}, {{kind, Outcome::failure, 0}, access}};
  return {{{kind, Outcome::success, access_open_read}, access_open_read},
          {{kind, Outcome::success, access_open_write}, access_open_write},
          {{kind, Outcome::failure, 0}, access_open_failed},
          // Passes under either bit: last, so that a bit already asked for can be used.
          {{kind, Outcome::success, access_open_read | access_open_write}, 0}};
}

}  // namespace

uint32_t derive_filter(const TreePtr& condition, FilterSpec& filter) {
  uint32_t everywhere = 0;
  for (size_t k = 1; k < event_kind_count; ++k) {
    const auto kind = static_cast<EventKind>(k);
    if (kind_name(kind) == "none") continue;
    bool success = false, failure = false;
    uint32_t asked = 0;
    for (const Part& part : parts_of(kind)) {
      const TreePtr left = fold(condition, part.world);
      if (left->is(Tree::Kind::no)) continue;
      (part.world.outcome == Outcome::success ? success : failure) = true;
      uint32_t access = part.access;
      if (kind == EventKind::open && access == 0)
        access =
            (asked & access_open_read) != 0 && (asked & access_open_write) == 0 ? access_open_read : access_open_write;
      asked |= access;
      if (access == 0) continue;
      const Paths paths = of_tree(left, kind);
      add_paths(paths, access, filter);
      if (paths.any) everywhere |= access;
    }
    if (!success && !failure) continue;
    // Success alone is enough only while every rule that wants the kind says so.
    const bool only = !failure && (!filter.kinds.test(k) || filter.success_only.test(k));
    filter.kinds.set(k);
    filter.success_only.set(k, only);
  }
  return everywhere;
}

}  // namespace shrike::scoring
