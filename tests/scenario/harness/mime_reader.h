#pragma once

#include <string>
#include <vector>

#include "tests/scenario/harness/json.h"
#include "tests/scenario/harness/temp_dir.h"

namespace sealift::scenario {

// What other people's software reads of a message: Python's email package, and its HTML parser for the HTML part.
struct ReadMail {
  struct Address {
    std::string name, address;
    bool operator==(const Address&) const = default;
  };
  struct Part {
    std::string type, disposition, file_name, content_id;
    std::string content;  // decoded
  };
  struct Tag {
    std::string name;
    std::vector<std::pair<std::string, std::string>> attributes;
    bool operator==(const Tag&) const = default;
  };

  // Unfolded and decoded; every field of this name.
  std::vector<std::string> Values(const std::string& name) const;
  // The addresses of an address header.
  std::vector<Address> Addresses(const std::string& name) const;

  std::vector<std::pair<std::string, std::string>> fields;                   // in their order, decoded
  std::vector<std::pair<std::string, std::vector<Address>>> address_fields;  // From, To, Reply-To, Cc
  std::vector<Part> parts;                                                   // as they come, multiparts included
  std::vector<Tag> tags;                                                     // of the HTML part, in their order
  std::string html_text;                                                     // of it
  std::vector<std::string> defects;                                          // what the parser found wrong
};

// Reads them in one run; each with CRLF line ends.
std::vector<ReadMail> ReadMails(const TempDir& dir, const std::vector<std::string>& messages);

}  // namespace sealift::scenario
