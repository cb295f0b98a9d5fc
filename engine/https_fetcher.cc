#include "engine/https_fetcher.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <utility>

#include "tls/sp800_52.h"

namespace sealift::engine {
namespace {

constexpr int kPollMillis = 1000;

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};

// libcurl's own words for it: the server's stand nowhere.
absl::Status StatusOf(CURLcode code) {
  const std::string why = fmt::format("the fetch failed: {}", curl_easy_strerror(code));
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
      return absl::UnauthenticatedError("the web server's certificate is not accepted");
    case CURLE_WRITE_ERROR:
    case CURLE_FILESIZE_EXCEEDED:
      return absl::ResourceExhaustedError("the document is too long");
    default:
      return absl::UnavailableError(why);
  }
}

}  // namespace

struct HttpsFetcher::Transfer {
  WebRequest request;
  Done done;
  size_t bytes_max = 0;
  std::unique_ptr<CURL, FreeEasy> easy;
  std::unique_ptr<curl_slist, FreeList> resolve, headers;
  WebDocument document;

  dns::Address address() const { return request.addresses.empty() ? dns::Address() : request.addresses.front(); }
  static size_t OnBody(char* bytes, size_t size, size_t count, void* transfer) {
    auto* const self = static_cast<Transfer*>(transfer);
    std::string& body = self->document.body;
    if (size * count > self->bytes_max - body.size()) return 0;  // which ends it
    body.append(bytes, size * count);
    return size * count;
  }
};

namespace {

// libcurl has set up OpenSSL's context, and would have another choice of algorithms.
CURLcode Restrict(CURL* /*easy*/, void* context, void* /*unused*/) {
  return tls::RestrictToSp80052(static_cast<SSL_CTX*>(context)).ok() ? CURLE_OK : CURLE_SSL_CIPHER;
}

// The body is the transfer's, which outlives the handle.
bool SetPost(CURL* easy, const WebRequest& request, curl_slist* headers) {
  return curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.post.data()) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(request.post.size())) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers) == CURLE_OK;
}

}  // namespace

HttpsFetcher::HttpsFetcher(const Options& options)
    : options_(options), multi_([] {
        static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
        (void)ready;
        return curl_multi_init();
      }()) {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "https");
    Run();
  });
}

HttpsFetcher::~HttpsFetcher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  curl_multi_wakeup(multi_);
  thread_.join();
  curl_multi_cleanup(multi_);
}

void HttpsFetcher::Fetch(WebRequest request, Done done) {
  auto transfer = std::make_unique<Transfer>();
  transfer->request = std::move(request);
  transfer->done = std::move(done);
  transfer->bytes_max = options_.bytes_max;
  {
    std::unique_lock lock(mutex_);
    if (stopping_ || waiting_.size() >= options_.waiting_max) {
      lock.unlock();
      transfer->done(absl::ResourceExhaustedError("too many documents are being fetched; it is tried again later"));
      return;
    }
    waiting_.insert(transfer->request.urgent ? waiting_.begin() : waiting_.end(), std::move(transfer));
    some_may_begin_ = true;
  }
  curl_multi_wakeup(multi_);
}

void HttpsFetcher::Urge(const std::string& host) {
  {
    const std::lock_guard lock(mutex_);
    for (auto one = waiting_.begin(); one != waiting_.end(); ++one) {
      if ((*one)->request.host != host) continue;
      (*one)->request.urgent = true;
      std::rotate(waiting_.begin(), one, std::next(one));
    }
    some_may_begin_ = true;
  }
  curl_multi_wakeup(multi_);
}

std::vector<HttpsFetcher::Transfer*> HttpsFetcher::TakeFresh() {
  std::vector<Transfer*> fresh;
  const std::lock_guard lock(mutex_);
  if (!std::exchange(some_may_begin_, false)) return fresh;
  std::vector<dns::Address> full;
  const auto look_at = [&](const dns::Address& address) {
    const auto there = std::ranges::count(running_, address, [](const auto& one) { return one->address(); });
    if (std::cmp_greater_equal(there, options_.at_once_an_address)) full.push_back(address);
  };
  for (const std::unique_ptr<Transfer>& one : running_) look_at(one->address());
  for (auto next = waiting_.begin(); next != waiting_.end();) {
    if (running_.size() >= options_.at_once + ((*next)->request.urgent ? options_.at_once_urgent : 0)) break;
    const dns::Address address = (*next)->address();
    if (std::ranges::find(full, address) != full.end()) {
      ++next;
      continue;
    }
    fresh.push_back(next->get());
    running_.push_back(std::move(*next));
    next = waiting_.erase(next);
    look_at(address);
  }
  return fresh;
}

