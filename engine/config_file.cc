#include "engine/config_file.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "engine/config_check.h"
#include "engine/config_read.h"
#include "engine/config_walk.h"
#include "fmt/format.h"

namespace sealift::engine {
namespace {

constexpr size_t kFileBytesMax = 1 << 20;
constexpr int kFilesMax = 256;
constexpr int kDepthMax = 8;
constexpr size_t kElementsMax = 10'000;  // of one [[array]]

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const std::string why = fmt::format("cannot be read ({})", std::strerror(errno));
    return errno == ENOENT ? absl::NotFoundError(why) : absl::PermissionDeniedError(why);
  }
  std::string text;
  struct stat about{};
  absl::Status status;
  if (::fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
    status = absl::InvalidArgumentError("is not a regular file");
  } else if (static_cast<size_t>(about.st_size) > kFileBytesMax) {
    status = absl::InvalidArgumentError(
        fmt::format("is {} bytes long; a config file has at most {}", about.st_size, kFileBytesMax));
  } else {
    text.resize(kFileBytesMax + 1);
    size_t length = 0;
    for (ssize_t n = 1; n > 0 && length < text.size(); length += static_cast<size_t>(n)) {
      n = ::read(fd, text.data() + length, text.size() - length);
      if (n < 0) {
        status = absl::UnavailableError(fmt::format("cannot be read ({})", std::strerror(errno)));
        n = 0;
      }
    }
    text.resize(std::min(length, kFileBytesMax));
  }
  ::close(fd);
  if (!status.ok()) return status;
  return text;
}

// What kept this thread's last pattern from being matched: glob(3) passes nothing along.
struct Unread {
  std::string folder;
  int error = 0;
};
thread_local Unread unread;

int NoteUnread(const char* folder, int error) {
  if (error == ENOENT) return 0;  // nothing is there to match
  unread = {folder, error};
  return error;
}

class Reader {
 public:
  explicit Reader(ConfigDraft& draft) : draft_(draft) {}

  // Reads a file and what it includes, in that order; false when it is not there.
  bool ReadFile(const std::string& path, int depth, const ConfigDraft::Place& from);
  void ReadText(std::string_view text, const std::string& name, int depth, bool may_include);

  std::vector<std::string> files;
  bool parsed = true;     // false: a file is not TOML, and what it says is not known
  bool all_there = true;  // false: nor is what another says, that cannot be read

 private:
  void ReadDocument(const toml::table& document, int depth, bool may_include);
  void ReadIncludes(const toml::node& node, int depth, bool may_include);
  template <typename T>
  void ReadTable(const toml::table& table, const std::string& element, T& object,
                 const std::vector<std::string>& also_known = {});
  template <typename T>
  void ReadArray(const toml::node& node, const Section& section, std::vector<T>& out);

  ConfigDraft::Place PlaceOf(const toml::source_region& region) const {
    return {file_, static_cast<int>(region.begin.line), static_cast<int>(region.begin.column)};
  }
  void ErrorAt(const toml::source_region& region, std::string text) {
    const ConfigDraft::Place place = PlaceOf(region);
    draft_.errors.push_back({place.file, place.line, place.column, std::move(text)});
  }

  ConfigDraft& draft_;
  std::string file_;  // being read
  std::set<std::pair<dev_t, ino_t>> been_read_;
};

bool Reader::ReadFile(const std::string& path, int depth, const ConfigDraft::Place& from) {
  const auto error = [&](std::string text) {
    draft_.errors.push_back({from.file, from.line, from.column, std::move(text)});
  };
  if (depth > kDepthMax) {
    error(fmt::format("{} is included more than {} files deep; include it from the first file", path, kDepthMax));
    return true;
  }
  if (files.size() >= kFilesMax) {
    error(fmt::format("more than {} files are included; put several into one", kFilesMax));
    return true;
  }
  struct stat about{};
  if (::stat(path.c_str(), &about) == 0 && !been_read_.emplace(about.st_dev, about.st_ino).second) {
    error(fmt::format("{} is included twice, or includes itself; each file is read once", path));
    return true;
  }
  absl::StatusOr<std::string> text = ReadWhole(path);
  if (!text.ok()) {
    error(fmt::format("{} {}", path, std::string(text.status().message())));
    all_there = false;
    return !absl::IsNotFound(text.status());
  }
  files.push_back(path);
  const std::string outer = std::exchange(file_, path);
  ReadText(*text, path, depth, true);
  file_ = outer;
  return true;
}

