// An address: what is accepted has one spelling, and cannot leave the path it is written into.
#include "engine/smtp/mailbox.h"

#include <string>

#include "engine/smtp/command.h"
#include "tests/fuzz/property.h"

namespace sealift::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  const absl::StatusOr<engine::Mailbox> mailbox = engine::ParseMailbox(text);
  if (!mailbox.ok()) return 0;
  const std::string spelt = mailbox->ToString();
  Holds(spelt.size() <= 254, "a path with its brackets stays within 256 bytes");
  for (const char c : spelt) Holds(static_cast<unsigned char>(c) >= ' ' && c != '\x7f', "no control character");
  const absl::StatusOr<engine::Mailbox> again = engine::ParseMailbox(spelt);
  Holds(again.ok() && *again == *mailbox, "its own spelling is the same address");
  std::string command;
  engine::AppendRcptTo(spelt, /*original=*/false, command);
  Holds(command.ends_with("\r\n") && command.find_first_of("\r\n") == command.size() - 2, "RCPT is one line");
  return 0;
}

}  // namespace sealift::fuzz
