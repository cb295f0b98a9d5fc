#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>

namespace sealift::engine {

// InputDigest is the SHA-256 (FIPS 180-4) of an input as far as it was read, by which a load that goes on knows the
// input of the load before.
//
// Owned by:  one load.
// Threads:   one.
class InputDigest {
 public:
  InputDigest();

  void Add(std::string_view bytes);
  std::string SoFar() const;  // in hexadecimal; more may be added

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };

  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

}  // namespace sealift::engine
