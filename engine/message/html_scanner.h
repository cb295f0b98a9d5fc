#pragma once

#include <string>
#include <string_view>

namespace sealift::engine {

// Where in an HTML text a value would stand, as far as escaping has to know.
enum class HtmlPlace {
  kText,      // text or a quoted attribute's value: entities make any value harmless
  kUrl,       // the beginning of a URL in a quoted attribute: its scheme is the value's
  kUrlRest,   // behind the beginning of one
  kUrlEarly,  // what stands before may be empty, or but the beginning of a scheme: a colon here would end one
  kUrlOther,  // behind a scheme that may run something ("javascript:"), or that cannot be read for sure
  kMailUrl,   // behind "mailto:"
  kStyle,     // CSS: a style attribute or element
  kScript,    // JavaScript: a script element or an on... attribute; what an animation makes of one
  kDocument,  // a whole document in an attribute: srcdoc
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
  // Two ways that lead here: of a URL's beginning the more dangerous one counts.
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

  // How far the beginning of a quoted attribute's value has come, read as a URL by the URL standard (4.4, scheme start
  // state), in the order of what Join keeps.
  enum class Url {
    kRest,    // a path, or behind a harmless scheme: it runs nothing, whatever follows
    kMail,    // behind "mailto:"
    kStart,   // nothing yet
    kEarly,   // values alone, each of which may be empty
    kScheme,  // text that a colon would make a scheme
    kOther,
  };

  void Take(char c);
  void TakeUrl(char c);
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
  Url url_ = Url::kStart;
  std::string scheme_;  // kScheme: the text, lower case; with a value in it, or another way's, none that is known
};

}  // namespace sealift::engine
