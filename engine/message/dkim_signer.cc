#include "engine/message/dkim_signer.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <ranges>
#include <utility>

#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

constexpr size_t kLineBytes = 76;
constexpr size_t kRelaxedBytes = 4096, kSignatureBytes = 768;  // what most messages need

struct Field {
  std::string_view name;
  std::string_view whole;  // with its folds, without the last line end
  bool taken = false;
};

// The fields of a header, which ends at an empty line or with the text.
std::vector<Field> FieldsOf(std::string_view header) {
  std::vector<Field> fields;
  fields.reserve(32);
  while (!header.empty() && !header.starts_with("\r\n")) {
    size_t end = header.find("\r\n");
    while (end != std::string_view::npos && end + 2 < header.size() &&
           (header[end + 2] == ' ' || header[end + 2] == '\t'))
      end = header.find("\r\n", end + 2);
    const std::string_view whole = header.substr(0, end);
    fields.push_back({.name = Trimmed(whole.substr(0, whole.find(':'))), .whole = whole});
    header.remove_prefix(end == std::string_view::npos ? header.size() : end + 2);
  }
  return fields;
}

// The relaxed form of those that `names` names, in its order.
std::string Relaxed(std::vector<Field> fields, const std::vector<std::string_view>& names) {
  std::string relaxed;
  for (const std::string_view name : names) {
    for (size_t i = fields.size(); i-- > 0;) {
      if (fields[i].taken || !EqualsIgnoreCase(fields[i].name, name)) continue;
      fields[i].taken = true;
      AppendRelaxedField(fields[i].whole, relaxed);
      break;
    }
  }
  return relaxed;
}

// Of `relaxed` and the signature behind it; `relaxed` is as it was afterwards.
Sha256 HashWith(std::string& relaxed, std::string_view signature) {
  const size_t size = relaxed.size();
  AppendRelaxedField(signature, relaxed);
  const Sha256 hash = HashOf(std::string_view(relaxed).substr(0, relaxed.size() - 2));  // without the last line end
  relaxed.resize(size);
  return hash;
}

void AppendBase64(std::string_view bytes, size_t column, std::string& out) {
  std::string encoded;
  absl::Base64Escape(std::string(bytes), &encoded);
  for (size_t at = 0; at < encoded.size();) {
    const size_t piece = std::min(kLineBytes - column, encoded.size() - at);
    out.append(encoded, at, piece);
    at += piece;
    if (at == encoded.size()) break;
    out += "\r\n  ";
    column = 2;
  }
}

// The value of h=, folded before a name that would not fit, and what it names in its relaxed form: each of kDkimFields
// as often as it is present, the last one first, and once more, so that none can be added.
void AppendNames(const std::vector<Field>& present, std::string& relaxed, std::string& tags) {
  size_t column = 3;
  bool first = true;
  const auto append = [&](std::string_view name) {
    if (!std::exchange(first, false)) {
      tags += ':';
      ++column;
    }
    if (column + name.size() + 1 > kLineBytes) {
      tags += "\r\n  ";
      column = 2;
    }
    tags += name;
    column += name.size();
  };
  for (const std::string_view name : kDkimFields) {
    for (const Field& field : present | std::views::reverse) {
      if (field.name.size() != name.size() || !EqualsIgnoreCase(field.name, name)) continue;
      append(name);
      AppendRelaxedField(field.whole, relaxed);
    }
    append(name);
  }
}

// What a message has of its own in its signatures, whoever signs it.
struct Draft {
  std::string relaxed;  // the fields that are signed
  std::string tags;     // from h= to b=
  std::string field;    // of one identity, so far
};

Draft DraftOf(const DkimSigner::Unsigned& message) {
  const size_t end = message.message.find("\r\n\r\n");
  const std::string_view body = end == std::string_view::npos ? std::string_view() : message.message.substr(end + 4);
  const Sha256 hash = message.body_hash.has_value() ? *message.body_hash : HashRelaxedBody(body);
  Draft draft;
  draft.relaxed.reserve(std::min(end, kRelaxedBytes) + kSignatureBytes);
  draft.tags.reserve(kSignatureBytes);
  draft.tags = ";\r\n h=";
  AppendNames(FieldsOf(message.message.substr(0, end)), draft.relaxed, draft.tags);
  draft.tags += ";\r\n bh=";
  AppendBase64({reinterpret_cast<const char*>(hash.data()), hash.size()}, 4, draft.tags);
  draft.tags += ";\r\n b=";
  return draft;
}

// An identity's field up to its signature.
std::string FieldOf(const DkimIdentity& identity, std::string_view tags) {
  std::string field;
  field.reserve(kSignatureBytes + kSignatureBytes);
  fmt::format_to(std::back_inserter(field), "DKIM-Signature: v=1; a={}; c=relaxed/relaxed;\r\n d={};\r\n s={}",
                 ToString(identity.key.algorithm()), identity.domain, identity.selector);
  field += tags;
  return field;
}

}  // namespace

Sha256 HashDkimHeader(std::string_view header, const std::vector<std::string_view>& names, std::string_view signature) {
  std::string relaxed = Relaxed(FieldsOf(header), names);
  return HashWith(relaxed, signature);
}

bool DkimSigner::SignsAs(const DkimSigner& other) const {
  return std::ranges::equal(identities_, other.identities_, [](const DkimIdentity& a, const DkimIdentity& b) {
    return a.domain == b.domain && a.selector == b.selector && a.key.public_key() == b.key.public_key();
  });
}

bool DkimSigner::SignsTogether() const {
  return std::ranges::any_of(identities_, [](const DkimIdentity& identity) { return identity.key.SignsTogether(); });
}

absl::Status DkimSigner::Sign(std::string_view message, const std::optional<Sha256>& body_hash,
                              std::string& fields) const {
  Unsigned one{.message = message, .body_hash = body_hash, .fields = &fields};
  Sign({&one, 1});
  return one.status;
}

void DkimSigner::Sign(absl::Span<Unsigned> messages, Pause pause) const {
  std::vector<Draft> drafts;
  drafts.reserve(messages.size());
  for (const Unsigned& message : messages) drafts.push_back(DraftOf(message));
  std::vector<std::string> appended(messages.size()), signatures(messages.size());
  std::vector<Sha256> hashes(messages.size());
  for (const DkimIdentity& identity : identities_) {
    for (size_t i = 0; i < messages.size(); ++i) {
      drafts[i].field = FieldOf(identity, drafts[i].tags);
      hashes[i] = HashWith(drafts[i].relaxed, drafts[i].field);
    }
    identity.key.Sign(hashes, absl::MakeSpan(signatures), pause);
    for (size_t i = 0; i < messages.size(); ++i) {
      if (signatures[i].empty()) messages[i].status = absl::InternalError("OpenSSL could not sign");
      AppendBase64(signatures[i], 3, drafts[i].field);
      appended[i] += drafts[i].field;
      appended[i] += "\r\n";
    }
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].status.ok()) *messages[i].fields += appended[i];
  }
}

}  // namespace sealift::engine
