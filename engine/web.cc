#include "engine/web.h"

#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "engine/runtime/doorbell.h"
#include "engine/runtime/signal.h"

namespace sealift::engine {
namespace {

struct Pending {
  std::optional<absl::StatusOr<WebDocument>> answer;
  Signal arrived;
};

}  // namespace

// Where answers lie until the ring's thread takes them. It outlives the HttpsWeb while requests are under way.
struct HttpsWeb::Mailbox {
  using Letter = std::pair<std::shared_ptr<Pending>, absl::StatusOr<WebDocument>>;

  std::mutex mutex;
  std::vector<Letter> letters;
  std::optional<Doorbell> bell;  // none: nobody will come for them

  static void Empty(void* context) {
    auto* const self = static_cast<Mailbox*>(context);
    std::vector<Letter> letters;
    {
      const std::lock_guard lock(self->mutex);
      letters.swap(self->letters);
    }
    for (auto& [pending, answer] : letters) {
      pending->answer = std::move(answer);
      pending->arrived.NotifyAll();
    }
  }
};

HttpsWeb::HttpsWeb(Ring& ring, HttpsFetcher& fetcher) : fetcher_(fetcher), mailbox_(std::make_shared<Mailbox>()) {
  mailbox_->bell.emplace(ring, &Mailbox::Empty, mailbox_.get());
}

HttpsWeb::~HttpsWeb() {
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->bell.reset();
}

Task<absl::StatusOr<WebDocument>> HttpsWeb::Get(WebRequest request) {
  auto pending = std::make_shared<Pending>();
  fetcher_.Fetch(std::move(request), [mailbox = mailbox_, pending](absl::StatusOr<WebDocument> answer) {
    const std::lock_guard lock(mailbox->mutex);
    if (!mailbox->bell.has_value()) return;
    mailbox->letters.emplace_back(pending, std::move(answer));
    mailbox->bell->Press();
  });
  while (!pending->answer.has_value()) {
    const absl::Status waited = co_await pending->arrived.Wait();
    if (!waited.ok()) co_return waited;
  }
  co_return *std::move(pending->answer);
}

}  // namespace sealift::engine
