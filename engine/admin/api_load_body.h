#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "engine/node.h"

namespace sealift::engine {

// LoadBody reads the body of a load as it arrives: one line of JSON (what LoadRequest has, and `template_bytes`), so
// many bytes of template, then the recipient file to its end; with `messages`, no template and the frames of finished
// messages (engine/finished_loader.h). No part needs the next one's length, and the file is
// never held whole.
//
// Owned by:  one request.
// Threads:   one.
// Errors:    exit 64 for a first line that cannot be read, 65 for a template over its cap.
class LoadBody {
 public:
  static constexpr size_t kHeadBytesMax = 1 << 20;
  static constexpr size_t kTemplateBytesMax = 16 << 20;

  // `begin` is called once, when head and template are complete; `feed` with each piece of the recipient file.
  LoadBody(std::string name, std::function<absl::Status(LoadRequest)> begin,
           std::function<absl::Status(std::string_view)> feed)
      : begin_(std::move(begin)), feed_(std::move(feed)) {
    request_.name = std::move(name);
  }

  absl::Status Add(std::string_view piece);

  // Errors: the body ended before the recipient file began.
  absl::Status Finish();

 private:
  absl::Status ReadHead(std::string_view line);
  absl::Status BeginOnceComplete();

  std::function<absl::Status(LoadRequest)> begin_;
  std::function<absl::Status(std::string_view)> feed_;
  LoadRequest request_;
  std::string head_;
  bool has_head_ = false, begun_ = false;
  size_t template_bytes_ = 0;
};

}  // namespace sealift::engine