void Reader::ReadText(std::string_view text, const std::string& name, int depth, bool may_include) {
  file_ = name;
  try {
    const toml::table document = toml::parse(text, name);
    ReadDocument(document, depth, may_include);
  } catch (const toml::parse_error& error) {
    ErrorAt(error.source(), fmt::format("this is not TOML: {}", error.description()));
    parsed = false;
  }
}

void Reader::ReadDocument(const toml::table& document, int depth, bool may_include) {
  Options& options = draft_.options;
  toml::table top;  // the keys before the first table
  std::vector<std::string> sections = {"include"};
  const auto remember = [&](const Section& section, auto&) { sections.emplace_back(section.name); };
  EachSection(options, remember, remember);
  ReadTable(document, "", options, sections);

  EachSection(
      options,
      [&](const Section& section, auto& object) {
        const toml::node* node = document.get(section.name);
        if (node == nullptr) return;
        const toml::table* table = node->as_table();
        if (table == nullptr) {
          return ErrorAt(node->source(),
                         fmt::format("`{0}` is a table; write [{0}] on a line of its own", section.name));
        }
        draft_.places.try_emplace(std::string(section.name), PlaceOf(node->source()));
        ReadTable(*table, std::string(section.name), object);
      },
      [&](const Section& section, auto& array) {
        if (const toml::node* node = document.get(section.name)) ReadArray(*node, section, array);
      });
  if (const toml::node* node = document.get("include")) ReadIncludes(*node, depth, may_include);
}

void Reader::ReadIncludes(const toml::node& node, int depth, bool may_include) {
  if (!may_include) return ErrorAt(node.source(), "`include` needs a file to be relative to");
  std::vector<std::string> globs;
  const Field field{.name = "include", .help = ""};
  ReadValue(node, field, [&](const toml::node& at, std::string text) { ErrorAt(at.source(), std::move(text)); }, globs);
  const ConfigDraft::Place place = PlaceOf(node.source());
  const std::filesystem::path folder = std::filesystem::path(file_).parent_path();
  for (const std::string& pattern : globs) {
    const std::string full = pattern.starts_with('/') ? pattern : (folder / pattern).string();
    glob_t found{};
    unread = {};
    const int failed = ::glob(full.c_str(), GLOB_NOCHECK, NoteUnread, &found);
    if (failed != 0) {
      all_there = false;
      ErrorAt(node.source(), fmt::format("`include`: {} cannot be read ({}), so that what {} names would be left out; "
                                         "make it readable for the user that runs sealiftd",
                                         unread.folder.empty() ? full : unread.folder,
                                         std::strerror(failed == GLOB_NOSPACE ? ENOMEM : unread.error), pattern));
    } else {  // sorted by name
      for (size_t i = 0; i < found.gl_pathc; ++i) {
        const std::string path = found.gl_pathv[i];
        const bool nothing_matched = path == full && full.find_first_of("*?[") != std::string::npos;
        if (!nothing_matched) ReadFile(path, depth + 1, place);
      }
    }
    ::globfree(&found);
  }
}

template <typename T>
void Reader::ReadTable(const toml::table& table, const std::string& element, T& object,
                       const std::vector<std::string>& also_known) {
  std::vector<std::string> known = also_known;
  const std::string here = element.empty() ? "" : element + ".";
  Fields<T>::Each(object, [&](const Field& field, auto& value) {
    known.emplace_back(field.name);
    const toml::node* node = table.get(field.name);
    if (node == nullptr) return;
    const std::string key = here + std::string(field.name);
    const ConfigDraft::Place place = PlaceOf(node->source());
    if (const auto [it, fresh] = draft_.places.try_emplace(key, place); !fresh) {
      return ErrorAt(node->source(), fmt::format("`{}` is already set at {}:{}; keep one of them", field.name,
                                                 it->second.file, it->second.line));
    }
    const std::string origin = fmt::format("{}:{}", place.file, place.line);
    draft_.options.origins.insert_or_assign(key, fmt::format("{}:{}", origin, place.column));
    ReadValue(
        *node, field, [&](const toml::node& at, std::string text) { ErrorAt(at.source(), std::move(text)); }, value);
    if constexpr (requires { value.origin; }) value.origin = origin;
  });
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string where = element.empty() ? "the file" : fmt::format("[{}]", element.substr(0, element.find('[')));
    const std::string nearest = DidYouMean(name, known);
    ErrorAt(key.source(), fmt::format("{} is no key of {}{}", TomlString(name.substr(0, 64)), where,
                                      nearest.empty() ? "; docs/config.md lists them" : nearest));
  }
}

