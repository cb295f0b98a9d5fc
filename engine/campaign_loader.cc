#include "engine/campaign_loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/campaign_settings.h"
#include "engine/exit_code.h"
#include "engine/failure_parts.h"
#include "engine/message/name_check.h"
#include "engine/message/nested_value.h"
#include "engine/message/row_error.h"
#include "engine/smtp/utf8.h"
#include "engine/template_admission.h"

namespace sealift::engine {
namespace {

absl::Status BadFile(const std::string& sentence) {
  return WithNext(WithPlace(WithExit(absl::InvalidArgumentError(sentence), ExitCode::kBadData), "the recipient file"),
                  "Correct the file and give the same command again.");
}

absl::Status BadDefault(const absl::Status& why) {
  return WithNext(WithPlace(WithExit(why, ExitCode::kUsage), "--default"),
                  "Correct or leave out the default and give the same command again.");
}

constexpr size_t kKeyBytesMax = 128;

// Why this cannot be a row's key; empty when it can. Several rows may have the same.
std::string_view WhyNoKey(std::string_view key) {
  if (NestedValue::IsNested(key)) return "it is no text and no number, and --key-column names each row by it";
  if (key.empty()) return "it is empty, and --key-column names each row by it";
  if (key.size() > kKeyBytesMax) return "it is longer than 128 bytes, and --key-column names each row by it";
  if (HasControl(key)) return "it has a control character, and --key-column names each row by it";
  return {};
}

// The columns that hold text in the reader's row.
std::vector<std::string> TextColumns(const RecipientReader& reader) {
  std::vector<std::string> text;
  for (size_t i = 0; i < reader.columns().size(); ++i) {
    const std::string_view field = reader.recipient().fields[i];
    if (!field.empty() && !NestedValue::IsNested(field)) text.push_back(reader.columns()[i]);
  }
  return text;
}

}  // namespace

RecipientFileLoader::RecipientFileLoader(queue::Store& store, Campaigns& campaigns, LoadRequest request,
                                         queue::CampaignSpec spec, StreamKind kind, AdmitChunk admit,
                                         std::function<void(uint64_t)> accepted, std::string notice)
    : request_(std::move(request)),
      spec_(std::move(spec)),
      load_({.store = store, .campaigns = campaigns, .admit = std::move(admit), .accepted = std::move(accepted)}, kind),
      notice_(std::move(notice)),
      reader_(request_.format) {}

absl::Status RecipientFileLoader::Feed(std::span<const char> bytes) {
  unhashed_.append(bytes.data(), bytes.size());
  fed_ += bytes.size();
  reader_.Feed(std::string_view(bytes.data(), bytes.size()));
  const absl::Status read = Read();
  if (!read.ok()) return read;
  const absl::Status same = ComparePrefix();
  if (!same.ok()) return same;
  HashUpTo(reader_.offset());
  unhashed_.erase(0, unhashed_.size() - (fed_ - hashed_));
  return absl::OkStatus();
}

absl::Status RecipientFileLoader::Read() {
  while (true) {
    const absl::StatusOr<RecipientReader::Step> step = reader_.Next();
    if (!step.ok()) return BadFile(std::string(step.status().message()));
    if (!content_.has_value() && reader_.has_columns()) {
      // A file whose rows differ is more likely a mistake than a wish: what is text in the first is text in all.
      const bool has_row = *step == RecipientReader::Step::kRecipient;
      const absl::Status begun = Begin(has_row ? TextColumns(reader_) : std::vector<std::string>());
      if (!begun.ok()) return begun;
    }
    switch (*step) {
      case RecipientReader::Step::kNeedMore:
      case RecipientReader::Step::kEnd:
        return absl::OkStatus();
      case RecipientReader::Step::kRejected: {
        const RecipientReader::Rejection& rejection = reader_.rejection();
        Reject(rejection.offset, {.line = rejection.line, .column = rejection.column, .reason = rejection.reason});
        break;
      }
      case RecipientReader::Step::kRecipient: {
        const absl::Status taken = Take(reader_.recipient());
        if (!taken.ok()) return taken;
        break;
      }
    }
  }
}

absl::Status RecipientFileLoader::Begin(const std::vector<std::string>& text_columns) {
  const std::vector<std::string>& columns = reader_.columns();
  const Template::Options options{.columns = columns, .defaults = spec_.defaults, .names = NamesOf(request_.format)};
  if (const absl::Status named = CheckNames(spec_.template_text, options, text_columns); !named.ok()) {
    return BadTemplate(named);
  }
  absl::StatusOr<Template> probe = Template::Compile(spec_.template_text, options);
  if (!probe.ok()) return BadTemplate(probe.status());
  std::vector<std::string> required;
  required.reserve(request_.require.size());
  for (const auto& [name, value] : request_.require) required.push_back(name);
  if (const absl::Status defaults = CheckDefaults(spec_.template_text, options, required); !defaults.ok()) {
    return BadDefault(defaults);
  }
  // Only what the message uses is kept: what is not there cannot leak.
  for (const std::string& name : probe->needed_columns()) {
    const auto found = std::ranges::find(columns, name);
    if (found == columns.end()) continue;  // a default stands in for it
    kept_.push_back(static_cast<size_t>(found - columns.begin()));
    spec_.columns.push_back(name);
  }
  for (const auto& [name, value] : request_.require) {
    const auto found = std::ranges::find(columns, name);
    const auto fallback = std::ranges::find(spec_.defaults, name, [](const auto& each) { return each.first; });
    if (EqualsIgnoreCase(name, "email")) {
      return BadFile("--require goes by a column of merge fields, and the address is none: leave rows out of the file");
    }
    if (found == columns.end() && fallback == spec_.defaults.end()) {
      return BadFile(
          fmt::format("--require names the column '{}', which the recipient file does not have; it has: email, {}",
                      name, fmt::join(columns, ", ")));
    }
    Requirement& requirement = required_.emplace_back();
    requirement.name = name;
    requirement.value = value;
    if (found != columns.end()) requirement.column = static_cast<size_t>(found - columns.begin());
    if (fallback != spec_.defaults.end()) requirement.fallback = fallback->second;
  }
  const absl::Status key_found = FindKeyColumn();
  if (!key_found.ok()) return key_found;
  std::vector<std::string> there = probe->required_columns();
  for (const Requirement& each : required_) {
    if (each.fallback.empty()) there.push_back(each.name);
  }
  if (key_.has_value()) there.push_back(request_.key_column);
  reader_.Require(there);
  absl::StatusOr<Template> content = CompileTemplate(spec_);
  if (!content.ok()) return content.status();
  content_ = *std::move(content);

  const absl::Status begun =
      load_.Begin(spec_, request_, [this](const queue::Campaign& before) { return CompareWith(before); });
  if (begun.ok()) compared_ = load_.resume_at() == 0;
  return begun;
}

// The key is sealed with the row as one more of its fields; a template may use it as well.
absl::Status RecipientFileLoader::FindKeyColumn() {
  const std::string& name = request_.key_column;
  if (name.empty()) return absl::OkStatus();
  if (EqualsIgnoreCase(name, "email")) {
    return WithExit(absl::InvalidArgumentError(
                        "--key-column cannot be email: a key is shown where addresses are masked. Name a column whose "
                        "values mean something to you alone, such as a customer number"),
                    ExitCode::kUsage);
  }
  const std::vector<std::string>& columns = reader_.columns();
  const auto found = std::ranges::find(columns, name);
  if (found == columns.end()) {
    std::vector<std::string> all = {"email"};
    all.insert(all.end(), columns.begin(), columns.end());
    return BadFile(fmt::format("--key-column names the column '{}', which the recipient file does not have; it has: {}",
                               name, fmt::join(all, ", ")));
  }
  key_ = static_cast<size_t>(found - columns.begin());
  if (std::ranges::find(spec_.columns, name) != spec_.columns.end()) return absl::OkStatus();
  kept_.push_back(*key_);
  spec_.columns.push_back(name);
  return absl::OkStatus();
}

absl::Status RecipientFileLoader::CompareWith(const queue::Campaign& before) const {
  const queue::CampaignSpec& spec = before.spec;
  if (spec.template_text != spec_.template_text) return load_.OtherContent("with another template");
  const absl::StatusOr<CampaignSettings> settings = CampaignSettings::Parse(spec.settings_json);
  if (!settings.ok()) return settings.status();
  if (settings->key_column != request_.key_column) {
    return load_.OtherContent(settings->key_column.empty() ? "without --key-column"
                                                           : fmt::format("with --key-column {}", settings->key_column));
  }
  if (settings->format != request_.format) return load_.OtherContent(fmt::format("as {}", ToString(settings->format)));
  if (settings->names != NamesOf(request_.format)) {
    return load_.OtherContent("by a version of Sealift that took no lists and objects");
  }
  if (settings->require != request_.require) return load_.OtherContent("with another --require");
  if (spec.columns != spec_.columns || spec.defaults != spec_.defaults) {
    return load_.OtherContent("with other columns or defaults");
  }
  return absl::OkStatus();
}

void RecipientFileLoader::Reject(uint64_t offset, const Rejection& rejection) {
  if (on_rejection_) on_rejection_(rejection);
  if (load_.rows() != nullptr && offset > load_.resume_at()) load_.rows()->Reject();
}

absl::Status RecipientFileLoader::Take(const RecipientReader::Recipient& recipient) {
  const bool known = recipient.offset <= load_.resume_at();
  if (!known && !compared_) {
    const absl::Status same = ComparePrefix();
    if (!same.ok()) return same;
  }
  if (!known && load_.rows() == nullptr) return load_.OtherContent("from a shorter file");
  for (const Requirement& required : required_) {
    if (required.IsMet(recipient)) continue;
    Reject(recipient.offset,
           {.line = recipient.line, .column = required.name, .reason = "it is not the value that --require asks for"});
    return absl::OkStatus();
  }
  if (key_.has_value()) {
    const std::string_view why = WhyNoKey(recipient.fields[*key_]);
    if (!why.empty()) {
      Reject(recipient.offset,
             {.line = recipient.line, .column = reader_.columns()[*key_], .reason = std::string(why)});
      return absl::OkStatus();
    }
  }
  fields_.clear();
  for (const size_t index : kept_) fields_.push_back(recipient.fields[index]);
  const absl::Status fits = content_->Check({.email = recipient.email, .fields = fields_});
  if (!fits.ok()) {
    const RowErrorParts why = PartsOf(fits);
    Reject(recipient.offset, {.line = recipient.line, .column = why.column, .reason = why.reason});
    return absl::OkStatus();
  }
  if (known) return absl::OkStatus();
  const absl::StatusOr<queue::Load::Added> added = load_.rows()->Add({.id = static_cast<queue::RowId>(recipient.row),
                                                                      .recipient = recipient.email,
                                                                      .domain = recipient.mailbox->domain,
                                                                      .fields = fields_});
  if (!added.ok()) return added.status();
  return load_.rows()->full() ? load_.Commit(recipient.offset, DigestAt(recipient.offset), false) : absl::OkStatus();
}

void RecipientFileLoader::HashUpTo(uint64_t offset) {
  if (offset <= hashed_) return;
  digest_.Add(std::string_view(unhashed_).substr(unhashed_.size() - (fed_ - hashed_), offset - hashed_));
  hashed_ = offset;
}

std::string RecipientFileLoader::DigestAt(uint64_t offset) {
  HashUpTo(offset);
  return digest_.SoFar();
}

absl::Status RecipientFileLoader::ComparePrefix() {
  if (compared_ || fed_ < load_.resume_at()) return absl::OkStatus();
  if (!load_.IsSame(DigestAt(load_.resume_at()))) return load_.OtherContent("from a file with other content");
  compared_ = true;
  return absl::OkStatus();
}

absl::StatusOr<CampaignLoader::Summary> RecipientFileLoader::Finish() {
  reader_.Finish();
  const absl::Status read = Read();
  if (!read.ok()) return read;
  if (!content_.has_value())
    return BadFile("the recipient file is empty; its first row names the columns, 'email' among them");
  if (load_.known() && (!compared_ || fed_ < load_.resume_at())) return load_.OtherContent("from a longer file");
  if (load_.was_complete() && fed_ != load_.resume_at()) return load_.OtherContent("from a shorter file");
  absl::StatusOr<Summary> summary = load_.Finish(fed_, DigestAt(fed_), request_);
  if (summary.ok()) summary->notice = notice_;
  return summary;
}

}  // namespace sealift::engine
