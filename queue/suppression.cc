#include "queue/suppression.h"

#include <algorithm>
#include <array>

#include "queue/wire.h"

namespace sealift::queue {
namespace {

constexpr uint8_t kVersion = 1;
constexpr uint8_t kAdded = 1, kSink = 2;
constexpr std::array<std::string_view, 5> kKinds = {"opt_out", "complaint", "hard_bounce", "manual", "suspected"};

}  // namespace

std::string_view ToString(SuppressionKind kind) { return kKinds[static_cast<size_t>(kind)]; }

std::optional<SuppressionKind> ParseSuppressionKind(std::string_view text) {
  const auto found = std::find(kKinds.begin(), kKinds.end(), text);
  if (found == kKinds.end()) return std::nullopt;
  return static_cast<SuppressionKind>(found - kKinds.begin());
}

bool Suppression::Binds(const Mailing& mailing) const {
  if (kind == SuppressionKind::kSuspected) return false;
  if (sink && !mailing.sink) return false;
  const bool asked_for = kind == SuppressionKind::kOptOut || kind == SuppressionKind::kComplaint;
  if (asked_for && mailing.transactional) return false;
  switch (scope.of) {
    case SuppressionScope::Of::kGlobal:
      return true;
    case SuppressionScope::Of::kStream:
      return scope.name == mailing.stream;
    case SuppressionScope::Of::kCampaign:
      return scope.name == mailing.campaign;
  }
  return true;
}

std::vector<const SuppressionEntry*> SuppressionRecord::InForce() const {
  std::vector<const SuppressionEntry*> in_force;
  for (const SuppressionEntry& entry : history) {
    std::erase_if(in_force, [&](const SuppressionEntry* before) { return before->what == entry.what; });
    if (entry.added) in_force.push_back(&entry);
  }
  return in_force;
}

void EncodeSuppressions(const SuppressionRecord& record, std::string* out) {
  out->push_back(static_cast<char>(kVersion));
  PutBytes(record.address, out);
  PutVarint(record.history.size(), out);
  for (const SuppressionEntry& entry : record.history) {
    out->push_back(static_cast<char>((entry.added ? kAdded : 0) | (entry.what.sink ? kSink : 0)));
    out->push_back(static_cast<char>(entry.what.kind));
    out->push_back(static_cast<char>(entry.what.scope.of));
    PutTime(entry.time, out);
    for (const std::string* text : {&entry.what.scope.name, &entry.reason, &entry.by, &entry.source, &entry.provider,
                                    &entry.reason_class, &entry.reply}) {
      PutBytes(*text, out);
    }
  }
}

absl::StatusOr<SuppressionRecord> DecodeSuppressions(std::string_view from) {
  const absl::Status unreadable =
      absl::DataLossError("an entry of the suppression list is in a form that this version does not know");
  WireReader in(from);
  if (in.Byte() != kVersion) return unreadable;
  SuppressionRecord record;
  record.address = in.Bytes();
  const uint64_t count = in.Varint();
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    SuppressionEntry& entry = record.history.emplace_back();
    const uint8_t flags = in.Byte(), kind = in.Byte(), of = in.Byte();
    if (kind >= kKinds.size() || of > static_cast<uint8_t>(SuppressionScope::Of::kCampaign)) return unreadable;
    entry.added = (flags & kAdded) != 0;
    entry.what.sink = (flags & kSink) != 0;
    entry.what.kind = static_cast<SuppressionKind>(kind);
    entry.what.scope.of = static_cast<SuppressionScope::Of>(of);
    entry.time = in.Time();
    for (std::string* text : {&entry.what.scope.name, &entry.reason, &entry.by, &entry.source, &entry.provider,
                              &entry.reason_class, &entry.reply}) {
      *text = in.Bytes();
    }
  }
  if (!in.done()) return unreadable;
  return record;
}

}  // namespace sealift::queue
