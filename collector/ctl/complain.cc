#include <unistd.h>

#include "collector/ctl/commands.h"

namespace shrike::ctl {

void complain(const std::string& sentence) { Output(STDERR_FILENO).line("shrike: " + sentence); }

}  // namespace shrike::ctl
