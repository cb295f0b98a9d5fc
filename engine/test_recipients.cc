#include "engine/test_recipients.h"

#include <algorithm>

namespace sealift::engine {
namespace {

std::string FormOf(Mailbox mailbox) {
  std::ranges::transform(mailbox.local, mailbox.local.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
  return mailbox.ToString();
}

}  // namespace

absl::StatusOr<std::string> TestRecipientForm(std::string_view entry) {
  if (entry.starts_with('@')) {
    const absl::StatusOr<std::string> domain = ParseDomain(entry.substr(1));
    if (!domain.ok()) return domain.status();
    return "@" + *domain;
  }
  const absl::StatusOr<Mailbox> mailbox = ParseMailbox(entry);
  if (!mailbox.ok()) return mailbox.status();
  return FormOf(*mailbox);
}

bool IsTestRecipient(const NodeOptions& node, const Mailbox& mailbox) {
  const std::string address = FormOf(mailbox);
  return std::ranges::any_of(node.test_recipients, [&](const std::string& allowed) {
    return allowed == address || allowed == "@" + mailbox.domain;
  });
}

}  // namespace sealift::engine
