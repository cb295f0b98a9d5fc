#include "tools/sealift/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <sstream>

#include "tools/sealift/failure.h"

namespace sealift::tools {
namespace {

constexpr char kDefaultConfig[] = "/etc/sealift/sealift.toml";

absl::Status Usage(const std::string& what, const std::string& why, const std::string& next) {
  return Fail(engine::ExitCode::kUsage, {what, "", why, next});
}

std::vector<std::string> Words(const std::string& text, char separator) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, separator);) {
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

std::vector<std::string> Nouns() {
  std::vector<std::string> nouns;
  for (const Command& command : CommandTree()) {
    if (std::find(nouns.begin(), nouns.end(), command.noun) == nouns.end()) nouns.push_back(command.noun);
  }
  return nouns;
}

std::vector<std::string> VerbsOf(const std::string& noun) {
  std::vector<std::string> verbs;
  for (const Command& command : CommandTree()) {
    if (command.noun == noun && !command.verb.empty()) verbs.push_back(command.verb);
  }
  return verbs;
}

std::string Joined(const std::vector<std::string>& words) {
  return std::accumulate(
      words.begin(), words.end(), std::string(),
      [](const std::string& all, const std::string& word) { return all.empty() ? word : all + ", " + word; });
}

// What one command's part of the parser writes into.
struct Bound {
  const Command* command = nullptr;
  CLI::App* app = nullptr;
  std::vector<std::unique_ptr<std::string>> arguments;
  std::vector<CLI::Option*> argument_options;
  std::vector<CLI::Option*> flag_options;
  std::vector<std::unique_ptr<std::vector<std::string>>> values;
};

Bound Bind(const Command& command, CLI::App* parent) {
  Bound bound;
  bound.command = &command;
  bound.app = parent->add_subcommand(command.verb.empty() ? command.noun : command.verb, command.summary);
  bound.app->fallthrough()->allow_extras();
  bound.app->set_help_flag();
  for (const std::string& argument : Words(command.arguments, ' ')) {
    bound.arguments.push_back(std::make_unique<std::string>());
    bound.argument_options.push_back(bound.app->add_option(
        argument.starts_with("[") ? argument.substr(1, argument.size() - 2) : argument, *bound.arguments.back()));
  }
  for (const Flag& flag : command.flags) {
    bound.values.push_back(std::make_unique<std::vector<std::string>>());
    if (flag.value.empty()) {
      bound.flag_options.push_back(bound.app->add_flag("--" + flag.name, flag.help));
    } else {
      CLI::Option* option = bound.app->add_option("--" + flag.name, *bound.values.back(), flag.help);
      option->allow_extra_args(false)->type_size(1)->expected(1);
      option->multi_option_policy(flag.repeatable ? CLI::MultiOptionPolicy::TakeAll : CLI::MultiOptionPolicy::Throw);
      bound.flag_options.push_back(option);
    }
  }
  return bound;
}

absl::Status UnknownWord(const std::string& word, const Bound* bound, const std::string& noun) {
  if (word.starts_with("-")) {
    std::vector<std::string> names = {"--config", "--socket", "--output", "--json", "--help"};
    for (const Flag& flag : bound == nullptr ? std::vector<Flag>() : bound->command->flags)
      names.push_back("--" + flag.name);
    const std::string bare = word.substr(0, word.find('='));
    const std::string near = NearestName(bare, names);
    const std::string of = bound == nullptr ? "sealift" : "sealift " + bound->command->Name();
    return Usage(fmt::format("there is no option {}", bare), fmt::format("`{}` does not have it.", of),
                 near.empty() ? fmt::format("See `{} --help`.", of) : fmt::format("Did you mean {}?", near));
  }
  if (bound != nullptr) {
    return Usage(fmt::format("`{}` is one word too many", word),
                 fmt::format("The command is `sealift {} {}`.", bound->command->Name(), bound->command->arguments),
                 fmt::format("See `sealift {} --help`; a value with blanks needs quotes.", bound->command->Name()));
  }
  const std::vector<std::string> candidates = noun.empty() ? Nouns() : VerbsOf(noun);
  const std::string near = NearestName(word, candidates);
  const std::string prefix = noun.empty() ? "" : noun + " ";
  return Usage(fmt::format("there is no command `{}{}`", prefix, word),
               fmt::format("There are: {}.", Joined(candidates)),
               near.empty() ? "See `sealift --help`." : fmt::format("Did you mean `sealift {}{}`?", prefix, near));
}

absl::Status CheckFlags(const Invocation& call) {
  std::istringstream names(call.command->arguments);
  size_t index = 0;
  for (std::string name; names >> name; ++index) {
    if (name.starts_with("[") || index < call.arguments.size()) continue;
    return Usage(fmt::format("{}: {} is missing", call.command->Name(), name),
                 fmt::format("The command is `sealift {} {}`.", call.command->Name(), call.command->arguments),
                 fmt::format("For example: {}", call.command->example));
  }
  for (const Flag& flag : call.command->flags) {
    if (flag.required && !call.Has(flag.name)) {
      return Usage(fmt::format("{}: --{} is missing", call.command->Name(), flag.name), flag.help + ".",
                   fmt::format("For example: {}", call.command->example));
    }
    if (flag.value.find('|') == std::string::npos || !call.Has(flag.name)) continue;
    const std::vector<std::string> choices = Words(flag.value, '|');
    const std::string value = call.Value(flag.name);
    if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
      const std::string near = NearestName(value, choices);
      return Usage(fmt::format("{}: --{} cannot be `{}`", call.command->Name(), flag.name, value),
                   fmt::format("It is one of: {}.", Joined(choices)),
                   near.empty() ? "" : fmt::format("Did you mean `{}`?", near));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string Invocation::Value(std::string_view flag, std::string_view otherwise) const {
  const auto found = flags.find(flag);
  return found == flags.end() || found->second.empty() ? std::string(otherwise) : found->second.back();
}

std::vector<std::string> Invocation::Values(std::string_view flag) const {
  const auto found = flags.find(flag);
  return found == flags.end() ? std::vector<std::string>() : found->second;
}

std::string NearestName(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    std::vector<size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), 0);
    for (size_t i = 0; i < word.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i + 1;
      for (size_t j = 0; j < candidate.size(); ++j) {
        const size_t substituted = diagonal + (word[i] == candidate[j] ? 0 : 1);
        diagonal = row[j + 1];
        row[j + 1] = std::min({substituted, row[j] + 1, row[j + 1] + 1});
      }
    }
    const size_t distance = row[candidate.size()];
    if (distance < best_distance && distance < std::max(word.size(), candidate.size())) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

absl::StatusOr<Invocation> ParseCommandLine(const std::vector<std::string>& arguments, Format* format_hint) {
  Invocation call;
  CLI::App root("sealift");
  root.set_help_flag();
  root.allow_extras()->require_subcommand(0, 1);
  std::string output;
  root.add_option("--config", call.config);
  root.add_option("--socket", call.socket);
  root.add_option("-o,--output", output);
  const CLI::Option* json = root.add_flag("--json");
  const CLI::Option* help = root.add_flag("-h,--help");
  const CLI::Option* version = root.add_flag("--version");

  std::map<std::string, CLI::App*> nouns;
  std::vector<Bound> bounds;
  // The parser of all commands takes longer to make than most of them to run.
  const auto is_said = [&](const std::string& word) { return std::ranges::find(arguments, word) != arguments.end(); };
  for (const Command& command : CommandTree()) {
    if (!is_said(command.noun)) continue;
    CLI::App* parent = &root;
    if (!command.verb.empty()) {
      CLI::App*& noun = nouns[command.noun];
      if (noun == nullptr) {
        noun = root.add_subcommand(command.noun);
        noun->fallthrough()->allow_extras()->require_subcommand(0, 1);
        noun->set_help_flag();
      }
      if (!is_said(command.verb)) continue;
      parent = noun;
    }
    bounds.push_back(Bind(command, parent));
  }

  // `sealift help campaign load` is `sealift campaign load --help`.
  std::vector<std::string> words = arguments;
  if (!words.empty() && words[0] == "help") {
    words.erase(words.begin());
    words.push_back("--help");
  }
  if (format_hint != nullptr && std::find(words.begin(), words.end(), "--json") != words.end()) {
    *format_hint = Format::kJson;
  }
  for (size_t i = 0; format_hint != nullptr && i < words.size(); ++i) {
    std::optional<Format> asked;
    if ((words[i] == "-o" || words[i] == "--output") && i + 1 < words.size()) asked = ParseFormat(words[i + 1]);
    if (words[i].starts_with("--output=")) asked = ParseFormat(words[i].substr(9));
    if (words[i].starts_with("-o") && words[i].size() > 2) asked = ParseFormat(words[i].substr(2));
    if (asked.has_value()) *format_hint = *asked;
  }
  try {
    std::vector<std::string> reversed(words.rbegin(), words.rend());
    root.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return Usage("the command line cannot be read", std::string(error.what()) + ".", "See `sealift --help`.");
  }

  const Bound* chosen = nullptr;
  for (const Bound& bound : bounds) {
    if (bound.app->parsed()) chosen = &bound;
  }
  std::string noun;
  for (const auto& [name, app] : nouns) {
    if (app->parsed()) noun = name;
  }
  std::vector<std::string> extras = root.remaining(true);
  call.help = help->count() > 0;
  if (!extras.empty()) {  // an unknown option first: the word behind it may be its value
    const auto option =
        std::find_if(extras.begin(), extras.end(), [](const std::string& word) { return word.starts_with("-"); });
    return UnknownWord(option == extras.end() ? extras[0] : *option, chosen, noun);
  }

  if (json->count() > 0) output = "json";
  if (!output.empty()) {
    call.format = ParseFormat(output);
    if (!call.format.has_value()) {
      return Usage(fmt::format("there is no output format `{}`", output), "There are: table, json, ndjson, csv.",
                   "Use -o json for a program that reads the answer.");
    }
  }
  if (call.config.empty()) {
    const char* environment = std::getenv("SEALIFT_CONFIG");
    call.config = environment != nullptr && *environment != '\0' ? environment : kDefaultConfig;
  }
  if (version->count() > 0 && chosen == nullptr) {
    for (const Command& command : CommandTree()) {
      if (command.noun == "version") call.command = &command;
    }
    return call;
  }
  if (chosen == nullptr) {
    if (call.help || words.empty()) {
      call.help = true;
      if (!noun.empty()) call.arguments = {noun};
      return call;
    }
    if (noun.empty())
      return Usage("no command was given", fmt::format("There are: {}.", Joined(Nouns())), "See `sealift --help`.");
    return Usage(fmt::format("`sealift {}` needs a verb", noun), fmt::format("There are: {}.", Joined(VerbsOf(noun))),
                 fmt::format("See `sealift {} --help`.", noun));
  }

  call.command = chosen->command;
  for (size_t i = 0; i < chosen->arguments.size(); ++i) {
    if (chosen->argument_options[i]->count() > 0) call.arguments.push_back(*chosen->arguments[i]);
  }
  for (size_t i = 0; i < chosen->flag_options.size(); ++i) {
    const Flag& flag = chosen->command->flags[i];
    if (chosen->flag_options[i]->count() == 0) continue;
    call.flags[flag.name] = flag.value.empty() ? std::vector<std::string>{"true"} : *chosen->values[i];
  }
  if (!call.help) {
    if (absl::Status checked = CheckFlags(call); !checked.ok()) return checked;
  }
  return call;
}

}  // namespace sealift::tools
