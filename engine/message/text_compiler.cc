#include "engine/message/text_compiler.h"

#include <fmt/format.h>

#include "engine/message/quoted_printable.h"
#include "engine/message/template_error.h"

namespace sealift::engine {
namespace {

using Kind = MustacheToken::Kind;
using StepKind = Program::Step::Kind;

}  // namespace

absl::Status TextCompiler::Emit(const std::vector<MustacheToken>& tokens) {
  for (const MustacheToken& token : tokens) {
    if (token.kind == Kind::kText) {
      EmitText(token);
      continue;
    }
    if (token.kind == Kind::kClose) {
      if (absl::Status status = EndSection(token); !status.ok()) return status;
      continue;
    }
    const absl::StatusOr<uint32_t> slot = writer_.SlotOf(token);
    if (!slot.ok()) return slot.status();
    if (token.kind == Kind::kSection || token.kind == Kind::kInverted) {
      const bool inverted = token.kind == Kind::kInverted;
      open_.push_back({writer_.program().steps.size(), inverted, scanner_});
      writer_.Add(inverted ? StepKind::kUnless : StepKind::kIf).slot = *slot;
      if (!inverted) writer_.EnterSection(*slot);
    } else if (absl::Status status = EmitValue(token, *slot); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

void TextCompiler::EmitText(const MustacheToken& token) {
  if (html_) scanner_.Feed(token.text);
  const QuotedPrintableLiteral literal = QuotedPrintableWriter::Encode(token.text);
  Program::Step& step = writer_.Add(StepKind::kTextLiteral);
  step.begin = writer_.program().literals.size();
  step.head = literal.head.size();
  step.size = literal.head.size() + literal.rest.size();
  step.column = literal.column;
  writer_.program().literals += literal.head;
  writer_.program().literals += literal.rest;
}

absl::Status TextCompiler::EmitValue(const MustacheToken& token, uint32_t slot) {
  Escaping escaping = Escaping::kNone;
  if (html_) {
    const absl::StatusOr<Escaping> found = EscapingOf(token, slot);
    if (!found.ok()) return found.status();
    if (token.kind == Kind::kValue) escaping = *found;
    scanner_.FeedValue();
  }
  if (record_) Warn(Program::Caution::Kind::kRecord, token, slot);
  Program::Step& step = writer_.Add(StepKind::kValue);
  step.slot = slot;
  step.escaping = escaping;
  return absl::OkStatus();
}

absl::Status TextCompiler::EndSection(const MustacheToken& token) {
  const Section& section = open_.back();
  if (html_ && !scanner_.IsLike(section.before)) {
    return TemplateError(token.line, fmt::format("the section {} begins in one place of a tag and ends in another: let "
                                                 "it hold whole tags, whole attributes, or a part of one value",
                                                 token.text));
  }
  if (!section.inverted) {
    writer_.LeaveSection();
    Program::Step& end = writer_.Add(StepKind::kEnd);
    end.index = static_cast<uint32_t>(section.step);
    // Its slots were found harmless for one time through: where a link has come to decides what the next value may be.
    end.once = html_ && scanner_.place() != section.before.place();
  }
  scanner_.Join(section.before);
  writer_.program().steps[section.step].index = static_cast<uint32_t>(writer_.program().steps.size());
  open_.pop_back();
  return absl::OkStatus();
}

void TextCompiler::Warn(Program::Caution::Kind kind, const MustacheToken& token, uint32_t slot) {
  Program& program = writer_.program();
  program.cautions.push_back({.kind = kind, .slot = slot, .step = program.steps.size(), .line = token.line});
}

absl::StatusOr<Escaping> TextCompiler::EscapingOf(const MustacheToken& token, uint32_t slot) {
  const bool raw = token.kind == Kind::kRawValue;
  const auto warn = [&](Program::Caution::Kind kind) { Warn(kind, token, slot); };
  switch (scanner_.place()) {
    case HtmlPlace::kText:
      return Escaping::kHtml;
    case HtmlPlace::kUrl:
      warn(Program::Caution::Kind::kLink);
      if (raw) warn(Program::Caution::Kind::kUrlText);
      return Escaping::kUrl;
    case HtmlPlace::kUrlRest:
      if (raw) warn(Program::Caution::Kind::kUrlText);
      return Escaping::kUrlPart;
    case HtmlPlace::kUrlEarly:
      if (!raw) return Escaping::kUrlPart;
      return TemplateError(
          token.line, fmt::format("{{{{{{{0}}}}}}} may begin the URL, as what stands before it may be empty or no "
                                  "whole scheme, and would decide what it runs: write {{{{{0}}}}}, or let https:// "
                                  "or a / stand before it",
                                  token.text));
    case HtmlPlace::kUrlOther:
      return TemplateError(token.line,
                           fmt::format("{{{{{}}}}} stands in a URL whose scheme may run it as a script: URLs with "
                                       "values begin with http:, https:, mailto:, tel:, sms:, cid: or a path, written "
                                       "without entities",
                                       token.text));
    case HtmlPlace::kMailUrl:
      if (raw) warn(Program::Caution::Kind::kUrlText);
      return Escaping::kMailUrl;
    case HtmlPlace::kDocument:
      return TemplateError(token.line,
                           fmt::format("{{{{{}}}}} stands in a document within an attribute (srcdoc): no value is "
                                       "harmless there, and mail programs show none; remove it",
                                       token.text));
    case HtmlPlace::kStyle:
      if (!raw) warn(Program::Caution::Kind::kStyle);
      return Escaping::kHtml;
    case HtmlPlace::kScript:
      return TemplateError(token.line,
                           fmt::format("{{{{{}}}}} stands in a script: no value is harmless there, and mail "
                                       "programs run none; remove it",
                                       token.text));
    case HtmlPlace::kUnquoted:
      return TemplateError(token.line, fmt::format("{{{{{0}}}}} is an attribute's value without quotes: write "
                                                   "\"{{{{{0}}}}}\"",
                                                   token.text));
    case HtmlPlace::kTag:
      if (raw) return Escaping::kNone;
      return TemplateError(token.line, fmt::format("{{{{{0}}}}} stands within a tag, where no escaping helps: let it "
                                                   "stand in a quoted attribute, or write {{{{{{{0}}}}}}} when the "
                                                   "recipient file holds HTML",
                                                   token.text));
  }
  return Escaping::kHtml;
}

}  // namespace sealift::engine
