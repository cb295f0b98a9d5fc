#include "engine/message/template_fields.h"

#include <deque>
#include <string_view>
#include <vector>

#include "engine/message/address_list.h"
#include "engine/message/mustache.h"
#include "engine/smtp/mailbox.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

// The domain is fixed when the template itself writes everything from the last @ on: a value before it is a local part,
// whatever it holds.
std::optional<std::string> DomainOf(const HeaderField& from) {
  SourceText source;
  source.line = from.line;
  source.text = from.value;
  const absl::StatusOr<std::vector<MustacheToken>> tokens = ParseMustache(source, false);
  if (!tokens.ok()) return std::nullopt;
  std::deque<std::string> texts;
  const absl::StatusOr<std::vector<AddressTokens>> list = ParseAddressList(*tokens, texts);
  if (!list.ok() || list->size() != 1 || list->front().address.empty()) return std::nullopt;
  const MustacheToken& last = list->front().address.back();
  const size_t at = last.text.rfind('@');
  if (last.kind != MustacheToken::Kind::kText || at == std::string_view::npos) return std::nullopt;
  const absl::StatusOr<std::string> domain = ParseDomain(Trimmed(last.text.substr(at + 1)));
  if (!domain.ok()) return std::nullopt;
  return *domain;
}

}  // namespace

TemplateFields FieldsOf(const Entity& entity) {
  TemplateFields fields;
  fields.own = {
      .unsubscribe = entity.Find("List-Unsubscribe") != nullptr || entity.Find("List-Unsubscribe-Post") != nullptr,
      .list_id = entity.Find("List-Id") != nullptr,
      .feedback_id = entity.Find("Feedback-ID") != nullptr};
  if (const HeaderField* const from = entity.Find("From"); from != nullptr) fields.from_domain = DomainOf(*from);
  return fields;
}

}  // namespace sealift::engine
