#include "engine/message/html_scanner.h"

#include <algorithm>

#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

constexpr size_t kNameBytesMax = 64;  // of an element or attribute; a longer one is none that matters
// That lead somewhere, or to a part of this message, and run nothing.
constexpr std::string_view kHarmlessSchemes[] = {"http", "https", "tel", "sms", "cid", "mid", "ftp", "xmpp"};
constexpr size_t kSchemeBytesMax = 16;  // a longer one is none of these

constexpr std::string_view kRawElements[] = {"script", "style", "title", "textarea"};
// Attributes whose value is a URL: HTML's, and those of older HTML that mail still has.
constexpr std::string_view kUrlAttributes[] = {"action",   "archive", "background", "cite",       "classid", "code",
                                               "codebase", "data",    "dynsrc",     "formaction", "href",    "icon",
                                               "longdesc", "lowsrc",  "manifest",   "ping",       "poster",  "profile",
                                               "src",      "srcset",  "usemap",     "xlink:href"};
// SVG's, whose attributes may set another's: to="javascript:..." for an href.
constexpr std::string_view kAnimations[] = {"set", "animate", "animatetransform", "animatemotion"};
constexpr std::string_view kAnimatedValues[] = {"to", "from", "by", "values"};

template <typename Names>
bool IsOneOf(std::string_view name, const Names& names) {
  return std::ranges::find(names, name) != std::end(names);
}

bool IsLetter(char c) { return LowerCase(c) >= 'a' && LowerCase(c) <= 'z'; }

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

void AppendName(char c, std::string& name) {
  if (name.size() < kNameBytesMax) name += LowerCase(c);
}

}  // namespace

void HtmlScanner::Feed(std::string_view html) {
  for (const char c : html) Take(c);
}

void HtmlScanner::FeedValue() {
  if (url_ == Url::kStart) url_ = Url::kEarly;
  if (url_ == Url::kScheme) scheme_ += '?';
}

HtmlPlace HtmlScanner::place() const {
  switch (state_) {
    case State::kRaw:
      return element_ == "script" ? HtmlPlace::kScript : element_ == "style" ? HtmlPlace::kStyle : HtmlPlace::kText;
    case State::kText:
    case State::kComment:
    case State::kBogus:
      return HtmlPlace::kText;
    case State::kQuoted:
      if (attribute_.starts_with("on")) return HtmlPlace::kScript;
      if (IsOneOf(element_, kAnimations) && IsOneOf(attribute_, kAnimatedValues)) return HtmlPlace::kScript;
      if (attribute_ == "srcdoc") return HtmlPlace::kDocument;
      if (attribute_ == "style") return HtmlPlace::kStyle;
      if (!IsOneOf(attribute_, kUrlAttributes)) return HtmlPlace::kText;
      switch (url_) {
        case Url::kRest:
          return HtmlPlace::kUrlRest;
        case Url::kMail:
          return HtmlPlace::kMailUrl;
        case Url::kStart:
          return HtmlPlace::kUrl;
        case Url::kEarly:
        case Url::kScheme:
          return HtmlPlace::kUrlEarly;
        case Url::kOther:
          return HtmlPlace::kUrlOther;
      }
      return HtmlPlace::kUrlOther;
    case State::kBeforeValue:
    case State::kUnquoted:
      return HtmlPlace::kUnquoted;
    default:
      return HtmlPlace::kTag;
  }
}

bool HtmlScanner::IsLike(const HtmlScanner& other) const {
  if (state_ != other.state_) return false;
  switch (state_) {
    case State::kText:
    case State::kComment:
    case State::kBogus:
      return true;
    case State::kRaw:
      return element_ == other.element_;
    case State::kInTag:
    case State::kAfterName:
      return element_ == other.element_ && closing_ == other.closing_;
    case State::kQuoted:
      return element_ == other.element_ && attribute_ == other.attribute_ && quote_ == other.quote_;
    default:
      return element_ == other.element_ && attribute_ == other.attribute_ && word_ == other.word_;
  }
}

void HtmlScanner::Join(const HtmlScanner& other) {
  if (url_ == other.url_ && scheme_ == other.scheme_) return;
  scheme_ = "?";
  const Url more = std::max(url_, other.url_);
  url_ = more == Url::kMail ? Url::kRest : more == Url::kStart ? Url::kEarly : more;
}

