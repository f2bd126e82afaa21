#pragma once
// One function for each subcommand; each returns the exit code and says on standard error what went wrong.

#include "collector/ctl/options.h"
#include "collector/ctl/settings.h"
#include "collector/verify.h"

namespace shrike::ctl {

int run_tail(const TailOptions& options, const Endpoint& endpoint, Output& out);
int run_query(const QueryOptions& options, const Endpoint& endpoint, Output& out);
int run_nodes(const NodesOptions& options, const Endpoint& endpoint, Output& out);
int run_status(const StatusOptions& options, const Endpoint& endpoint, Output& out);
int run_profiles(const ProfilesOptions& options, const Endpoint& endpoint, Output& out);
int run_verify(const VerifyOptions& options, const ApiOptions& api, Output& out);
int run_rules_check(const RulesCheckOptions& options, Output& out);
int run_demo(const DemoOptions& options, Output& out);

/// Options of a verification that says on `progress` how far it is.
collector::VerifyOptions shown_on(Progress& progress);

/// "shrike: " and the sentence, on standard error.
void complain(const std::string& sentence);

}  // namespace shrike::ctl
