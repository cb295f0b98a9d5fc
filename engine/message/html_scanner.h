#pragma once

#include <string>
#include <string_view>

namespace sealift::engine {

// Where in an HTML text a value would stand, as far as escaping has to know.
enum class HtmlPlace {
  kText,      // text or a quoted attribute's value: entities make any value harmless
  kUrl,       // the beginning of a URL in a quoted attribute: its scheme is the value's
  kUrlRest,   // behind the beginning of one
  kMailUrl,   // behind "mailto:"
  kStyle,     // CSS: a style attribute or element
  kScript,    // JavaScript: a script element or an on... attribute
  kUnquoted,  // an attribute's value without quotes
  kTag,       // elsewhere in a tag: its name, an attribute's name
};

// HtmlScanner follows an HTML text, piece by piece, as the tokenizer of the HTML standard (13.2.5) does, and says where
// the next value would stand. What Outlook takes for HTML (<!--[if mso]>...) is read as HTML.
//
// A copy is a place to go back to or to compare with: two that are equal read what follows the same way.
//
// Owned by:  one compilation; a value.
// Threads:   one.
// Errors:    none; any text is HTML of some kind.
class HtmlScanner {
 public:
  void Feed(std::string_view html);
  void FeedValue();  // a value, escaped for its place
  HtmlPlace place() const;

  // Whether both read what follows the same way. At which character of an attribute's value they are does not matter.
  bool IsLike(const HtmlScanner& other) const;
  // Two ways that lead here: only what both agree on is the beginning of a URL.
  void Join(const HtmlScanner& other);

 private:
  enum class State {
    kText,
    kRaw,     // script, style, title, textarea: up to their own closing tag
    kOpen,    // behind <
    kMarkup,  // behind <!
    kComment,
    kCondition,  // behind <!--[if
    kBogus,      // <!doctype>, <![endif]>, <?...>: up to >
    kTagName,
    kInTag,
    kAttribute,  // its name
    kAfterName,
    kBeforeValue,
    kQuoted,
    kUnquoted,
  };

  void Take(char c);
  void TakeOpen(char c);
  void TakeMarkup(char c);
  void TakeComment(char c);
  void TakeInTag(char c);
  void EndTag();

  State state_ = State::kText;
  bool closing_ = false;
  char quote_ = '"';
  std::string element_, attribute_;  // lower case
  std::string word_;                 // what a longer mark is recognised by: "--", "</script"
  std::string value_;                // the first bytes of an attribute's value
};

}  // namespace sealift::engine
