#pragma once
// A rule of another front end: what RuleSet::compile takes beside the texts of Falco's.

#include <string>
#include <utility>
#include <vector>

#include "common/wire/alert.h"
#include "scoring/rules/source_text.h"
#include "scoring/rules/tree.h"

namespace shrike::scoring {

struct ReadyRule {
  std::string name;
  Position position;
  TreePtr condition;
  std::string output;  ///< text with %fields, as Falco's
  AlertSource source = AlertSource::falco;
  Severity severity = Severity::info;
  double confidence = 1;
  std::vector<std::string> attack;                         ///< ATT&CK techniques: "T1003.008"
  std::vector<std::pair<std::string, std::string>> facts;  ///< go into every alert's fields, behind those of the output
  std::vector<std::string> remarks;
};

}  // namespace shrike::scoring
