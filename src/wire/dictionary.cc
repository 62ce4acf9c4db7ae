#include <algorithm>

#include "wire/dictionary_internal.h"

namespace pga::wire {

KeyTable* DictionaryEntries::find_table(std::uint32_t target, std::uint32_t schema, std::int64_t database) {
  const auto at = std::find_if(tables.begin(), tables.end(), [&](const KeyTable& table) {
    return table.schema == schema && table.target == target && table.database == database;
  });
  return at == tables.end() ? nullptr : &*at;
}

DictionaryMark::DictionaryMark(const DictionaryEntries& entries)
    : strings(entries.strings.size()),
      numbers(entries.numbers.size()),
      targets(entries.targets.size()),
      schemas(entries.schemas.size()),
      key_rows_(entries.key_rows),
      key_cells_(entries.key_cells) {
  for (const KeyTable& table : entries.tables) table_rows_.push_back(table.rows);
}

bool DictionaryMark::is_behind(const DictionaryEntries& entries) const {
  return entries.strings.size() != strings || entries.numbers.size() != numbers || entries.targets.size() != targets ||
         entries.schemas.size() != schemas || entries.key_rows != key_rows_ || entries.tables.size() != table_rows_.size();
}

void DictionaryMark::restore(DictionaryEntries& entries) const {
  entries.strings.truncate(strings);
  entries.numbers.resize(numbers);
  entries.targets.resize(targets);
  entries.schemas.resize(schemas);
  entries.tables.resize(table_rows_.size());
  for (std::size_t i = 0; i < table_rows_.size(); ++i) {
    entries.tables[i].rows = table_rows_[i];
    for (auto& column : entries.tables[i].columns) column.resize(table_rows_[i]);
  }
  entries.key_rows = key_rows_;
  entries.key_cells = key_cells_;
}

SenderDictionary::SenderDictionary() : impl_(std::make_unique<Impl>()) {}
SenderDictionary::~SenderDictionary() = default;
SenderDictionary::SenderDictionary(SenderDictionary&&) noexcept = default;
SenderDictionary& SenderDictionary::operator=(SenderDictionary&&) noexcept = default;
void SenderDictionary::reset() { impl_->reset(); }
std::uint64_t SenderDictionary::state() const { return impl_->entries.state; }
std::size_t SenderDictionary::entries() const { return impl_->entries.entries(); }
std::size_t SenderDictionary::bytes() const { return impl_->entries.bytes(); }

void SenderDictionary::Impl::reset() {
  entries.state = 0;
  entries.strings.clear();
  entries.numbers.clear();
  entries.targets.clear();
  entries.schemas.clear();
  entries.tables.clear();
  entries.key_rows = 0;
  entries.key_cells = 0;
  indexes.clear();
  references.clear();
  number_ids.clear();
  is_full = false;
}

ReceiverDictionary::ReceiverDictionary() : impl_(std::make_unique<Impl>()) {}
ReceiverDictionary::~ReceiverDictionary() = default;
ReceiverDictionary::ReceiverDictionary(ReceiverDictionary&&) noexcept = default;
ReceiverDictionary& ReceiverDictionary::operator=(ReceiverDictionary&&) noexcept = default;
std::uint64_t ReceiverDictionary::state() const { return impl_->entries.state; }
std::size_t ReceiverDictionary::entries() const { return impl_->entries.entries(); }
std::size_t ReceiverDictionary::bytes() const { return impl_->entries.bytes(); }

}  // namespace pga::wire
