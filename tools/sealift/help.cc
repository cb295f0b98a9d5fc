#include "tools/sealift/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace sealift::tools {
namespace {

// The global options, which stand anywhere on the line.
struct Global {
  const char* option;
  const char* help;
};
constexpr Global kGlobals[] = {
    {"--config FILE", "the daemon's configuration; default $SEALIFT_CONFIG, then /etc/sealift/sealift.toml"},
    {"--socket PATH", "the daemon's control socket; default: control.sock in the data_dir of the configuration"},
    {"-o, --output FORMAT", "table, json, ndjson or csv; with json and ndjson errors are JSON on stdout too"},
    {"--json", "the same as -o json"},
    {"-h, --help", "this text"},
};

constexpr char kExitCodes[] =
    "0 ok; 3 partly (some rows rejected); 64 usage; 65 bad data; 66 no input; 69 daemon not running; 70 internal; "
    "73 cannot create; 74 I/O; 75 try later; 77 denied; 78 config; 130 interrupted";

std::string Wrapped(std::string_view text, size_t width) {
  std::string out, line;
  size_t from = 0;
  while (from < text.size()) {
    size_t to = text.find(' ', from);
    if (to == std::string_view::npos) to = text.size();
    const std::string_view word = text.substr(from, to - from);
    if (!line.empty() && line.size() + 1 + word.size() > width) {
      out += line + "\n";
      line.clear();
    }
    if (!line.empty()) line += ' ';
    line += word;
    from = to + 1;
  }
  return line.empty() ? out : out + line + "\n";
}

std::string Spelled(const Flag& flag) {
  return flag.value.empty() ? "--" + flag.name : "--" + flag.name + " " + flag.value;
}

std::string UsageLine(const Command& command) {
  std::string line = "sealift " + command.Name();
  if (!command.arguments.empty()) line += " " + command.arguments;
  for (const Flag& flag : command.flags) {
    if (flag.required) line += " " + Spelled(flag);
  }
  const bool options =
      std::any_of(command.flags.begin(), command.flags.end(), [](const Flag& flag) { return !flag.required; });
  return options ? line + " [options]" : line;
}

std::string Options(const Command& command) {
  std::string text;
  size_t width = 0;
  for (const Flag& flag : command.flags) width = std::max(width, Spelled(flag).size());
  for (const Flag& flag : command.flags) {
    text += fmt::format("  {:<{}}  {}{}{}\n", Spelled(flag), width, flag.help, flag.required ? " (required)" : "",
                        flag.repeatable ? " (may be repeated)" : "");
  }
  return text;
}

std::string Globals() {
  std::string text;
  for (const Global& global : kGlobals) text += fmt::format("  {:<20}  {}\n", global.option, global.help);
  return text;
}

std::string List(std::string_view noun) {
  std::string text;
  size_t width = 0;
  for (const Command& command : CommandTree()) width = std::max(width, command.Name().size());
  for (const Command& command : CommandTree()) {
    if (!noun.empty() && command.noun != noun) continue;
    text += fmt::format("  {:<{}}  {}\n", command.Name(), width, command.summary);
  }
  return text;
}

std::string FlagWords(const Command& command) {
  std::string words = "--config --socket --output --json --help";
  for (const Flag& flag : command.flags) words += " --" + flag.name;
  return words;
}

}  // namespace

std::string OverviewHelp() {
  return fmt::format(
      "sealift loads, starts, watches and explains mail campaigns, by asking a running sealiftd.\n\n"
      "usage: sealift [options] NOUN VERB [NAME] [flags]\n\ncommands:\n{}\noptions, anywhere on the line:\n{}\n"
      "Addresses are masked (j***@d1.test) unless --reveal, which is audited.\nexit codes:\n{}\n"
      "example:\n  sealift demo\n\nMore: sealift NOUN VERB --help\n",
      List(""), Globals(), Wrapped(kExitCodes, 100));
}

std::string NounHelp(std::string_view noun) {
  std::string example;
  for (const Command& command : CommandTree()) {
    if (command.noun == noun && example.empty()) example = command.example;
  }
  return fmt::format("usage: sealift {} VERB [NAME] [flags]\n\ncommands:\n{}\nexample:\n  {}\n", noun, List(noun),
                     example);
}

