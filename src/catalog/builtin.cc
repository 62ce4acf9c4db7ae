#include "catalog/builtin.h"

namespace pga::catalog {
namespace {

constexpr Declaration kDeclarations[] = {
#include "embedded.inc"
};

}  // namespace

std::span<const Declaration> builtin_declarations() { return kDeclarations; }

}  // namespace pga::catalog
