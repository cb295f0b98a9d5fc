#include "tls/channel.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cassert>
#include <ctime>
#include <utility>

#include "tls/error.h"
#include "tls/sp800_52.h"

namespace sealift::tls {
namespace {

// Tickets kept of one connection: a server that issues more is not worth more memory.
constexpr int kTicketsMax = 8;

// OpenSSL's level of strength for what no certificate is checked for: weak encryption still beats none. Verified
// connections get level 2 (112 bits, RSA of 2048).
constexpr int kUnverifiedSecurityLevel = 1;
constexpr int kVerifiedSecurityLevel = 2;

// Of what a certificate says: a bounded number of names, and no letter that a terminal would obey.
constexpr size_t kNamesMax = 50;
constexpr size_t kNameBytesMax = 255;

std::string Printable(const unsigned char* bytes, int size) {
  std::string text;
  for (int i = 0; i < size && text.size() < kNameBytesMax; ++i) {
    text += bytes[i] >= ' ' && bytes[i] < 0x7f ? static_cast<char>(bytes[i]) : '?';
  }
  return text;
}

bool IsAddress(const std::string& name) {
  ASN1_OCTET_STRING* address = a2i_IPADDRESS(name.c_str());
  const bool is_address = address != nullptr;
  ASN1_OCTET_STRING_free(address);
  ERR_clear_error();
  return is_address;
}

// OpenSSL measures the keys of certificates that it verifies only.
bool ShowsAStrongKey(SSL* ssl) {
  const X509Ptr shown(SSL_get1_peer_certificate(ssl));
  EVP_PKEY* const key = shown == nullptr ? nullptr : X509_get0_pubkey(shown.get());
  return key != nullptr && EVP_PKEY_get_security_bits(key) >= kSp80052StrengthBits;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Channel>> Channel::Client(std::shared_ptr<ClientContext> context,
                                                         const ClientOptions& options) {
  assert(context != nullptr);
  std::unique_ptr<Channel> channel(new Channel);
  channel->client_ = std::move(context);
  if (absl::Status status = channel->Open(channel->client_->ssl_ctx()); !status.ok()) return status;
  if (absl::Status status = channel->Prepare(options); !status.ok()) return status;
  SSL_set_connect_state(channel->ssl_.get());
  return channel;
}

absl::StatusOr<std::unique_ptr<Channel>> Channel::Server(std::shared_ptr<ServerContext> context) {
  assert(context != nullptr);
  std::unique_ptr<Channel> channel(new Channel);
  channel->server_ = std::move(context);
  if (absl::Status status = channel->Open(channel->server_->ssl_ctx()); !status.ok()) return status;
  SSL_set_accept_state(channel->ssl_.get());
  return channel;
}

Channel::~Channel() {
  if (ssl_ == nullptr) return;
  // OpenSSL declares the session of a connection dead that is freed without having been shut down, and SMTP servers
  // seldom wait for it. One that failed stays dead.
  if (handshake_done_ && failure_.ok()) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

absl::Status Channel::Open(SSL_CTX* ctx) {
  ssl_.reset(SSL_new(ctx));
  if (ssl_ == nullptr) return LocalError(absl::StatusCode::kInternal, "OpenSSL cannot make a connection");
  BIO* bio = wire_.NewBio();
  if (bio == nullptr) return LocalError(absl::StatusCode::kInternal, "OpenSSL cannot make a connection");
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
  return absl::OkStatus();
}

absl::Status Channel::Prepare(const ClientOptions& options) {
  policy_ = options.policy;
  const bool verify = policy_ >= Policy::kVerify;
  SSL_set_security_level(ssl_.get(), verify || client_->fips() ? kVerifiedSecurityLevel : kUnverifiedSecurityLevel);
  SSL_set_verify(ssl_.get(), verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  // Names stand among the alternatives (RFC 9525 6.3, RFC 8461 4.1); a wildcard is a whole left-most label.
  SSL_set_hostflags(ssl_.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (verify) {
    assert(!options.verify_name.empty());
    verify_name_ = options.verify_name;
    if (policy_ == Policy::kDane) {
      if (absl::Status status = PrepareDane(options); !status.ok()) return status;
    } else if (SSL_set1_host(ssl_.get(), verify_name_.c_str()) != 1) {
      return LocalError(absl::StatusCode::kInvalidArgument, "the name to verify is not usable");
    }
  }
  if (!options.sni.empty() && !IsAddress(options.sni)) {
    if (SSL_set_tlsext_host_name(ssl_.get(), options.sni.c_str()) != 1) {
      return LocalError(absl::StatusCode::kInvalidArgument, "the server's name is not usable");
    }
    // Nothing fails for it under SSL_VERIFY_NONE; certificate_fault() then knows of the name too.
    if (!verify) SSL_set1_host(ssl_.get(), options.sni.c_str());
  }
  if (options.sessions == nullptr) return absl::OkStatus();
  sessions_ = options.sessions;
  const std::string trust =
      policy_ == Policy::kDane ? DigestOf(options.tlsa) + "/" + client_->roots() : client_->roots();
  session_key_ = SessionCache::MakeKey(
      options.session_key, policy_,
      options.other_name.empty() ? verify_name_ : fmt::format("{} or {}", verify_name_, options.other_name), trust);
  const SslSessionPtr session = sessions_->Take(session_key_);
  if (session != nullptr && SSL_set_session(ssl_.get(), session.get()) != 1)
    ERR_clear_error();  // a full handshake, then
  return absl::OkStatus();
}

// RFC 7672: the records decide and no trusted root does; the base domain is the name that DANE-TA asks for, beside the
// other one, and the SNI. For DANE-EE neither a name nor a date matters (3.1.1): OpenSSL leaves out the date by itself.
absl::Status Channel::PrepareDane(const ClientOptions& options) {
  if (SSL_dane_enable(ssl_.get(), verify_name_.c_str()) != 1) {
    return LocalError(absl::StatusCode::kInvalidArgument, "the name to verify is not usable");
  }
  if (!options.other_name.empty() && SSL_add1_host(ssl_.get(), options.other_name.c_str()) != 1) {
    return LocalError(absl::StatusCode::kInvalidArgument, "the other name to verify is not usable");
  }
  SSL_dane_set_flags(ssl_.get(), DANE_FLAG_NO_DANE_EE_NAMECHECKS);
  int usable = 0;
  for (const TlsaRecord& record : options.tlsa) {
    const int added = SSL_dane_tlsa_add(ssl_.get(), record.usage, record.selector, record.matching, record.data.data(),
                                        record.data.size());
    if (added < 0) return LocalError(absl::StatusCode::kInvalidArgument, "a TLSA record cannot be used");
    usable += added;
  }
  ERR_clear_error();
  if (usable == 0) return absl::InvalidArgumentError("no TLSA record can be used");
  return absl::OkStatus();
}

int Channel::KeepSession(SSL* ssl, SSL_SESSION* session) {
  auto* channel = static_cast<Channel*>(SSL_get_app_data(ssl));
  if (channel->sessions_ == nullptr || channel->sessions_kept_ >= kTicketsMax) return 0;
  if (SSL_SESSION_is_resumable(session) != 1) return 0;
  ++channel->sessions_kept_;
  channel->sessions_->Put(channel->session_key_, SslSessionPtr(session));
  return 1;  // the reference is ours
}

absl::StatusOr<bool> Channel::Handshake() {
  if (!failure_.ok()) return failure_;
  if (handshake_done_) return true;
  ERR_clear_error();
  wire_.set_asked(false);
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1) {
    if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) return false;
    if (sessions_ != nullptr) sessions_->Forget(session_key_);
    return Fail(result);
  }
  if (client_ != nullptr && client_->fips() && !ShowsAStrongKey(ssl_.get())) {
    if (sessions_ != nullptr) sessions_->Forget(session_key_);
    failure_ = absl::UnavailableError(fmt::format(
        "the peer's key has less than {} bits of strength, which `tls.fips` asks for", kSp80052StrengthBits));
    return failure_;
  }
  handshake_done_ = true;
  return true;
}

absl::Status Channel::Feed(std::span<const char> ciphertext) {
  if (!failure_.ok()) return failure_;
  if (ciphertext.size() > kIncomingMax - wire_.incoming()) {
    failure_ = absl::ResourceExhaustedError("more was received over TLS than is read");
    return failure_;
  }
  wire_.Feed(ciphertext);
  return absl::OkStatus();
}

absl::StatusOr<size_t> Channel::Read(std::span<char> plaintext) {
  assert(handshake_done_);
  if (!failure_.ok()) return failure_;
  ERR_clear_error();
  wire_.set_asked(false);
  size_t total = 0;
  // Where nothing has come OpenSSL is not asked: it makes a record's buffer first, and frees it again.
  while (total < plaintext.size() && !closed_ && (wire_.incoming() > 0 || SSL_has_pending(ssl_.get()) == 1)) {
    size_t size = 0;
    const int result = SSL_read_ex(ssl_.get(), plaintext.data() + total, plaintext.size() - total, &size);
    total += size;
    if (result == 1) continue;
    const int error = SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_WANT_READ) break;
    if (error == SSL_ERROR_ZERO_RETURN) {
      closed_ = true;
      break;
    }
    absl::Status failure = Fail(result);
    if (total > 0) break;  // what came before the failure is good; the next call returns it
    return failure;
  }
  return total;
}

absl::Status Channel::Write(std::span<const char> plaintext) {
  assert(handshake_done_ && !shut_down_);
  if (!failure_.ok()) return failure_;
  if (plaintext.empty()) return absl::OkStatus();
  ERR_clear_error();
  wire_.set_asked(true);
  size_t written = 0;
  const int result = SSL_write_ex(ssl_.get(), plaintext.data(), plaintext.size(), &written);
  if (result != 1) return Fail(result);
  return absl::OkStatus();
}

std::span<const char> Channel::Outgoing() { return wire_.Outgoing(); }

void Channel::ConsumeOutgoing(size_t bytes) { wire_.Consume(bytes); }

void Channel::Shutdown() {
  if (shut_down_ || !handshake_done_ || !failure_.ok()) return;
  shut_down_ = true;
  ERR_clear_error();
  wire_.set_asked(true);
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

Channel::Details Channel::details() const {
  if (!handshake_done_) return {};
  Details details;
  details.version = SSL_get_version(ssl_.get());
  details.cipher = SSL_get_cipher_name(ssl_.get());
  details.resumed = SSL_session_reused(ssl_.get()) == 1;
  const char* const sni = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  if (sni != nullptr) details.server_name = sni;
  // The handshake would have failed otherwise. A resumed session was made under the same policy, name and roots: its
  // key says so.
  details.verified_name = verify_name_;
  return details;
}

std::optional<CertificateFault> Channel::certificate_fault() const {
  const long result = SSL_get_verify_result(ssl_.get());  // NOLINT(google-runtime-int): OpenSSL's type
  if (result == X509_V_OK) return std::nullopt;
  CertificateFault fault{.words = X509_verify_cert_error_string(result)};
  switch (result) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
      fault.kind = CertificateFault::Kind::kName;
      break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      fault.kind = CertificateFault::Kind::kExpired;
      break;
    case X509_V_ERR_DANE_NO_MATCH:
      break;
    default:
      fault.kind = CertificateFault::Kind::kNotTrusted;
  }
  return fault;
}

std::optional<PeerCertificate> Channel::peer_certificate() const {
  const X509Ptr shown(handshake_done_ ? SSL_get1_peer_certificate(ssl_.get()) : nullptr);
  if (shown == nullptr) return std::nullopt;
  PeerCertificate certificate;
  auto* const names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(shown.get(), NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names) && certificate.names.size() < kNamesMax; ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS) continue;
    certificate.names.push_back(Printable(ASN1_STRING_get0_data(name->d.dNSName), ASN1_STRING_length(name->d.dNSName)));
  }
  GENERAL_NAMES_free(names);
  for (const int part : {NID_commonName, NID_organizationName}) {
    X509_NAME* const issuer = X509_get_issuer_name(shown.get());
    const int at = X509_NAME_get_index_by_NID(issuer, part, -1);
    if (at < 0) continue;
    const ASN1_STRING* const text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(issuer, at));
    certificate.issuer = Printable(ASN1_STRING_get0_data(text), ASN1_STRING_length(text));
    break;
  }
  std::tm ends = {};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(shown.get()), &ends) == 1) {
    certificate.not_after = absl::FromTM(ends, absl::UTCTimeZone());
  }
  ERR_clear_error();
  return certificate;
}

absl::Status Channel::Fail(int ssl_result) {
  failure_ = PeerError(ssl_.get(), SSL_get_error(ssl_.get(), ssl_result), verify_name_);
  if (!handshake_done_ && client_ != nullptr && client_->fips() && absl::IsUnavailable(failure_)) {
    failure_ = absl::UnavailableError(fmt::format("{} (`tls.fips` offers it the algorithms of NIST SP 800-52r2 only)",
                                                  std::string(failure_.message())));
  }
  return failure_;
}

}  // namespace sealift::tls
