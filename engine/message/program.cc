#include "engine/message/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "engine/message/date.h"
#include "engine/message/quoted_printable.h"
#include "engine/message/row_error.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

// Nothing that ends the attribute that the URL stands in.
bool StaysInUrl(std::string_view value) { return value.find_first_of("<>\"'") == std::string_view::npos; }

// Nothing that ends a declaration, calls a function or names a URL.
bool IsHarmlessStyle(std::string_view value) {
  return std::ranges::all_of(value, [](char c) {
    return (c >= '0' && c <= '9') || (LowerCase(c) >= 'a' && LowerCase(c) <= 'z') ||
           std::string_view(" #%.,+-_").find(c) != std::string_view::npos;
  });
}

// What a value does that a caution warns of; empty: nothing.
std::string_view WrongWith(Program::Caution::Kind kind, std::string_view value) {
  switch (kind) {
    case Program::Caution::Kind::kLink:
      return IsHarmlessLink(value) ? "" : "begins a link and is no http, https, mailto or tel URL";
    case Program::Caution::Kind::kUrlText:
      return StaysInUrl(value) ? "" : "stands in a URL as it is and has a quote, < or >";
    case Program::Caution::Kind::kStyle:
      return IsHarmlessStyle(value) ? ""
                                    : "stands in a style and has more than letters, digits, blanks and # % . , + - _";
    case Program::Caution::Kind::kRecord:
      return HasControl(value) ? "stands in a calendar or card and has a line end or another control character" : "";
  }
  return "";
}

}  // namespace

bool Program::IsNested(const Template::Row& row) const {
  return takes_nested && (uses_nested || std::ranges::any_of(slots, [&row](const Slot& slot) {
                            return slot.column >= 0 &&
                                   NestedValue::IsNested(row.fields[static_cast<size_t>(slot.column)]);
                          }));
}

// What a row of lists and objects comes to is known once it is gone through: so it is rendered, to be thrown away.
absl::Status Program::Check(const Template::Row& row) const {
  assert(row.fields.size() >= columns);
  if (!IsNested(row)) return CheckFlat(row);
  static thread_local std::string scratch;
  scratch.clear();
  ContextStack contexts(slots, row, true);
  return RunSteps(0, contexts, {}, true, scratch);
}

absl::Status Program::CheckFlat(const Template::Row& row) const {
  ContextStack contexts(slots, row, false);
  for (const HeaderSlots& header : headers) {
    if (absl::Status status = header.Write(slots, contexts, nullptr); !status.ok()) return status;
  }
  for (const Caution& caution : cautions) {
    const Slot& slot = slots[caution.slot];
    const std::string_view wrong = WrongWith(caution.kind, slot.Value(row));
    if (wrong.empty()) continue;
    return RowError(slot.name, fmt::format("the value {} (line {} of the template)", wrong, caution.line));
  }
  return absl::OkStatus();
}

absl::Status Program::Render(const Template::Row& row, const Template::Identity& identity, std::string& out) const {
  assert(row.fields.size() >= columns);
  const size_t size_before = out.size();
  // An eighth for values; a geometric growth of its own beyond.
  if (out.capacity() < size_before + literals.size() + literals.size() / 8 + 256) {
    out.reserve(size_before + literals.size() + literals.size() / 8 + 256);
  }
  ContextStack contexts(slots, row, IsNested(row));
  return RunSteps(0, contexts, identity, false, out);
}

void Program::CheckCautions(size_t step, std::string_view value, ContextStack& contexts) const {
  for (auto it = std::ranges::lower_bound(cautions, step, {}, &Caution::step); it != cautions.end() && it->step == step;
       ++it) {
    if (const std::string_view wrong = WrongWith(it->kind, value); !wrong.empty())
      contexts.Fail(slots[it->slot], wrong);
  }
}

std::optional<Sha256> Program::HashFixedBody() const {
  for (size_t i = body_begin; i < steps.size(); ++i) {
    switch (steps[i].kind) {
      case Step::Kind::kLiteral:
      case Step::Kind::kBeginText:
      case Step::Kind::kTextLiteral:
      case Step::Kind::kEndText:
      case Step::Kind::kEndTextLines:
        break;
      default:
        return std::nullopt;
    }
  }
  std::string body;
  const Template::Row nobody{};
  ContextStack contexts(slots, nobody, false);
  const absl::Status rendered = RunSteps(body_begin, contexts, {}, false, body);
  if (!rendered.ok()) return std::nullopt;
  return HashRelaxedBody(body);
}

absl::Status Program::RunSteps(size_t begin, ContextStack& contexts, const Template::Identity& identity, bool checking,
                               std::string& out) const {
  const size_t size_before = out.size();
  size_t part_before = size_before;
  QuotedPrintableWriter text(out);
  const std::string_view store = literals;
  for (size_t i = begin; i < steps.size(); ++i) {
    const Step& step = steps[i];
    switch (step.kind) {
      case Step::Kind::kLiteral:
        if (!checking) out.append(store.substr(step.begin, step.size));
        break;
      case Step::Kind::kHeader:
        if (absl::Status status = headers[step.index].Write(slots, contexts, &out); !status.ok()) {
          out.resize(size_before);
          return status;
        }
        break;
      case Step::Kind::kDate:
        AppendDate(identity.date, out);
        break;
      case Step::Kind::kMessageId:
        out.append(identity.message_id);
        break;
      case Step::Kind::kIdentityFields:
        out.append(identity.fields);
        break;
      case Step::Kind::kBeginText:
        text.Begin();
        part_before = out.size();
        break;
      case Step::Kind::kTextLiteral:
        text.Literal(store.substr(step.begin, step.head), store.substr(step.begin + step.head, step.size - step.head),
                     step.column);
        break;
      case Step::Kind::kValue: {
        const std::string_view value = contexts.Text(step.slot);
        if (contexts.nested()) CheckCautions(i, value, contexts);
        text.Value(value, step.escaping);
        break;
      }
      case Step::Kind::kEndText:
      case Step::Kind::kEndTextLines:
        text.End(step.kind == Step::Kind::kEndTextLines);
        break;
      case Step::Kind::kIf:
        if (!contexts.Enter(step.slot)) i = step.index - 1;
        break;
      case Step::Kind::kEnd:
        if (contexts.Repeat(step.once, out.size() - part_before, literals.size() + ContextStack::kGrowthBytesMax))
          i = step.index;
        break;
      case Step::Kind::kUnless:
        if (!contexts.IsFalse(step.slot)) i = step.index - 1;
        break;
    }
  }
  if (!contexts.failed()) return absl::OkStatus();
  out.resize(size_before);
  return contexts.status();
}

}  // namespace sealift::engine
