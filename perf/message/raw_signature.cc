// raw_signature KEY.pem THREADS SECONDS signs one hash again and again with this RSA or Ed25519 key, a context a thread
// made once, and prints how many microseconds of processor time a signature has taken: what OpenSSL asks for it and
// nothing else.
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <thread>
#include <vector>

namespace {

struct Total {
  std::atomic<long> signatures = 0, nanoseconds = 0;
  std::atomic<bool> failed = false;
};

long ThreadNanoseconds() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return used.tv_sec * 1'000'000'000L + used.tv_nsec;
}

// One key of one thread, ready to sign.
class Signer {
 public:
  explicit Signer(const char* file) {
    FILE* const in = std::fopen(file, "r");
    key_ = in == nullptr ? nullptr : PEM_read_PrivateKey(in, nullptr, nullptr, nullptr);
    if (in != nullptr) std::fclose(in);
    if (key_ == nullptr) return;
    if (EVP_PKEY_get_base_id(key_) == EVP_PKEY_ED25519) {
      digest_ = EVP_MD_CTX_new();
      ready_ = EVP_DigestSignInit(digest_, nullptr, nullptr, nullptr, key_) == 1;
      return;
    }
    context_ = EVP_PKEY_CTX_new_from_pkey(nullptr, key_, nullptr);
    ready_ = context_ != nullptr && EVP_PKEY_sign_init(context_) == 1 &&
             EVP_PKEY_CTX_set_rsa_padding(context_, RSA_PKCS1_PADDING) == 1 &&
             EVP_PKEY_CTX_set_signature_md(context_, EVP_sha256()) == 1;
  }
  ~Signer() {
    EVP_PKEY_CTX_free(context_);
    EVP_MD_CTX_free(digest_);
    EVP_PKEY_free(key_);
  }
  Signer(const Signer&) = delete;
  Signer& operator=(const Signer&) = delete;

  bool Sign(const std::array<unsigned char, 32>& hash) {
    size_t size = signature_.size();
    if (!ready_) return false;
    if (digest_ != nullptr) return EVP_DigestSign(digest_, signature_.data(), &size, hash.data(), hash.size()) == 1;
    return EVP_PKEY_sign(context_, signature_.data(), &size, hash.data(), hash.size()) == 1;
  }

 private:
  EVP_PKEY* key_ = nullptr;
  EVP_PKEY_CTX* context_ = nullptr;
  EVP_MD_CTX* digest_ = nullptr;
  bool ready_ = false;
  std::array<unsigned char, 1024> signature_{};
};

void SignUntil(std::chrono::steady_clock::time_point end, const char* file, Total& total) {
  Signer signer(file);
  const std::array<unsigned char, 32> hash{};
  long signatures = 0;
  const long begun = ThreadNanoseconds();
  while (!total.failed && std::chrono::steady_clock::now() < end) {
    if (!signer.Sign(hash)) total.failed = true;
    ++signatures;
  }
  total.nanoseconds += ThreadNanoseconds() - begun;
  total.signatures += signatures;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc == 4 ? std::atoi(argv[2]) : 0;
  const double seconds = argc == 4 ? std::atof(argv[3]) : 0;
  if (threads < 1 || seconds <= 0) {
    fmt::print(stderr, "usage: raw_signature KEY.pem THREADS SECONDS\n");
    return 64;
  }
  Total total;
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(static_cast<long>(seconds * 1e6));
  std::vector<std::thread> running;
  running.reserve(static_cast<size_t>(threads));
  for (int i = 0; i < threads; ++i) running.emplace_back(SignUntil, end, argv[1], std::ref(total));
  for (std::thread& thread : running) thread.join();
  if (total.failed) {
    fmt::print(stderr, "raw_signature: {} holds no RSA or Ed25519 key that signs\n", argv[1]);
    return 65;
  }
  fmt::print("{:.3f}\n", static_cast<double>(total.nanoseconds) / 1e3 / static_cast<double>(total.signatures));
  return 0;
}
