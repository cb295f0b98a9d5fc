#pragma once

#include <string>
#include <vector>

namespace sealift {

// Values that somebody might put into a column to make a message more than one message, one part or one recipient; all
// UTF-8, none with a NUL. Every control character stands alone, within and at the end. Templates that are tried with
// them have the boundary "b" and the field {{v}}.
inline std::vector<std::string> HostileValues() {
  std::vector<std::string> values = {
      "",
      " ",
      "  two  blanks  ",
      "ends in a blank ",
      "a\r\nBcc: evil@d1.test",
      "a\nX-Evil: 1",
      "a\rX-Evil: 1",
      "\r\n\r\nan early body",
      "\r\n.\r\nMAIL FROM:<evil@d1.test>\r\n",
      ".",
      "..",
      "\n.\n",
      "--b",
      "--b--",
      "\r\n--b\r\nContent-Type: text/html\r\n\r\nevil",
      "\n--b--\n",
      "From here",
      "\nFrom there",
      "=?utf-8?Q?=0D=0ABcc:_evil@d1.test?=",
      "=?utf-8?B?DQpCY2M6IGV2aWxAZDEudGVzdA==?=",
      "=?",
      "?=",
      "=0D=0A",
      "=",
      "ends in =",
      "%0d%0aBcc: evil@d1.test",
      "\"",
      "\\",
      "\\\"",
      "a\" <evil@d1.test>, \"b",
      "evil@d1.test, x",
      "<evil@d1.test>",
      "x> <evil@d1.test",
      "a, b@d1.test",
      "(a comment",
      "a comment)",
      "group: evil@d1.test;",
      ";",
      ",",
      ">",
      "<script>alert(1)</script>",
      "\" onmouseover=\"alert(1)",
      "' onmouseover='alert(1)",
      "</p></body></html>",
      "<!--",
      "javascript:alert(1)",
      "&b=2#c",
      "{{email}}",
      "{{{v}}}",
      "{{#v}}",
      "&lt;",
      "&amp;amp;",
      "J\xC3\xA4ne M\xC3\xBCller",
      "\xE5\xB1\xB1\xE7\x94\xB0",
      "\xF0\x9F\x92\x8C",
      "\xE2\x80\xAE"
      "from right to left",
      "line\xE2\x80\xA8separator",
      "paragraph\xE2\x80\xA9separator",
      "\xEF\xBB\xBF"
      "byte order mark",
      "e\xCC\x81 combined",
      std::string(75, 'x'),
      std::string(76, 'x'),
      std::string(77, 'x'),
      std::string(380, 'x'),
      std::string(200, ' '),
      std::string(90, '='),
      std::string(90, '"'),
      std::string(2000, 'x'),
      std::string(2000, '\n'),
  };
  std::string long_name;
  for (int i = 0; i < 130; ++i) long_name += "\xC3\xA9";
  values.push_back(long_name);
  std::vector<std::string> controls;
  for (int c = 1; c < 0x20; ++c) controls.emplace_back(1, static_cast<char>(c));
  controls.emplace_back("\x7F");
  for (int c = 0x80; c < 0xA0; ++c) controls.push_back(std::string("\xC2") + static_cast<char>(c));
  for (const std::string& control : controls) {
    values.push_back(control);
    values.push_back("a" + control + "b");
    values.push_back("a" + control);
  }
  return values;
}

}  // namespace sealift
