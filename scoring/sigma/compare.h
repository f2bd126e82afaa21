#pragma once
// One item of a detection as checks of our fields.

#include <functional>
#include <memory>
#include <string>

#include "scoring/sigma/formula.h"
#include "scoring/sigma/item.h"
#include "scoring/sigma/view.h"

namespace shrike::scoring::sigma {

/// Finds a field of the log by name, and the number in that name. Null: the log has no such field.
using FindField = std::function<const LogField*(const std::string& name, std::string& argument)>;

struct Asked {
  const Item& item;
  const Comparand& comparand;
  const LogField& field;  ///< neither a call nor a choice
  std::string argument;   ///< of our field: "2" for a2
  bool positive = true;   ///< not under a "not": the field's other name counts too
};

/// The item as a condition. `others_absent`: a field the log does not have holds of nothing.
Formula compare(const Asked& asked, const FindField& find, bool others_absent);

/// Text as a source, all of it at one place.
std::shared_ptr<const SourceText> source_at(const std::string& text, const Position& where);
/// A check that can be bound; else why it cannot.
Formula checked(const Item& item, Expression left, Operator op, std::vector<std::string> values,
                std::optional<Expression> right = {});
Expression expression_of(const std::string& ours, const std::string& argument);
bool same_ignoring_case(std::string_view a, std::string_view b);

}  // namespace shrike::scoring::sigma
