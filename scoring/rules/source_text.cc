#include "scoring/rules/source_text.h"

#include <algorithm>

namespace shrike::scoring {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

size_t start_of_line(std::string_view text, int line) {
  size_t at = 0;
  for (int i = 0; i < line; ++i) {
    const size_t end = text.find('\n', at);
    if (end == std::string_view::npos) return text.size();
    at = end + 1;
  }
  return at;
}

}  // namespace

std::string Position::text() const { return file + ":" + std::to_string(line) + ":" + std::to_string(column); }

Position Scalar::at(size_t offset) const {
  const std::string_view raw = *file_text;
  size_t p = std::min(raw.size(), start_of_line(raw, line) + static_cast<size_t>(std::max(column, 0)));
  if (p < raw.size() && (raw[p] == '>' || raw[p] == '|')) {
    p = std::min(raw.size(), raw.find('\n', p));
  } else if (p < raw.size() && (raw[p] == '"' || raw[p] == '\'')) {
    ++p;
  }
  const auto skip_blanks = [&] {
    while (p < raw.size() && is_blank(raw[p])) ++p;
  };
  // YAML folds blanks, so only the others are matched one by one.
  const size_t end = std::min(offset, value.size());
  for (size_t i = 0; i < end; ++i) {
    if (is_blank(value[i])) continue;
    skip_blanks();
    if (p + 1 < raw.size() && raw[p] != value[i] && raw[p + 1] == value[i]) ++p;  // an escape or a doubled quote
    if (p < raw.size()) ++p;
    if (value[i] == '\'' && p < raw.size() && raw[p] == '\'' && (i + 1 >= value.size() || value[i + 1] != '\'')) ++p;
  }
  if (end < value.size() && !is_blank(value[end])) skip_blanks();
  const std::string_view before = raw.substr(0, p);
  const size_t newline = before.rfind('\n');
  return {file, static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1,
          static_cast<int>(newline == std::string_view::npos ? p : p - newline - 1) + 1};
}

SourceText::SourceText(std::shared_ptr<const Scalar> scalar) : text_(scalar->value) {
  pieces_.push_back({0, std::move(scalar), 0, false});
}

const SourceText::Piece* SourceText::piece_at(size_t offset) const {
  const auto after = std::upper_bound(pieces_.begin(), pieces_.end(), offset,
                                      [](size_t value, const Piece& piece) { return value < piece.begin; });
  return after == pieces_.begin() ? nullptr : &*std::prev(after);
}

Position SourceText::at(size_t offset) const {
  const Piece* piece = piece_at(std::min(offset, text_.size()));
  if (piece == nullptr) return {};
  return piece->scalar->at(piece->offset + (piece->fixed ? 0 : std::min(offset, text_.size()) - piece->begin));
}

void SourceText::append(const SourceText& other) { append(other, 0, other.text_.size()); }

void SourceText::append(const SourceText& other, size_t from, size_t to) {
  if (from >= to) return;
  const size_t base = text_.size();
  const Piece* piece = other.piece_at(from);
  if (piece == nullptr) return;
  const Piece* end = other.pieces_.data() + other.pieces_.size();
  for (; piece != end && piece->begin < to; ++piece) {
    const size_t begin = std::max(piece->begin, from);
    pieces_.push_back(
        {base + begin - from, piece->scalar, piece->offset + (piece->fixed ? 0 : begin - piece->begin), piece->fixed});
  }
  text_.append(other.text_, from, to - from);
}

void SourceText::append_made(std::string_view made, const SourceText& like, size_t offset) {
  const Piece* piece = like.piece_at(offset);
  if (piece == nullptr || made.empty()) return;
  pieces_.push_back({text_.size(), piece->scalar, piece->offset + (piece->fixed ? 0 : offset - piece->begin), true});
  text_ += made;
}

void SourceText::append_made(std::string_view made, std::shared_ptr<const Scalar> scalar) {
  if (made.empty()) return;
  pieces_.push_back({text_.size(), std::move(scalar), 0, true});
  text_ += made;
}

}  // namespace shrike::scoring
