#pragma once
// One alert as one line, in the formats that other tools read.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/wire/alert.h"

namespace shrike {

enum class Format { text, json, falco, ocsf, ecs, cef };

std::string_view format_name(Format format);
std::optional<Format> format_named(std::string_view name);
/// "text, json, falco, ocsf, ecs or cef": for help and complaints.
std::string_view format_names();
/// The media type of one such line: what an HTTP client says it posts.
std::string_view format_media_type(Format format);

/// One line without its newline: valid UTF-8 without control characters, whatever the alert holds.
std::string format_alert(const Alert& alert, Format format);

/// Falco's JSON: keys in its order, `output` with its prefix, numbers and nulls in `output_fields` where Falco has
/// them.
std::string alert_to_falco(const Alert& alert);
/// OCSF Detection Finding, class 2004. An update of a finding has the same finding_info.uid.
std::string alert_to_ocsf(const Alert& alert);
/// Elastic Common Schema, nested.
std::string alert_to_ecs(const Alert& alert);
/// CEF:0 without a syslog header.
std::string alert_to_cef(const Alert& alert);

}  // namespace shrike
