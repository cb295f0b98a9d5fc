#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/campaigns.h"
#include "engine/input_digest.h"
#include "engine/message/finished_message_reader.h"
#include "engine/node.h"
#include "engine/resumable_load.h"
#include "queue/store.h"

namespace sealift::engine {

// FinishedMessageLoader is how messages that arrived rendered become bodies and rows of the queue.
//
// Its input is messages one behind the other, each as frames: a length (32 bits, big-endian) and so many bytes, at most
// kFrameBytesMax; a length of zero ends the message. Each recipient of a message is a row. Messages are checked, sealed
// and written as their frames come, so that one of any size costs a few pieces of memory; they become part of the queue
// with their rows, a chunk of whole messages at a time.
//
// Each commit stores how far the input was read and its SHA-256 up to there. When the same input comes again that
// digest is compared where it was taken, and what lies before is only checked, so that what is wrong with it is said
// again; another input under the same name is refused before anything of it is accepted.
//
// Owned by:  the API's request.
// Threads:   one, a blocking one.
class FinishedMessageLoader final : public CampaignLoader {
 public:
  using AdmitChunk = std::function<absl::Status()>;  // whether the disk and the store take more
  static constexpr uint32_t kFrameBytesMax = 1 << 20;

  // What is wrong with a From domain under the stream (see MisalignedFrom), and whether it rejects the message; else it
  // is said in the summary's notice.
  struct FromRule {
    std::function<std::string(const std::string& domain)> misaligned;
    bool rejects = false;
  };

  // `kind`: of the stream, which decides who of the recipients is suppressed.
  FinishedMessageLoader(queue::Store& store, Campaigns& campaigns, LoadRequest request, queue::CampaignSpec spec,
                        StreamKind kind, AdmitChunk admit, std::function<void(uint64_t)> accepted, FromRule from);

  void OnRejection(std::function<void(const Rejection&)> sink) override { on_rejection_ = std::move(sink); }
  absl::Status Feed(std::span<const char> bytes) override;
  absl::StatusOr<Summary> Finish() override;

 private:
  absl::Status Begin();
  absl::Status Take(std::string_view part);  // of a length or of a frame, never of both
  absl::Status BeginMessage();
  absl::Status EndMessage();
  std::string WhyRejected();  // the message that has ended; empty: it is not
  const std::string& Misaligned(const std::string& domain);
  absl::Status AddRows();

  const LoadRequest request_;
  const queue::CampaignSpec spec_;
  const FromRule from_;
  ResumableLoad load_;
  std::function<void(const Rejection&)> on_rejection_;

  FinishedMessageReader reader_;
  bool compared_ = true;  // what an earlier load has committed was found to be the same
  bool begun_ = false;

  std::string length_;       // of the next frame, as far as it has come
  uint32_t frame_left_ = 0;  // bytes
  bool in_message_ = false;
  bool storing_ = false;  // the message is beyond what is committed
  uint32_t number_ = 0;   // of the message
  uint32_t row_ = 0;      // the last one

  std::map<std::string, std::string> misaligned_;  // what is wrong, by From domain
  uint64_t misaligned_messages_ = 0;               // that were not rejected for it
  std::string first_misaligned_;                   // what was said of the first

  InputDigest digest_;
  uint64_t offset_ = 0;  // bytes of the input that it has seen
};

}  // namespace sealift::engine
