#pragma once
// Recoverable errors are values. Programming errors abort.

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

namespace shrike {

/// Why something did not work: one sentence that names the file, line, key or node it is about.
struct Error {
  std::string message;
  int code = 0;  ///< errno where one applies, else 0

  /// The same error with what was being attempted put in front: "what: message".
  [[nodiscard]] Error in(std::string_view what) const { return {std::string(what) + ": " + message, code}; }
};

/// An Error made of `what` and the text of `code` (errno unless given).
inline Error errno_error(std::string_view what, int code = errno) {
  return {std::string(what) + ": " + std::generic_category().message(code), code};
}

/// A value of T, or why there is none. Asking for the wrong one aborts.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] T& value() & { return *check(); }
  [[nodiscard]] const T& value() const& { return *const_cast<Result*>(this)->check(); }
  [[nodiscard]] T&& value() && { return std::move(*check()); }
  T* operator->() { return check(); }
  const T* operator->() const { return const_cast<Result*>(this)->check(); }
  T& operator*() & { return *check(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*check()); }
  [[nodiscard]] const Error& error() const {
    if (ok()) {
      std::fputs("Result: error() asked of a value\n", stderr);
      std::abort();
    }
    return std::get<1>(state_);
  }

 private:
  T* check() {
    if (!ok()) {
      std::fprintf(stderr, "Result: value() asked of an error: %s\n", std::get<1>(state_).message.c_str());
      std::abort();
    }
    return &std::get<0>(state_);
  }
  std::variant<T, Error> state_;
};

/// Success, or why not.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), failed_(true) {}
  [[nodiscard]] bool ok() const { return !failed_; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const Error& error() const {
    if (ok()) {
      std::fputs("Result: error() asked of a success\n", stderr);
      std::abort();
    }
    return error_;
  }

 private:
  Error error_;
  bool failed_ = false;
};

}  // namespace shrike

/// Yields the value of a Result, or returns its error from the enclosing function.
#define TRY(expression)                                \
  ({                                                   \
    auto try_result_ = (expression);                   \
    if (!try_result_.ok()) return try_result_.error(); \
    std::move(try_result_).value();                    \
  })

/// For Result<void>: returns the error from the enclosing function, if there is one.
#define TRY_VOID(expression)                                                            \
  do {                                                                                  \
    if (auto try_result_ = (expression); !try_result_.ok()) return try_result_.error(); \
  } while (false)
