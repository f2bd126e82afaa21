#pragma once
// From paths to the files they are at this moment.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/probe/object_table.h"
#include "common/base/fd.h"
#include "common/base/result.h"
#include "common/wire/filter.h"

namespace shrike::probe {

/// What a path was when it was last looked at.
class ObjectResolver {
 public:
  using Objects = std::map<std::string, FilterSpec::Objects>;
  explicit ObjectResolver(Objects objects) : objects_(std::move(objects)) {}

  /// Looks at every path. What is missing is looked for again the next time. A file that has lost its name to another
  /// stays while it has one somewhere: a link to what a path was before is still a link to what was protected. Links
  /// are followed, but where a pattern stands for a name: a user who can make such names must not choose what is meant.
  std::vector<ResolvedObject> resolve();
  /// Files that the last resolve() found and could not return, because a set may have only so many.
  [[nodiscard]] size_t left_out() const { return left_out_; }

 private:
  /// A file as it can be found again without a name.
  struct Found {
    ResolvedObject object;
    int handle_type = 0;
    std::string handle;  ///< empty: its file system has none
    std::string folder;  ///< of its file system
    /// Of a file that is to keep its sets: held open, so that its inode is nobody else's when its name is gone. Shared
    /// by this look and the one before, of which only one goes on.
    std::shared_ptr<Fd> held;
  };
  void add(const std::string& path, const FilterSpec::Objects& wanted, std::map<std::string, Found>& now);
  static bool is_same(const Found& a, const Found& b);
  static void hold(const std::string& path, Found& found);
  void expand(const std::string& pattern, const FilterSpec::Objects& wanted, std::map<std::string, Found>& now);
  void keep_replaced(const std::map<std::string, Found>& now);

  Objects objects_;
  std::map<std::string, Found> found_;    // by path
  std::vector<Found> replaced_;           // had a path once
  std::map<uint64_t, uint32_t> devices_;  // of mounts, while resolve() runs
  size_t left_out_ = 0;
};

}  // namespace shrike::probe
