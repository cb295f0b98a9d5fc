#include "engine/message/list_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "engine/message/percent_encoding.h"
#include "engine/smtp/mailbox.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

// With the token and the field's name a line of it stays under RFC 5322's 998.
constexpr size_t kUrlBytesMax = 800;
constexpr size_t kFeedbackIdBytesMax = 200;
constexpr size_t kSenderIdMin = 5, kSenderIdMax = 15;  // as Google asks
constexpr std::string_view kScheme = "https://";
constexpr std::string_view kCampaign = "{campaign}";

bool IsWord(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return IsUnreserved(c) || c == '+'; });
}

}  // namespace

void AppendListFields(const ListSettings& settings, const OwnListFields& own, std::string_view campaign,
                      std::string_view token, std::string& out) {
  const std::string_view url = settings.unsubscribe_url, mailto = settings.unsubscribe_mailto;
  if (!own.unsubscribe && !(url.empty() && mailto.empty())) {
    out += "List-Unsubscribe:";
    if (!url.empty()) {
      out += " <";
      out += url;
      out += url.find('?') == std::string_view::npos ? "?token=" : "&token=";
      out += token;
      out += mailto.empty() ? ">\r\n" : ">,\r\n";
    }
    if (!mailto.empty()) {
      const size_t at = mailto.rfind('@');
      out += " <mailto:";
      AppendPercentEncoded(mailto.substr(0, at), out);
      out += mailto.substr(at);
      out += "?subject=unsubscribe%20";
      out += token;
      out += ">\r\n";
    }
    if (!url.empty()) out += "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
  }
  if (!own.list_id && !settings.list_id.empty()) {
    out += "List-Id: <";
    out += settings.list_id;
    out += ">\r\n";
  }
  if (!own.feedback_id && !settings.feedback_id.empty()) {
    out += "Feedback-ID: ";
    std::string_view rest = settings.feedback_id;
    for (size_t at = rest.find(kCampaign); at != std::string_view::npos; at = rest.find(kCampaign)) {
      out += rest.substr(0, at);
      out += campaign;
      rest.remove_prefix(at + kCampaign.size());
    }
    out += rest;
    out += "\r\n";
  }
}

std::string CheckUnsubscribeUrl(std::string_view url) {
  if (url.empty()) return "";
  if (url.size() > kUrlBytesMax) return fmt::format("has {} bytes; {} are the most", url.size(), kUrlBytesMax);
  if (!url.starts_with(kScheme)) {
    return "does not begin with https://: one-click unsubscribe is for HTTPS alone (RFC 8058 3.1)";
  }
  const bool plain = std::ranges::all_of(url, [](char c) {
    return c > 0x20 && c < 0x7F && std::string_view("<>\"\\^`{|},").find(c) == std::string_view::npos;
  });
  if (!plain) return "has a character that no URL in a header may have; write it percent-encoded";
  if (url.find('#') != std::string_view::npos) return "has a fragment (#...), which no server ever sees; remove it";
  const std::string_view rest = url.substr(kScheme.size());
  const std::string_view host = rest.substr(0, rest.find_first_of(":/?"));
  if (host.find('@') != std::string_view::npos) return "has a user name, which every recipient would see; remove it";
  if (!ParseDomain(host).ok()) return "has no host name behind https://";
  return "";
}

std::string CheckUnsubscribeMailto(std::string_view address) {
  if (address.empty()) return "";
  if (address.starts_with("mailto:")) return "is a URL; write the address alone, Sealift makes the mailto: of it";
  const absl::StatusOr<Mailbox> mailbox = ParseMailbox(address);
  if (mailbox.ok()) return "";
  return fmt::format("is not a mail address ({})", std::string(mailbox.status().message()));
}

std::string CheckListId(std::string_view value) {
  if (value.empty()) return "";
  if (IsAscii(value) && !value.ends_with('.') && ParseDomain(value).ok()) return "";
  return "names no list: a List-Id is a word and a domain of yours behind a dot (RFC 2919 2), as in "
         "\"newsletter.example.com\"";
}

std::string CheckFeedbackId(std::string_view value) {
  if (value.empty()) return "";
  if (value.size() > kFeedbackIdBytesMax) return fmt::format("is longer than {} bytes", kFeedbackIdBytesMax);
  int words = 1;
  std::string_view rest = value;
  for (size_t at = rest.find(':'); at != std::string_view::npos; at = rest.find(':'), ++words) {
    const std::string_view word = rest.substr(0, at);
    if (!word.empty() && word != kCampaign && !IsWord(word)) {
      return "has a word that is neither {campaign} nor made of letters, digits, '.', '-', '_', '~' and '+'";
    }
    rest.remove_prefix(at + 1);
  }
  if (words > 4) return "has more than four words; with colons between there are up to three and the sender's";
  if (!IsWord(rest) || rest.size() < kSenderIdMin || rest.size() > kSenderIdMax) {
    return fmt::format(
        "does not end in a sender's word of {} to {} letters and digits, as in \"{{campaign}}:news::mailco\"",
        kSenderIdMin, kSenderIdMax);
  }
  return "";
}

}  // namespace sealift::engine
