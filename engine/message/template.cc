#include "engine/message/template.h"

#include "engine/message/program.h"
#include "engine/message/template_compiler.h"

namespace sealift::engine {

absl::StatusOr<Template> Template::Compile(std::string_view eml, const Options& options) {
  absl::StatusOr<std::shared_ptr<const Program>> program =
      TemplateCompiler(options, TemplateCompiler::Columns::kGiven).Run(eml);
  if (!program.ok()) return program.status();
  return Template(*std::move(program));
}

absl::StatusOr<std::vector<std::string>> Template::ColumnsOf(std::string_view eml) {
  const Options nothing;
  const absl::StatusOr<std::shared_ptr<const Program>> program =
      TemplateCompiler(nothing, TemplateCompiler::Columns::kAny).Run(eml);
  if (!program.ok()) return program.status();
  return (*program)->needed_columns;
}

absl::StatusOr<TemplateFields> Template::FieldsOf(std::string_view eml) {
  const Options nothing;
  const absl::StatusOr<std::shared_ptr<const Program>> program =
      TemplateCompiler(nothing, TemplateCompiler::Columns::kAny).Run(eml);
  if (!program.ok()) return program.status();
  return (*program)->fields;
}

absl::Status Template::Check(const Row& row) const { return program_->Check(row); }

absl::Status Template::Render(const Row& row, const Identity& identity, std::string& out) const {
  return program_->Render(row, identity, out);
}

const std::vector<std::string>& Template::needed_columns() const { return program_->needed_columns; }

const std::vector<std::string>& Template::required_columns() const { return program_->required_columns; }

const TemplateFields& Template::fields() const { return program_->fields; }

WantedField Template::WantedOf(std::string_view column) const { return engine::WantedOf(*program_, column); }

const std::optional<Sha256>& Template::fixed_body_hash() const { return program_->fixed_body_hash; }

Template::Names NamesOf(RecipientFormat format) {
  return format == RecipientFormat::kNdjson ? Template::Names::kPaths : Template::Names::kColumns;
}

}  // namespace sealift::engine
