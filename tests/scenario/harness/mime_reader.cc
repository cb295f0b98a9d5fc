#include "tests/scenario/harness/mime_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/scenario/harness/process.h"

namespace sealift::scenario {
namespace {

// A line of JSON a message. Bytes are in hex, so that nothing between here and there reads them once more.
constexpr const char* kPython = R"(
import email, email.utils, html.parser, json, sys
from email.header import decode_header, make_header
from email.parser import BytesParser
from email import policy

def text(value):
    return value.encode('utf-8', 'surrogateescape').hex()
def unfolded(value):
    return str(value).replace('\r', '').replace('\n', '')
def decoded(value):
    return str(make_header(decode_header(unfolded(value))))

class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ''
    def handle_starttag(self, tag, attributes):
        self.tags.append([text(tag), [[text(name), text(value or '')] for name, value in attributes]])
    def handle_data(self, data):
        self.text += data

for path in open(sys.argv[1]):
    with open(path.strip(), 'rb') as file:
        raw = file.read()
    message = BytesParser(policy=policy.compat32).parsebytes(raw)
    strict = BytesParser(policy=policy.default).parsebytes(raw)
    page = Page()
    parts, defects = [], []
    for part in message.walk():
        content = b'' if part.is_multipart() else part.get_payload(decode=True)
        defects += [type(defect).__name__ for defect in part.defects]
        if part.get_content_type() == 'text/html' and part.get_filename() is None:
            page.feed(content.decode('utf-8'))
            page.close()
        parts.append([text(part.get_content_type()), text(part.get_content_disposition() or ''),
                      text(part.get_filename() or ''), text(part.get('Content-ID', '')), content.hex()])
    addresses = []
    for name in ('From', 'To', 'Reply-To', 'Cc'):
        for value in message.get_all(name, []):
            pairs = email.utils.getaddresses([unfolded(value)])
            if len(pairs) != len(strict[name].addresses):
                defects.append('the two address parsers do not agree about ' + name)
            addresses.append([text(name), [[text(decoded(who)), text(address)] for who, address in pairs]])
    print(json.dumps({'fields': [[text(name), text(decoded(value))] for name, value in message.items()],
                      'addresses': addresses, 'parts': parts, 'tags': page.tags, 'html_text': text(page.text),
                      'defects': [text(defect) for defect in defects]}))
)";

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

std::string TextAt(const Json& list, size_t index) { return FromHex(list.At(index).Text()); }

ReadMail FromJson(const Json& json) {
  ReadMail mail;
  for (const Json& field : json["fields"].Items()) mail.fields.emplace_back(TextAt(field, 0), TextAt(field, 1));
  for (const Json& field : json["addresses"].Items()) {
    std::vector<ReadMail::Address> addresses;
    for (const Json& address : field.At(1).Items()) addresses.push_back({TextAt(address, 0), TextAt(address, 1)});
    mail.address_fields.emplace_back(TextAt(field, 0), std::move(addresses));
  }
  for (const Json& part : json["parts"].Items()) {
    mail.parts.push_back({TextAt(part, 0), TextAt(part, 1), TextAt(part, 2), TextAt(part, 3), TextAt(part, 4)});
  }
  for (const Json& tag : json["tags"].Items()) {
    ReadMail::Tag& read = mail.tags.emplace_back();
    read.name = TextAt(tag, 0);
    for (const Json& attribute : tag.At(1).Items()) {
      read.attributes.emplace_back(TextAt(attribute, 0), TextAt(attribute, 1));
    }
  }
  mail.html_text = FromHex(json["html_text"].Text());
  for (const Json& defect : json["defects"].Items()) mail.defects.push_back(FromHex(defect.Text()));
  return mail;
}

}  // namespace

std::vector<std::string> ReadMail::Values(const std::string& name) const {
  std::vector<std::string> values;
  for (const auto& [field, value] : fields) {
    if (field == name) values.push_back(value);
  }
  return values;
}

std::vector<ReadMail::Address> ReadMail::Addresses(const std::string& name) const {
  std::vector<Address> all;
  for (const auto& [field, addresses] : address_fields) {
    if (field == name) all.insert(all.end(), addresses.begin(), addresses.end());
  }
  return all;
}

std::vector<ReadMail> ReadMails(const TempDir& dir, const std::vector<std::string>& messages) {
  const std::string folder = dir.Folder("read", 0755);
  std::string list;
  for (size_t i = 0; i < messages.size(); ++i) list += dir.Write(fmt::format("read/{}", i), messages[i], 0644) + "\n";
  const Ran ran = RunCommand({Program("python3", "python3"), "-c", kPython, dir.Write("read/list", list, 0644)}, "",
                             std::chrono::seconds(120));
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  std::vector<ReadMail> mails;
  std::istringstream lines(ran.out);
  for (std::string line; std::getline(lines, line);) mails.push_back(FromJson(Json::Parse(line)));
  EXPECT_EQ(mails.size(), messages.size()) << ran.err;
  mails.resize(messages.size());
  return mails;
}

}  // namespace sealift::scenario