std::unique_ptr<HttpsFetcher::Transfer> HttpsFetcher::TakeRunning(const void* which) {
  const auto found = std::ranges::find(running_, which, [](const auto& one) { return one.get(); });
  std::unique_ptr<Transfer> taken = std::move(*found);
  running_.erase(found);
  const std::lock_guard lock(mutex_);
  some_may_begin_ = true;
  return taken;
}

bool HttpsFetcher::Begin(Transfer& transfer) {
  const WebRequest& request = transfer.request;
  transfer.easy.reset(curl_easy_init());
  CURL* const easy = transfer.easy.get();
  if (easy == nullptr || request.addresses.empty()) return false;
  std::string addresses;
  for (const dns::Address& address : request.addresses) {
    const bool v6 = address.ToString().find(':') != std::string::npos;
    addresses += fmt::format(fmt::runtime(v6 ? "{}[{}]" : "{}{}"), addresses.empty() ? "" : ",", address.ToString());
  }
  // With the plus it is forgotten in time, as what libcurl has looked up itself is.
  transfer.resolve.reset(
      curl_slist_append(nullptr, fmt::format("+{}:{}:{}", request.host, request.port, addresses).c_str()));
  if (!request.post.empty()) {
    transfer.headers.reset(curl_slist_append(nullptr, fmt::format("Content-Type: {}", request.post_type).c_str()));
  }
  const std::string url = fmt::format("https://{}:{}{}", request.host, request.port, request.path);
  const auto set = [easy](CURLoption option, auto value) { return curl_easy_setopt(easy, option, value) == CURLE_OK; };
  return set(CURLOPT_URL, url.c_str()) && set(CURLOPT_RESOLVE, transfer.resolve.get()) &&
         set(CURLOPT_PROTOCOLS_STR, "https") && set(CURLOPT_FOLLOWLOCATION, 0L) && set(CURLOPT_PROXY, "") &&
         set(CURLOPT_NETRC, long{CURL_NETRC_IGNORED}) && set(CURLOPT_NOSIGNAL, 1L) &&
         set(CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2}) &&
         (!options_.fips || set(CURLOPT_SSL_CTX_FUNCTION, &Restrict)) && set(CURLOPT_SSL_VERIFYPEER, 1L) &&
         set(CURLOPT_SSL_VERIFYHOST, 2L) &&
         (options_.ca_file.empty() || set(CURLOPT_CAINFO, options_.ca_file.c_str())) &&
         (options_.ca_file.empty() || set(CURLOPT_CAPATH, static_cast<const char*>(nullptr))) &&
         set(CURLOPT_TIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(options_.limit))) &&
         set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(options_.connect_limit))) &&
         set(CURLOPT_MAXFILESIZE, static_cast<long>(options_.bytes_max)) &&
         set(CURLOPT_WRITEFUNCTION, &Transfer::OnBody) && set(CURLOPT_WRITEDATA, &transfer) &&
         (request.post.empty() || SetPost(easy, request, transfer.headers.get())) &&
         set(CURLOPT_USERAGENT, "sealift") && set(CURLOPT_PRIVATE, &transfer) &&
         curl_multi_add_handle(multi_, easy) == CURLM_OK;
}

void HttpsFetcher::End(std::unique_ptr<Transfer> transfer, int curl_code) {
  CURL* const easy = transfer->easy.get();
  const auto code = static_cast<CURLcode>(curl_code);
  if (code != CURLE_OK) {
    transfer->done(StatusOf(code));
    return;
  }
  long status = 0;
  const char* type = nullptr;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
  transfer->document.status = static_cast<int>(status);
  if (type != nullptr) transfer->document.content_type = type;
  transfer->done(std::move(transfer->document));
}

void HttpsFetcher::Run() {
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) break;
    }
    for (Transfer* const transfer : TakeFresh()) {
      if (!Begin(*transfer)) TakeRunning(transfer)->done(absl::UnavailableError("the fetch cannot begin"));
    }
    int active = 0;
    curl_multi_perform(multi_, &active);
    int left = 0;
    bool ended = false;
    while (const CURLMsg* const message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* const easy = message->easy_handle;
      const CURLcode code = message->data.result;
      void* which = nullptr;
      curl_easy_getinfo(easy, CURLINFO_PRIVATE, &which);
      curl_multi_remove_handle(multi_, easy);
      End(TakeRunning(which), code);
      ended = true;
    }
    if (!ended) curl_multi_poll(multi_, nullptr, 0, kPollMillis, nullptr);
  }
  for (const std::unique_ptr<Transfer>& transfer : running_) {
    curl_multi_remove_handle(multi_, transfer->easy.get());
    transfer->done(absl::CancelledError("the fetcher is going"));
  }
  const std::lock_guard lock(mutex_);
  for (const std::unique_ptr<Transfer>& transfer : waiting_)
    transfer->done(absl::CancelledError("the fetcher is going"));
}

}  // namespace sealift::engine
