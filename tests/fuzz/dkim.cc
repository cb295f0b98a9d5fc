// What the DNS publishes as a key, and messages that are hashed for a signature.
#include <string>
#include <vector>

#include "engine/message/dkim_canonical.h"
#include "engine/message/dkim_record.h"
#include "tests/fuzz/property.h"

namespace sealift::fuzz {
namespace {

const engine::DkimKey& Key() {
  static const engine::DkimKey kKey = *engine::DkimKey::Generate(engine::DkimAlgorithm::kEd25519Sha256);
  return kKey;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  const engine::DkimRecordFinding finding = CompareDkimRecord(Key(), {text});
  Holds(finding.state != engine::DkimRecordState::kMatches || text.find(Key().public_key().substr(0, 8)) != text.npos,
        "only a record with the key in it matches");

  // RFC 6376 3.4.4: white space at the end of lines and empty lines at the end do not count.
  Holds(engine::HashRelaxedBody(text + "\r\n") == engine::HashRelaxedBody(text + " \r\n\r\n\r\n"),
        "the relaxed body ignores what the standard says");
  std::string once, twice;
  engine::AppendRelaxedField("Subject:" + text, once);
  engine::AppendRelaxedField(once, twice);
  Holds(once == twice, "a relaxed field is its own relaxed form");
  return 0;
}

}  // namespace sealift::fuzz