void HtmlScanner::Take(char c) {
  switch (state_) {
    case State::kText:
      if (c == '<') state_ = State::kOpen;
      return;
    case State::kRaw:
      word_ = c == '<' ? "<" : word_.empty() ? "" : word_ + LowerCase(c);
      if (word_ == "</" + element_) {
        state_ = State::kInTag;
        closing_ = true;
      } else if (!("</" + element_).starts_with(word_)) {
        word_.clear();
      }
      return;
    case State::kOpen:
      TakeOpen(c);
      return;
    case State::kMarkup:
      TakeMarkup(c);
      return;
    case State::kComment:
      TakeComment(c);
      return;
    case State::kCondition:
    case State::kBogus:
      if (c == '>') state_ = State::kText;
      return;
    case State::kTagName:
      if (IsSpace(c) || c == '/' || c == '>') {
        TakeInTag(c);
      } else {
        AppendName(c, element_);
      }
      return;
    case State::kInTag:
      TakeInTag(c);
      return;
    case State::kAttribute:
    case State::kAfterName:
      if (c == '=') {
        state_ = State::kBeforeValue;
      } else if (IsSpace(c)) {
        state_ = State::kAfterName;
      } else if (c == '/' || c == '>' || state_ == State::kAfterName) {
        TakeInTag(c);
      } else {
        AppendName(c, attribute_);
      }
      return;
    case State::kBeforeValue:
      if (IsSpace(c)) return;
      if (c == '>') {
        EndTag();
      } else if (c == '"' || c == '\'') {
        state_ = State::kQuoted;
        quote_ = c;
        url_ = Url::kStart;
        scheme_.clear();
      } else {
        state_ = State::kUnquoted;
      }
      return;
    case State::kQuoted:
      if (c == quote_) {
        state_ = State::kInTag;
      } else {
        TakeUrl(c);
      }
      return;
    case State::kUnquoted:
      if (IsSpace(c) || c == '>') TakeInTag(c);
      return;
  }
}

void HtmlScanner::TakeUrl(char c) {
  if (url_ != Url::kStart && url_ != Url::kEarly && url_ != Url::kScheme) return;
  if (c == '\t' || c == '\n' || c == '\r') return;                           // they are taken out of a URL anywhere
  if (url_ != Url::kScheme && static_cast<unsigned char>(c) <= ' ') return;  // and these at its beginning
  if (c == '/' || c == '?' || c == '#') {
    url_ = Url::kRest;
  } else if (c == '&') {
    url_ = Url::kOther;  // an entity may be any character, a colon too
  } else if (c == ':') {
    url_ = scheme_ == "mailto"                                    ? Url::kMail
           : IsOneOf(std::string_view(scheme_), kHarmlessSchemes) ? Url::kRest
                                                                  : Url::kOther;
  } else {
    url_ = Url::kScheme;
    if (scheme_.size() < kSchemeBytesMax) scheme_ += LowerCase(c);
  }
}

void HtmlScanner::TakeOpen(char c) {
  if (IsLetter(c)) {
    state_ = State::kTagName;
    element_ = LowerCase(c);
    closing_ = word_ == "/";
    word_.clear();
  } else if (c == '/' && word_.empty()) {
    word_ = "/";
  } else {
    state_ = c == '!' && word_.empty()  ? State::kMarkup
             : c == '?' || word_ == "/" ? State::kBogus
             : c == '<'                 ? State::kOpen
                                        : State::kText;
    if (c == '>' && word_ == "/") state_ = State::kText;  // </>
    word_.clear();
  }
}

void HtmlScanner::TakeMarkup(char c) {
  if (c == '-' && word_.empty()) {
    word_ = "-";
    return;
  }
  state_ = c == '-' ? State::kComment : c == '>' ? State::kText : State::kBogus;
  word_ = state_ == State::kComment ? "--" : "";  // <!--> ends at once
}

// `word_` is what the comment began with as long as it may be Outlook's, then the hyphens and the mark that may end it.
void HtmlScanner::TakeComment(char c) {
  static constexpr std::string_view kCondition = "--[if";
  if (c == '>' && (word_ == "--" || word_ == "--!")) {
    state_ = State::kText;
  } else if (word_ + LowerCase(c) == kCondition) {
    state_ = State::kCondition;
  } else if (!kCondition.starts_with(word_ + LowerCase(c))) {
    word_ = c == '-' ? (word_.ends_with('-') ? "--" : "-") : c == '!' && word_ == "--" ? "--!" : "";
    return;
  } else {
    word_ += LowerCase(c);
    return;
  }
  word_.clear();
}

void HtmlScanner::TakeInTag(char c) {
  if (c == '>') {
    EndTag();
  } else if (IsSpace(c) || c == '/') {
    state_ = State::kInTag;
  } else {
    state_ = State::kAttribute;
    attribute_.clear();
    AppendName(c, attribute_);
  }
}

void HtmlScanner::EndTag() {
  state_ = !closing_ && IsOneOf(std::string_view(element_), kRawElements) ? State::kRaw : State::kText;
  word_.clear();
  closing_ = false;
}

}  // namespace sealift::engine
