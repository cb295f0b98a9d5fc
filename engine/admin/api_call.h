#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "engine/admin/api.h"
#include "engine/node.h"
#include "engine/units.h"

namespace sealift::engine {

// One request on its way through a method of the Api; private to its sources.
struct Api::Call {
  AdminRequest& request;
  AdminResponse& response;
  nlohmann::json body;  // of a POST; null otherwise
  AuditEntry entry;     // appended when `audited`
  bool audited = false;
  absl::Status entry_refused = absl::OkStatus();  // why none is appended all the same
  std::string done_but = {};                      // what went wrong after what was asked was done
  bool reveal = false;

  std::string Name() const { return request.Param("name"); }

  // Members of the body, each optional. Errors: exit 64 for one of another type.
  absl::StatusOr<std::string> Text(const char* member) const;
  absl::StatusOr<bool> Truth(const char* member) const;
  absl::StatusOr<Rate> RateIn(const char* member) const;  // without one: unlimited
  // A whole number of the query within bounds.
  absl::StatusOr<int> Number(const std::string& name, int otherwise, int max) const;
  // The filter of a queue command, from the query or the body; one that says nothing is exit 64.
  absl::StatusOr<QueueFilter> Filter() const;
};

}  // namespace sealift::engine
