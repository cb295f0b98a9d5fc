// What is known of destinations, through the store: it is there after a restart, and nobody reads it on the disk.
#include "queue/notes.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class NotesTest : public StoreTest {
 protected:
  NotesTest() { Open(); }

  std::vector<Note> Read(NoteKind kind, size_t max = 100) {
    const absl::StatusOr<std::vector<Note>> notes = store_->ReadNotes(kind, max);
    EXPECT_TRUE(notes.ok()) << notes.status();
    return notes.value_or(std::vector<Note>());
  }
};

TEST_F(NotesTest, WhatWasWrittenIsReadAfterARestart) {
  EXPECT_THAT(Read(NoteKind::kTlsHost), IsEmpty());
  const Note first{NoteKind::kTlsHost, "mx1.clinic.test", "1"};
  const Note second{NoteKind::kTlsHost, "mx2.clinic.test", "2"};
  const Note policy{NoteKind::kStsPolicy, "mx1.clinic.test", std::string("v\0x\n", 4)};
  ASSERT_TRUE(store_->PutNotes({first, second, policy}).ok());
  Reopen();
  EXPECT_THAT(Read(NoteKind::kTlsHost), UnorderedElementsAre(first, second));
  EXPECT_THAT(Read(NoteKind::kStsPolicy), UnorderedElementsAre(policy));
  EXPECT_THAT(Read(NoteKind::kTlsHost, 1), SizeIs(1));
}

TEST_F(NotesTest, ANewerNoteTakesThePlaceOfTheOlder) {
  ASSERT_TRUE(store_->PutNotes({{NoteKind::kTlsHost, "mx.test", "1"}}).ok());
  ASSERT_TRUE(store_->PutNotes({{NoteKind::kTlsHost, "mx.test", "2"}}).ok());
  EXPECT_THAT(Read(NoteKind::kTlsHost), UnorderedElementsAre(Note{NoteKind::kTlsHost, "mx.test", "2"}));
}

TEST_F(NotesTest, WhatHasNoValueIsForgotten) {
  ASSERT_TRUE(store_->PutNotes({{NoteKind::kLimit, "source/ip1", "1"}, {NoteKind::kLimit, "source/ip2", "2"}}).ok());
  ASSERT_TRUE(store_->PutNotes({{NoteKind::kLimit, "source/ip1", ""}, {NoteKind::kLimit, "source/ip3", ""}}).ok());
  Reopen();
  EXPECT_THAT(Read(NoteKind::kLimit), UnorderedElementsAre(Note{NoteKind::kLimit, "source/ip2", "2"}));
}

TEST_F(NotesTest, NoNameStandsOnTheDisk) {
  const std::string name = "mx.a-patients-own-domain.test";
  ASSERT_TRUE(store_->PutNotes({{NoteKind::kStsPolicy, name, "mx: " + name}}).ok());
  store_.reset();
  size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
    if (!entry.is_regular_file()) continue;
    ++files;
    std::ostringstream text;
    text << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    EXPECT_EQ(text.str().find("patients-own"), std::string::npos) << entry.path();
  }
  EXPECT_GT(files, 0u);
  Open();
  EXPECT_THAT(Read(NoteKind::kStsPolicy), SizeIs(1));
}

}  // namespace
}  // namespace sealift::queue
