#pragma once
// Bodies of the API's answers that are one JSON text.

#include <string>

#include "collector/api.h"

namespace shrike::collector {

/// {"error": ..., "parameter": ...} and a newline; `parameter` is left out when empty.
std::string error_json(const std::string& what, const std::string& parameter = {});
/// GET /v1/nodes: one array on one line.
Result<std::string> nodes_json(IndexReader& index, const Registry& registry);
/// GET /v1/status: one object on one line.
Result<std::string> status_json(IndexReader& index, const ApiParts& parts);

}  // namespace shrike::collector
