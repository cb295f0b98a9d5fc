#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/options.h"
#include "engine/shaping/response_rules.h"

namespace sealift::engine {

// A [[rule]] as the engine acts on it. InvalidArgument: a sentence that says where, by its key, and which word of it is
// wrong; `wrong_field` is the one that it stands in then, if it is one.
absl::StatusOr<ResponseRule> ReadRule(const RuleOptions& rule, std::string_view key, std::string origin,
                                      std::string_view* wrong_field = nullptr);

// All rules of these options, compiled together with the built-in ones.
absl::StatusOr<std::shared_ptr<const ResponseRules>> ReadRules(const Options& options);

}  // namespace sealift::engine
