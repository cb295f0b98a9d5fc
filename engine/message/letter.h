#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sealift::engine {

// Letter is a message as people think of one: a sender, a subject, a text, perhaps an HTML version and files. Compose
// makes the .eml of it that Template compiles; merge fields may stand in everything but the attachments.
//
// A text and an HTML version are a multipart/alternative; with attachments a multipart/mixed is around them.
struct Letter {
  struct Attachment {
    std::string name;  // UTF-8, without folders
    std::string bytes;
  };

  std::string from;  // as the header says it: Clinic <news@example.com>
  std::string subject;
  std::optional<std::string> text, html;  // UTF-8; at least one of them
  std::vector<Attachment> attachments;

  // The same letter gives the same bytes.
  //
  // Errors: InvalidArgument: a control character in what becomes a header, a name or text that is not UTF-8, no text.
  absl::StatusOr<std::string> Compose() const;
};

// The media type of a file by the ending of its name, application/octet-stream when it is not a usual one.
std::string_view MediaTypeOf(std::string_view file_name);

}  // namespace sealift::engine
