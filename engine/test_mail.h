#pragma once

#include <atomic>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/campaigns.h"
#include "engine/commit_news.h"
#include "engine/node.h"
#include "engine/options.h"
#include "queue/store.h"

namespace sealift::engine {

// TestMailer sends one real message of a campaign by the way that the campaign would go: queue, DNS, TLS, session.
//
// The message is the only row of a campaign of its own, NAME.test-1, NAME.test-2, ..., with the same template, stream
// and columns, so that no counter of the campaign moves and the evidence stays apart. Suppressions bind it. It expires
// after an hour at most: a test that greylisting delayed is still one, a message that comes days later is not.
//
// Owned by:  a request of the API.
// Threads:   one, a blocking one; it ends early once `stop` is set.
// Errors:    sentences with the exit code of their kind; none names the recipient or a value.
class TestMailer {
 public:
  struct Context {
    queue::Store& store;
    Campaigns& campaigns;
    std::shared_ptr<const Options> options;
    CommitNews& commits;
    const std::atomic<bool>& stop;               // whoever sets it announces a commit
    absl::Duration patience = absl::Minutes(1);  // for what comes of the first attempt
  };

  explicit TestMailer(Context context) : context_(std::move(context)) {}

  absl::StatusOr<TestMail> Send(std::string_view name, const TestMailRequest& asked);

 private:
  absl::StatusOr<std::vector<std::string>> ValuesOf(const queue::Campaign& campaign, const TestMailRequest& request);
  absl::StatusOr<queue::Campaign> Create(const queue::Campaign& campaign);
  absl::StatusOr<TestMail> Await(TestMail mail, const queue::MessageKey& key);

  const Context context_;
};

// Values that a person takes for a sample, one a column, which the template takes: words, and an address, a domain or a
// URL where the template wants one; an object where it names a column's members. InvalidArgument when it takes none of
// them.
absl::StatusOr<std::vector<std::string>> MadeUpValues(const Template& content, const std::vector<std::string>& columns,
                                                      std::string_view recipient);

}  // namespace sealift::engine
