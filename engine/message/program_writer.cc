#include "engine/message/program_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine/message/suggestion.h"
#include "engine/message/template_error.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

using StepKind = Program::Step::Kind;

constexpr size_t kColumnsNamedMax = 20;

}  // namespace

ProgramWriter::ProgramWriter(const Template::Options& options, Columns columns) : options_(options), columns_(columns) {
  program_->columns = columns_ == Columns::kGiven ? options_.columns.size() : 0;
}

void ProgramWriter::Literal(std::string_view bytes) {
  if (bytes.empty()) return;
  const bool new_step = program_->steps.empty() || program_->steps.back().kind != StepKind::kLiteral ||
                        program_->steps.size() == program_->body_begin;
  if (new_step) {
    Add(StepKind::kLiteral).begin = program_->literals.size();
  }
  program_->literals += bytes;
  program_->steps.back().size += bytes.size();
}

void ProgramWriter::Lines(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    Literal(text.substr(0, end));
    if (end == std::string_view::npos) return;
    Literal("\r\n");
    text.remove_prefix(end + 1);
  }
}

Program::Step& ProgramWriter::Add(StepKind kind) {
  Program::Step& step = program_->steps.emplace_back();
  step.kind = kind;
  return step;
}

void ProgramWriter::AddHeader(HeaderSlots header) {
  Add(StepKind::kHeader).index = static_cast<uint32_t>(program_->headers.size());
  program_->headers.push_back(std::move(header));
}

void ProgramWriter::BeginBody() { program_->body_begin = program_->steps.size(); }

absl::StatusOr<uint32_t> ProgramWriter::SlotOf(const MustacheToken& tag) {
  const bool is_email = EqualsIgnoreCase(tag.text, "email");
  const std::string name = is_email ? "email" : std::string(tag.text);
  for (size_t i = 0; i < program_->slots.size(); ++i) {
    if (program_->slots[i].name == name) return static_cast<uint32_t>(i);
  }
  Slot slot;
  slot.name = name;
  bool known = is_email || columns_ == Columns::kAny;
  if (is_email) slot.column = Slot::kEmail;
  for (size_t i = 0; i < options_.columns.size() && !is_email; ++i) {
    if (options_.columns[i] != name) continue;
    slot.column = static_cast<int>(i);
    known = true;
    break;
  }
  for (const TemplateDefault& own : defaults_) {
    if (own.name != name || is_email) continue;
    slot.fallback = own.value;
    known = true;
  }
  for (const auto& [default_name, value] : options_.defaults) {
    if (default_name != name || is_email) continue;
    slot.fallback = value;
    known = true;
  }
  if (!known) {
    std::vector<std::string> columns = {"email"};
    columns.insert(columns.end(), options_.columns.begin(), options_.columns.end());
    const std::string suggestion = Suggestion(name, columns);
    std::string there;
    for (size_t i = 0; i < columns.size() && i < kColumnsNamedMax; ++i) there += (i == 0 ? "" : ", ") + columns[i];
    if (columns.size() > kColumnsNamedMax) there += fmt::format(" and {} more", columns.size() - kColumnsNamedMax);
    return TemplateError(
        tag.line, fmt::format("{{{{{0}}}}}: the recipients have no column {0}{1}. Their columns are: {2}. "
                              "Correct the name, add the column, or give a default: --default {0}=TEXT, or `default "
                              "{0} = TEXT` between lines of --- before the headers",
                              name, suggestion.empty() ? "" : fmt::format(" (did you mean {}?)", suggestion), there));
  }
  if (!is_email) program_->needed_columns.push_back(name);
  program_->slots.push_back(std::move(slot));
  return static_cast<uint32_t>(program_->slots.size() - 1);
}

absl::StatusOr<std::shared_ptr<const Program>> ProgramWriter::Finish() {
  for (const TemplateDefault& own : defaults_) {
    if (std::ranges::any_of(program_->slots, [&own](const Slot& slot) { return slot.name == own.name; })) continue;
    const std::string suggestion = Suggestion(own.name, program_->needed_columns);
    return TemplateError(
        own.line, fmt::format("no tag of the template is named {}{}: correct the name or remove the default", own.name,
                              suggestion.empty() ? "" : fmt::format(" (did you mean {}?)", suggestion)));
  }
  program_->literals.shrink_to_fit();
  program_->fixed_body_hash = program_->HashFixedBody();
  return program_;
}

}  // namespace sealift::engine