template <typename T>
void Reader::ReadArray(const toml::node& node, const Section& section, std::vector<T>& out) {
  const toml::array* array = node.as_array();
  if (array == nullptr) {
    return ErrorAt(node.source(),
                   fmt::format("`{0}` can stand several times; write [[{0}]] instead of [{0}]", section.name));
  }
  for (const toml::node& one : *array) {
    const toml::table* table = one.as_table();
    if (table == nullptr) {
      ErrorAt(one.source(), fmt::format("`{0}` holds tables; write [[{0}]] on a line of its own", section.name));
      continue;
    }
    if (out.size() >= kElementsMax) {
      return ErrorAt(one.source(), fmt::format("there are more than {} [[{}]]", kElementsMax, section.name));
    }
    T object{};
    if constexpr (requires { object.name; })
      object.name = table->get("name") ? (*table)["name"].value_or(std::string()) : "";
    std::string element = ElementKey(section.name, object, out.size());
    if (const auto it = draft_.places.find(element); it != draft_.places.end()) {
      ErrorAt(one.source(),
              fmt::format("there is already a {} {} at {}:{}; names are unique, choose another", section.name,
                          element.substr(section.name.size()), it->second.file, it->second.line));
      element = fmt::format("{}[#{}]", section.name, out.size());  // read on for its other mistakes
    }
    const ConfigDraft::Place place = PlaceOf(one.source());
    draft_.places.emplace(element, place);
    draft_.options.origins.insert_or_assign(element, fmt::format("{}:{}:{}", place.file, place.line, place.column));
    if constexpr (requires { object.origin; }) object.origin = fmt::format("{}:{}", place.file, place.line);
    ReadTable(*table, element, object);
    out.push_back(std::move(object));
  }
}

// A key that must be there and is not.
void CheckRequired(ConfigDraft& draft) {
  WalkOptions(draft.options, [&](const WalkedKey& key) {
    if (!key.field.required || draft.places.contains(key.key)) return;
    const std::string block = key.section.name.empty() ? "the file" : fmt::format("[{}]", key.element);
    draft.Error(key.key, fmt::format("`{}` is missing from {}; add it ({})", key.field.name, block, key.field.help));
  });
}

Config Finish(ConfigDraft& draft, Reader& reader, std::vector<std::string> files, uint64_t generation) {
  if (reader.parsed) {  // else keys would be missing that are there
    CheckRequired(draft);
    // Cross-checks of what could not be read would only repeat the mistake in other words.
    CheckConfig(draft);
  }
  Config config;
  config.errors = std::move(draft.errors);
  config.warnings = std::move(draft.warnings);
  config.files = std::move(files);
  const bool knows_data_dir = (reader.parsed && reader.all_there) || draft.places.contains("node.data_dir");
  if (knows_data_dir) config.data_dir = draft.options.node.data_dir;
  if (config.errors.empty()) {
    draft.options.generation = generation;
    config.options = std::make_shared<const Options>(std::move(draft.options));
  }
  return config;
}

}  // namespace

std::string ConfigProblem::ToString() const {
  return line == 0 ? fmt::format("{}: {}", file, text) : fmt::format("{}:{}:{}: {}", file, line, column, text);
}

absl::Status Config::status() const {
  if (errors.empty()) return absl::OkStatus();
  std::string all;
  for (const ConfigProblem& problem : errors) all += (all.empty() ? "" : "\n") + problem.ToString();
  if (files.empty() && errors.size() == 1) return absl::NotFoundError(all);
  return absl::InvalidArgumentError(all);
}

Config LoadConfig(const std::string& path, uint64_t generation) {
  ConfigDraft draft;
  draft.whole.file = path;
  Reader reader(draft);
  if (!reader.ReadFile(path, 0, draft.whole) || reader.files.empty()) {
    Config config;
    config.errors = std::move(draft.errors);
    for (ConfigProblem& problem : config.errors) {
      problem.text = fmt::format("{}; name the config file with --config", problem.text.substr(path.size() + 1));
    }
    return config;
  }
  return Finish(draft, reader, reader.files, generation);
}

Config ParseConfig(std::string_view text, const std::string& name, uint64_t generation) {
  ConfigDraft draft;
  draft.whole.file = name;
  Reader reader(draft);
  reader.ReadText(text, name, 0, false);
  return Finish(draft, reader, {name}, generation);
}

}  // namespace sealift::engine