std::string CommandHelp(const Command& command) {
  std::string text = fmt::format("{}\n\nusage: {}\n", command.summary, UsageLine(command));
  if (!command.details.empty()) text += "\n" + Wrapped(command.details, 100);
  if (!command.flags.empty()) text += "\nflags:\n" + Options(command);
  return text + "\noptions, anywhere on the line:\n" + Globals() + fmt::format("\nexample:\n  {}\n", command.example);
}

std::string ReferencePage() {
  std::string page =
      "# Commands\n\nThis page is made by `sealift reference` from the command tree; a test keeps it true.\n\n"
      "`sealift [--config FILE | --socket PATH] [-o table|json|ndjson|csv] [--json] NOUN VERB [NAME] [flags]`\n\n";
  for (const Global& global : kGlobals) page += fmt::format("- `{}`: {}\n", global.option, global.help);
  page += fmt::format("\nExit codes: {}.\n", kExitCodes);
  for (const Command& command : CommandTree()) {
    page += fmt::format("\n## {}\n\n{}.\n\n```\n{}\n```\n", command.Name(), command.summary, UsageLine(command));
    if (!command.details.empty()) page += "\n" + Wrapped(command.details, 118);
    if (!command.flags.empty()) page += "\n";
    for (const Flag& flag : command.flags) {
      page += fmt::format("- `{}`: {}{}{}\n", Spelled(flag), flag.help, flag.required ? " (required)" : "",
                          flag.repeatable ? " (may be repeated)" : "");
    }
    page += fmt::format("\nExample: `{}`\n", command.example);
  }
  return page;
}

std::string BashCompletion() {
  std::string nouns;
  std::vector<std::string> seen;
  std::string verbs, flags;
  for (const Command& command : CommandTree()) {
    if (std::find(seen.begin(), seen.end(), command.noun) == seen.end()) {
      seen.push_back(command.noun);
      nouns += (nouns.empty() ? "" : " ") + command.noun;
      std::string own;
      for (const Command& other : CommandTree()) {
        if (other.noun == command.noun && !other.verb.empty()) own += (own.empty() ? "" : " ") + other.verb;
      }
      if (!own.empty())
        verbs +=
            fmt::format("    \"{}\") COMPREPLY=($(compgen -W \"{}\" -- \"$word\")); return;;\n", command.noun, own);
    }
    // A command of one word may be followed by an argument.
    const std::string pattern = command.verb.empty() ? fmt::format("{}|\"{} \"*", command.noun, command.noun)
                                                     : fmt::format("\"{}\"", command.Name());
    flags += fmt::format("    {}) flags=\"{}\";;\n", pattern, FlagWords(command));
  }
  return fmt::format(
      "# bash completion for sealift, made by `sealift completion bash`\n"
      "_sealift() {{\n"
      "  local word=\"${{COMP_WORDS[COMP_CWORD]}}\" before=\"${{COMP_WORDS[COMP_CWORD-1]}}\" path=\"\" flags=\"\" i\n"
      "  case \"$before\" in\n"
      "    -o|--output) COMPREPLY=($(compgen -W \"table json ndjson csv\" -- \"$word\")); return;;\n"
      "    --config|--socket|--template|--recipients|--rejects) COMPREPLY=($(compgen -f -- \"$word\")); return;;\n"
      "  esac\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case \"${{COMP_WORDS[i]}}\" in\n"
      "      -o|--output|--config|--socket) ((i++));;\n"
      "      -*) ;;\n"
      "      *) path=\"${{path:+$path }}${{COMP_WORDS[i]}}\";;\n"
      "    esac\n"
      "  done\n"
      "  case \"$path\" in\n"
      "    \"\") COMPREPLY=($(compgen -W \"{}\" -- \"$word\")); return;;\n"
      "{}"
      "  esac\n"
      "  set -- $path\n"
      "  case \"$1${{2:+ $2}}\" in\n"
      "{}"
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$flags\" -- \"$word\"))\n"
      "}}\n"
      "complete -o default -F _sealift sealift\n",
      nouns, verbs, flags);
}

std::string ZshCompletion() {
  // One source of truth: zsh runs the bash function through its own adapter.
  return "#compdef sealift\n# zsh completion for sealift, made by `sealift completion zsh`\n"
         "autoload -U +X bashcompinit && bashcompinit\n" +
         BashCompletion();
}

}  // namespace sealift::tools
