#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/message/dkim_key.h"
#include "engine/message/recipient_format.h"
#include "engine/message/template_fields.h"
#include "engine/message/wanted_value.h"

namespace sealift::engine {

class Program;

// Template is a campaign's message with merge fields, compiled once, rendered for each row.
//
// Its source is an .eml: RFC 5322 headers, an empty line, a body, text or multipart, in UTF-8, with Mustache tags in
// the headers and in every text part that is not an attachment:
//   {{name}}               the row's value, escaped for where it stands: HTML part & < > " ', text part nothing, header
//                          as an encoded word or a quoted string where needed, URL (List-*, HTML attribute)
//                          percent-encoded; where a URL begins with it, it must be http, https, mailto or tel
//   {{{name}}} {{&name}}   the same without the HTML or URL escaping
//   {{#name}}..{{/name}}   only when the value is not empty;  {{^name}}..{{/name}}  only when it is
//   {{! comment }}         nothing
//   {{=<% %>=}}            nothing; tags are <%name%> from here to the end of the part or header
// Inside a section {{.}} is its value. Partials are refused. `email` is always there: the recipient.
//
// Rows are flat text (of CSV, TSV): {{a.b}} is the column named a.b, any value that is not empty is true ("false" and
// "0" too), and no section repeats. Or they hold lists and objects as well (of NDJSON): a section of a list is rendered
// once for each item, and names are looked up as ContextStack says. Such a row is as strict as the columns are: a name
// in a section that is no column is looked for in each row's items, and where it is missing and has no default the row
// is refused by Check. So is a list or an object where text must stand. A default stands in for an absent column and
// for an empty value. It comes from the options, or from the template itself: front matter before the headers
// (front_matter.h), whose defaults the options' go before.
//
// Whatever the values hold, the result is one message of the template's own shape: 7-bit, CRLF, no line over 998 bytes.
// Only a recipient that is beyond ASCII stands in To as it is (RFC 6532); such a message is sent by SMTPUTF8 alone.
// Every text part that has a tag, or is not 7-bit as it stands, is quoted-printable; its literals are encoded when
// compiling, and soft line breaks are kept right across values when rendering. No line of such a part begins with a
// hyphen, so that no value can be taken for a boundary; nor with a dot or with "From ". Attachments are copied as they
// are, or as base64 when they are not 7-bit. A value in a header has no control character (Check), so it adds no line;
// an address made from one is parsed as a mailbox, so it adds no recipient.
//
// The engine sets Date and Message-ID, and To: <email> when the template has none; a template that carries Date,
// Message-ID, Bcc, Return-Path, Received or DKIM-Signature is refused with the reason. MIME-Version and Content-Type
// are added when missing.
//
// Owned by:  a campaign; immutable, cheap to copy.
// Threads:   any.
// Memory:    about the size of the source. Render allocates nothing but what `out` needs to grow.
// Errors:    Compile: InvalidArgument with the line, what is wrong and what to do. Check and Render: InvalidArgument
//            that names the column, never a value.
class Template {
 public:
  // What the dots of a name mean.
  enum class Names : uint8_t {
    kColumns,  // nothing: {{a.b}} is the column a.b, and every value is text
    kPaths,    // Mustache's: {{a.b}} is the member b of the column a. Values may be nested (nested_value.h)
  };

  struct Options {
    std::vector<std::string> columns;  // what `Row::fields` holds, in its order; without `email`
    std::vector<std::pair<std::string, std::string>> defaults;  // name, value
    Names names = Names::kColumns;
  };

  // One recipient's values.
  struct Row {
    std::string_view email;                    // as Mailbox::ToString gives it
    std::span<const std::string_view> fields;  // in the order of Options::columns
  };

  // What the engine says of one message.
  struct Identity {
    std::string_view message_id;  // with its angle brackets
    absl::Time date;              // of the first attempt
    std::string_view fields;      // further header fields, each with its line end: see AppendListFields
  };

  static absl::StatusOr<Template> Compile(std::string_view eml, const Options& options);

  // The columns a template's tags name, `email` left out, in the order of their first use. Errors as Compile's.
  static absl::StatusOr<std::vector<std::string>> ColumnsOf(std::string_view eml);

  // What its header says, whatever the columns are. Errors as Compile's.
  static absl::StatusOr<TemplateFields> FieldsOf(std::string_view eml);

  // Whether this row can be rendered: the values that stand in headers. To be asked at load, so that a bad row is
  // rejected there with a reason. Costs nothing when no header has a tag.
  absl::Status Check(const Row& row) const;

  // Appends the message to `out`. On an error, `out` is as it was.
  absl::Status Render(const Row& row, const Identity& identity, std::string& out) const;

  // The columns whose values are used, in the order of their first use, defaults included, `email` left out.
  const std::vector<std::string>& needed_columns() const;

  // Those of them that some tag names and has no default for.
  const std::vector<std::string>& required_columns() const;

  const TemplateFields& fields() const;

  // What the value of this column must be for Check to take it.
  WantedField WantedOf(std::string_view column) const;

  // What DKIM hashes of the body (HashRelaxedBody), where no field stands in it, so that all rows share it.
  const std::optional<Sha256>& fixed_body_hash() const;

 private:
  explicit Template(std::shared_ptr<const Program> program) : program_(std::move(program)) {}

  std::shared_ptr<const Program> program_;
};

// How the names of a template are read whose rows come from such a file: only NDJSON can say what is within a value.
Template::Names NamesOf(RecipientFormat format);

}  // namespace sealift::engine
