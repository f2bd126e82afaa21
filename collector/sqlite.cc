#include "collector/sqlite.h"

#include <sqlite3.h>

namespace shrike::collector {
namespace {

int errno_of(int code) {
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return EBADMSG;
    case SQLITE_FULL:
      return ENOSPC;
    case SQLITE_CANTOPEN:
      return ENOENT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return EBUSY;
    default:
      return EIO;
  }
}

Error error_of(sqlite3* database, int code) {
  const char* file = database == nullptr ? nullptr : sqlite3_db_filename(database, "main");
  const char* words = database == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(database);
  return {std::string(file == nullptr ? "database" : file) + ": " + words, errno_of(code)};
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
void Database::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

void Statement::bind_one(int at, int64_t value) {
  if (const int code = sqlite3_bind_int64(statement_.get(), at, value); code != SQLITE_OK) failed_ = code;
}
void Statement::bind_one(int at, std::string_view text) {
  const int code = sqlite3_bind_text64(statement_.get(), at, text.data() == nullptr ? "" : text.data(), text.size(),
                                       SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) failed_ = code;
}
void Statement::bind_one(int at, Blob blob) {
  const char* data = blob.bytes.data() == nullptr ? "" : blob.bytes.data();
  const int code = sqlite3_bind_blob64(statement_.get(), at, data, blob.bytes.size(), SQLITE_TRANSIENT);
  if (code != SQLITE_OK) failed_ = code;
}
void Statement::reset() {
  sqlite3_reset(statement_.get());
  failed_ = SQLITE_OK;
}

Result<bool> Statement::step() {
  sqlite3* database = sqlite3_db_handle(statement_.get());
  if (failed_ != SQLITE_OK) return error_of(database, failed_);
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  const Error error = error_of(database, code);
  sqlite3_reset(statement_.get());
  return error;
}

Result<void> Statement::run() {
  while (TRY(step())) {
  }
  sqlite3_reset(statement_.get());
  return {};
}

int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string_view Statement::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return data == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(data), size_t(size));
}

Result<Database> Database::open(const std::string& path, Mode mode) {
  const int flags =
      SQLITE_OPEN_NOMUTEX | (mode == Mode::create ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  Database database;
  database.database_.reset(raw);
  database.path_ = path;
  if (code != SQLITE_OK) return Error{path + ": " + sqlite3_errstr(code), errno_of(code)};
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, 10'000);
  return database;
}

Result<void> Database::run(const std::string& sql) {
  const int code = sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error_of(database_.get(), code);
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  Statement statement;
  statement.statement_.reset(raw);
  if (code != SQLITE_OK) return error_of(database_.get(), code);
  return statement;
}

}  // namespace shrike::collector
