#include "tls/session_cache.h"

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <ctime>
#include <utility>

namespace sealift::tls {
namespace {

bool IsUsable(const SSL_SESSION* session) {
  if (SSL_SESSION_is_resumable(session) != 1) return false;
  const std::time_t now = std::time(nullptr);
  // The lifetime that the server hinted at (RFC 8446 4.6.1) when it is shorter than OpenSSL's own.
  const auto age = static_cast<unsigned long>(now - SSL_SESSION_get_time(session));       // NOLINT(google-runtime-int)
  const unsigned long hint = SSL_SESSION_get_ticket_lifetime_hint(session);               // NOLINT(google-runtime-int)
  if (age >= static_cast<unsigned long>(SSL_SESSION_get_timeout(session))) return false;  // NOLINT(google-runtime-int)
  return hint == 0 || age < hint;
}

// A resumed handshake shows no certificate: the one that was verified must still be in its time.
bool IsCertificateInTime(SSL_SESSION* session) {
  const X509* certificate = SSL_SESSION_get0_peer(session);
  return certificate == nullptr || X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

}  // namespace

SessionCache::SessionCache(const Options& options) : options_(options) {}

std::string SessionCache::MakeKey(std::string_view server, Policy policy, std::string_view verified_name,
                                  std::string_view roots) {
  return fmt::format("{}|{}|{}|{}", server, ToString(policy), verified_name, roots);
}

SslSessionPtr SessionCache::Take(const std::string& key) {
  const auto entry = entries_.find(key);
  SslSessionPtr taken;
  if (entry != entries_.end()) {
    uses_.splice(uses_.begin(), uses_, entry->second.use);
    std::deque<SslSessionPtr>& sessions = entry->second.sessions;
    while (!sessions.empty() && taken == nullptr) {
      SSL_SESSION* newest = sessions.back().get();
      if (!IsUsable(newest) || !IsCertificateInTime(newest)) {
        sessions.pop_back();
        --sessions_;
      } else if (SSL_SESSION_get_protocol_version(newest) >= TLS1_3_VERSION) {
        taken = std::move(sessions.back());
        sessions.pop_back();
        --sessions_;
      } else {
        SSL_SESSION_up_ref(newest);
        taken.reset(newest);
      }
    }
    if (sessions.empty()) Erase(entry);
  }
  ++(taken == nullptr ? stats_.misses : stats_.hits);
  return taken;
}

void SessionCache::Put(const std::string& key, SslSessionPtr session) {
  const auto [entry, added] = entries_.try_emplace(key);
  if (added) {
    uses_.push_front(&entry->first);
    entry->second.use = uses_.begin();
  } else {
    uses_.splice(uses_.begin(), uses_, entry->second.use);
  }
  std::deque<SslSessionPtr>& sessions = entry->second.sessions;
  sessions.push_back(std::move(session));
  ++sessions_;
  ++stats_.stored;
  if (sessions.size() > options_.sessions_a_server_max) {
    sessions.pop_front();
    --sessions_;
    ++stats_.evicted;
  }
  while (entries_.size() > options_.servers_max || sessions_ > options_.sessions_max) EvictOldest();
}

void SessionCache::EvictOldest() {
  const auto oldest = entries_.find(*uses_.back());
  stats_.evicted += oldest->second.sessions.size();
  Erase(oldest);
}

void SessionCache::Forget(const std::string& key) {
  if (const auto entry = entries_.find(key); entry != entries_.end()) Erase(entry);
}

void SessionCache::Erase(Entries::iterator entry) {
  sessions_ -= entry->second.sessions.size();
  uses_.erase(entry->second.use);
  entries_.erase(entry);
}

}  // namespace sealift::tls
