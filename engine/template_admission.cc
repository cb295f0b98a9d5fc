#include "engine/template_admission.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/exit_code.h"
#include "engine/failure_parts.h"
#include "engine/message/alignment.h"

namespace sealift::engine {
namespace {

absl::Status CheckOwnFields(const StreamOptions& stream, const OwnListFields& own) {
  const auto conflict = [&](std::string_view field, std::string_view setting) {
    const absl::Status why = absl::InvalidArgumentError(
        fmt::format("the template has the header {0} and the stream '{1}' sets {2}, but a message has one {0}", field,
                    stream.name, setting));
    return BadTemplate(WithNext(
        why,
        fmt::format("Remove it from the template: the stream's is the one that this node can answer for; or take {} "
                    "from the stream, and the template's stays as it is.",
                    setting)));
  };
  if (own.unsubscribe && !stream.unsubscribe_url.empty()) return conflict("List-Unsubscribe", "unsubscribe_url");
  if (own.unsubscribe && !stream.unsubscribe_mailto.empty()) return conflict("List-Unsubscribe", "unsubscribe_mailto");
  if (own.list_id && !stream.list_id.empty()) return conflict("List-Id", "list_id");
  if (own.feedback_id && !stream.feedback_id.empty()) return conflict("Feedback-ID", "feedback_id");
  return absl::OkStatus();
}

}  // namespace

absl::Status BadTemplate(const absl::Status& why) {
  return WithNext(
      WithPlace(WithExit(why, ExitCode::kBadData), "the template"),
      "Correct it and try it without loading anything: sealift campaign preview --template FILE --recipients "
      "FILE");
}

std::string MisalignedFrom(const StreamOptions& stream, const std::optional<std::string>& from_domain) {
  if (!from_domain) {
    return "a merge field decides the domain of the From address, so nobody can say before sending whether it is "
           "authenticated: write the domain in the template";
  }
  const Alignment alignment = CheckAlignment(*from_domain, stream.dkim, stream.return_path);
  if (alignment.aligned()) return "";
  return fmt::format(
      "the From domain {} is aligned with nothing that the stream '{}' authenticates ({}, return path {}): receivers "
      "treat such mail as forged (DMARC, RFC 7489). Give the stream a [[dkim]] key or a return_path under {}, or "
      "change the From address",
      *from_domain, stream.name,
      stream.dkim.empty() ? "no DKIM domain" : fmt::format("DKIM domains {}", fmt::join(stream.dkim, ", ")),
      stream.return_path, alignment.organisation);
}

absl::StatusOr<std::string> AdmitTemplate(const Options& options, const StreamOptions& stream,
                                          const TemplateFields& fields) {
  if (absl::Status status = CheckOwnFields(stream, fields.own); !status.ok()) return status;
  std::string wrong = MisalignedFrom(stream, fields.from_domain);
  if (wrong.empty()) return wrong;
  if (options.delivery == Delivery::kLive) {
    return BadTemplate(
        WithNext(absl::InvalidArgumentError(wrong), "Change one of the two and give the same command again."));
  }
  return "live mode would refuse this: " + wrong;
}

}  // namespace sealift::engine
