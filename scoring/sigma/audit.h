#pragma once
// auditd's records as views of our events.

#include "scoring/sigma/view.h"

namespace shrike::scoring::sigma {

/// EXECVE, SYSCALL and PATH records. Which accesses a PATH record stands for depends on what auditd was told to watch
/// for: the `-p` of the rule's own "definition", reading too when the rule is about discovery, and otherwise changes
/// of the file or its attributes and its execution.
Log auditd(const Rule& rule);

/// A record type that some view has.
bool is_record_read(std::string_view type);

}  // namespace shrike::scoring::sigma
