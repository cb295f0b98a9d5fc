#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <optional>
#include <string>

#include "engine/message/template_fields.h"
#include "engine/options.h"

namespace sealift::engine {

// Whether a template may go out by a stream, asked when a campaign is loaded:
//   - a list field that the stream configures must not stand in the template: there can be one, and the stream's leads
//     to this node's suppression list;
//   - its From domain must be aligned (engine/message/alignment.h) with a DKIM domain of the stream or with its return
//     path. While delivery is "sink" a template that is not aligned is admitted with a notice.
//
// Returns the notice, or nothing. Errors: InvalidArgument, exit 65, with what, why and what to do next.
absl::StatusOr<std::string> AdmitTemplate(const Options& options, const StreamOptions& stream,
                                          const TemplateFields& fields);

// Of a template that cannot be used: its exit code, where it lies and what to do next.
absl::Status BadTemplate(const absl::Status& why);

// What is wrong with a From domain (as in TemplateFields) under this stream, a sentence; empty when it is aligned.
std::string MisalignedFrom(const StreamOptions& stream, const std::optional<std::string>& from_domain);

}  // namespace sealift::engine
