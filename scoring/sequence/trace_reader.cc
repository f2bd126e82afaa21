#include "scoring/sequence/trace_reader.h"

#include "scoring/sequence/call_names.h"

namespace shrike::scoring::sequence {
namespace {

// Longer words are no call in either notation; the rest of one is not kept.
constexpr size_t max_word = 40;

// Quoted in an error: what comes from outside may hold anything.
std::string shown(std::string_view word) {
  std::string text = "'";
  for (const char c : word.substr(0, max_word)) text += c >= ' ' && c < 0x7f ? c : '?';
  return text + (word.size() > max_word ? "...'" : "'");
}

}  // namespace

TraceReader::TraceReader(std::string source, CallNotation notation) : source_(std::move(source)), notation_(notation) {}

Error TraceReader::wrong(size_t column, const std::string& why) const {
  return {source_ + ":" + std::to_string(line_) + ":" + std::to_string(column) + ": " + why};
}

Result<void> TraceReader::end_word() {
  if (word_.empty()) return {};
  std::optional<Call> call;
  if (notation_ == CallNotation::names) {
    call = call_named(word_);
    if (!call) return wrong(word_at_, shown(word_) + " is no system call of x86-64");
  } else {
    size_t number = 0;
    for (const char c : word_) {
      if (c < '0' || c > '9') return wrong(word_at_, shown(word_) + " is no call number");
      number = number * 10 + static_cast<size_t>(c - '0');
      if (number >= call_limit) {
        return wrong(word_at_, shown(word_) + " is above the highest call number, " + std::to_string(call_limit - 1));
      }
    }
    call = static_cast<Call>(number);
  }
  if (trace_.calls.size() == max_trace_calls) {
    return wrong(word_at_, "the trace has more than " + std::to_string(max_trace_calls) + " calls");
  }
  trace_.calls.push_back(*call);
  word_.clear();
  return {};
}

Result<void> TraceReader::take(char c) {
  ++column_;
  if (carriage_return_) return wrong(column_ - 1, "a carriage return inside a line");
  if (c == '\r') {
    carriage_return_ = true;
    return {};
  }
  if (!in_calls_) {
    if (c == '\t') {
      if (trace_.name.empty()) return wrong(column_, "the trace has no name");
      in_calls_ = true;
      return {};
    }
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) return wrong(column_, "a control character in the name");
    if (trace_.name.size() == max_trace_name) {
      return wrong(column_, "the name is longer than " + std::to_string(max_trace_name) + " bytes (no tab after it?)");
    }
    trace_.name += c;
    return {};
  }
  if (c == ' ' || c == '\t') return end_word();
  if (word_.empty()) word_at_ = column_;
  if (word_.size() <= max_word) word_ += c;
  return {};
}

Result<std::optional<Trace>> TraceReader::end_line() {
  TRY_VOID(end_word());
  std::optional<Trace> trace;
  if (in_calls_) {
    trace = std::move(trace_);
  } else if (!trace_.name.empty()) {
    return wrong(column_ + 1, "no tab after the name: a line is name, tab, calls");
  }
  trace_ = {};
  in_calls_ = carriage_return_ = false;
  column_ = 0;
  ++line_;
  return trace;
}

void TraceReader::take_numbers(std::string_view& text) {
  size_t at = 0;
  while (trace_.calls.size() < max_trace_calls) {
    size_t end = at, number = 0;
    while (end < text.size() && end < at + 4 && text[end] >= '0' && text[end] <= '9') {
      number = number * 10 + static_cast<size_t>(text[end++] - '0');
    }
    if (end == at || end == text.size() || text[end] != ' ' || number >= call_limit) break;
    trace_.calls.push_back(static_cast<Call>(number));
    at = end + 1;
  }
  text.remove_prefix(at);
  column_ += at;
}

Result<std::optional<Trace>> TraceReader::next(std::string_view& text) {
  while (!text.empty()) {
    if (in_calls_ && word_.empty() && notation_ == CallNotation::numbers && !carriage_return_) {
      take_numbers(text);
      if (text.empty()) break;
    }
    const char c = text.front();
    text.remove_prefix(1);
    if (c != '\n') {
      TRY_VOID(take(c));
      continue;
    }
    auto trace = TRY(end_line());
    if (trace) return trace;
  }
  return std::optional<Trace>();
}

Result<std::optional<Trace>> TraceReader::finish() { return end_line(); }

}  // namespace shrike::scoring::sequence
