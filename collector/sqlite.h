#pragma once
// SQLite behind owners and Results. sqlite.cc is the one file that includes <sqlite3.h>.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace shrike::collector {

/// Bytes, where text would be meant otherwise.
struct Blob {
  std::string_view bytes;
};

/// A prepared statement. Not thread-safe; must not outlive its Database.
class Statement {
 public:
  /// Resets and binds `arguments` in order: integers, text, Blob. A failure is told by the next step.
  template <class... A>
  Statement& bind(const A&... arguments) {
    reset();
    int at = 0;
    (bind_one(++at, arguments), ...);
    return *this;
  }
  /// Binds one, from 1, without a reset.
  void bind_one(int at, int64_t value);
  void bind_one(int at, uint64_t value) { bind_one(at, static_cast<int64_t>(value)); }
  void bind_one(int at, int value) { bind_one(at, static_cast<int64_t>(value)); }
  void bind_one(int at, uint32_t value) { bind_one(at, static_cast<int64_t>(value)); }
  void bind_one(int at, std::string_view text);
  void bind_one(int at, const std::string& text) { bind_one(at, std::string_view(text)); }
  void bind_one(int at, Blob blob);
  void reset();

  /// True: a row is there. Errors: SQLite's own words, with the file.
  Result<bool> step();
  /// Steps to the end and resets.
  Result<void> run();

  [[nodiscard]] int64_t integer(int column) const;
  [[nodiscard]] uint64_t number(int column) const { return static_cast<uint64_t>(integer(column)); }
  /// Text or blob; valid until the next step.
  [[nodiscard]] std::string_view bytes(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int failed_ = 0;  // SQLite's code of a failed bind
};

class Database {
 public:
  enum class Mode { create, read_only };
  /// Errors: SQLite's own words, with the path. Code EBADMSG: the file is corrupt or no database.
  static Result<Database> open(const std::string& path, Mode mode);
  /// Runs statements that give no rows.
  Result<void> run(const std::string& sql);
  Result<Statement> prepare(std::string_view sql);

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  std::unique_ptr<sqlite3, Close> database_;
  std::string path_;
};

}  // namespace shrike::collector
