// The emulator takes no call that a device's compiler would refuse: const where the documentation
// has none, and a type where it has another. Nothing here runs.
#include "kernel_operator.h"

#include <type_traits>

namespace {

using namespace AscendC;

using Floats = LocalTensor<float>;
using Words = LocalTensor<int16_t>;
using Bits = LocalTensor<uint8_t>;
using Numbers = GlobalTensor<float>;

// --- Members ---

constexpr auto get = [](auto& buffer) -> decltype(buffer.template Get<float>()) {
  return buffer.template Get<float>();
};
constexpr auto get_count = [](auto& buffer) -> decltype(buffer.template Get<float>(8)) {
  return buffer.template Get<float>(8);
};
constexpr auto get_from = [](auto& buffer) -> decltype(buffer.template GetWithOffset<float>(8, 0)) {
  return buffer.template GetWithOffset<float>(8, 0);
};
constexpr auto alloc = [](auto& queue) -> decltype(queue.template AllocTensor<float>()) {
  return queue.template AllocTensor<float>();
};
constexpr auto enqueue = [](auto& queue) -> decltype(queue.EnQue(Floats())) {
  return queue.EnQue(Floats());
};
constexpr auto dequeue = [](auto& queue) -> decltype(queue.template DeQue<float>()) {
  return queue.template DeQue<float>();
};
constexpr auto release = [](auto& queue, auto& tensor) -> decltype(queue.FreeTensor(tensor)) {
  queue.FreeTensor(tensor);
};
constexpr auto set_buffer = [](auto& tensor) -> decltype(tensor.SetGlobalBuffer(nullptr, 8)) {
  tensor.SetGlobalBuffer(nullptr, 8);
};
constexpr auto destroy = [](auto& pipe) -> decltype(pipe.Destroy()) { pipe.Destroy(); };
constexpr auto fetch = [](auto& pipe) -> decltype(pipe.FetchEventID(HardEvent::V_S)) {
  return pipe.FetchEventID(HardEvent::V_S);
};

template <typename Call, typename Object, typename... Rest>
constexpr bool changes_its_object = std::is_invocable_v<Call, Object&, Rest...> &&
                                    !std::is_invocable_v<Call, const Object&, Rest...>;

using Buffer = TBuf<TPosition::VECCALC>;
using Queue = TQue<TPosition::VECIN, 1>;
static_assert(changes_its_object<decltype(get), Buffer>);
static_assert(changes_its_object<decltype(get_count), Buffer>);
static_assert(changes_its_object<decltype(get_from), Buffer>);
static_assert(changes_its_object<decltype(alloc), Queue>);
static_assert(changes_its_object<decltype(enqueue), Queue>);
static_assert(changes_its_object<decltype(dequeue), Queue>);
static_assert(changes_its_object<decltype(release), Queue, Floats&>);
static_assert(!std::is_invocable_v<decltype(release), Queue&, const Floats&>);
static_assert(changes_its_object<decltype(set_buffer), Numbers>);
static_assert(changes_its_object<decltype(destroy), TPipe>);
static_assert(changes_its_object<decltype(fetch), TPipe>);

// --- A mask of bits ---

// Most instructions are documented with `uint64_t mask[]`, and some with `const uint64_t mask[]`.
template <typename Call>
constexpr bool may_write_its_mask(Call) {
  return std::is_invocable_v<Call, uint64_t*> && !std::is_invocable_v<Call, const uint64_t*>;
}
template <typename Call>
constexpr bool reads_its_mask(Call) {
  return std::is_invocable_v<Call, uint64_t*> && std::is_invocable_v<Call, const uint64_t*>;
}
#define CALL(...) [](auto* mask) -> decltype(__VA_ARGS__) { __VA_ARGS__; }

using Binary = BinaryRepeatParams;
using Unary = UnaryRepeatParams;
static_assert(may_write_its_mask(CALL(Add(Floats(), Floats(), Floats(), mask, 1, Binary{}))));
static_assert(may_write_its_mask(CALL(Sub(Floats(), Floats(), Floats(), mask, 1, Binary{}))));
static_assert(may_write_its_mask(CALL(Mul(Floats(), Floats(), Floats(), mask, 1, Binary{}))));
static_assert(may_write_its_mask(CALL(Div(Floats(), Floats(), Floats(), mask, 1, Binary{}))));
static_assert(may_write_its_mask(CALL(Max(Floats(), Floats(), Floats(), mask, 1, Binary{}))));
static_assert(may_write_its_mask(CALL(Min(Floats(), Floats(), Floats(), mask, 1, Binary{}))));
static_assert(may_write_its_mask(CALL(And(Words(), Words(), Words(), mask, 1, Binary{}))));
static_assert(may_write_its_mask(CALL(Or(Words(), Words(), Words(), mask, 1, Binary{}))));

static_assert(may_write_its_mask(CALL(Exp(Floats(), Floats(), mask, 1, Unary{}))));
static_assert(may_write_its_mask(CALL(Ln(Floats(), Floats(), mask, 1, Unary{}))));
static_assert(may_write_its_mask(CALL(Abs(Floats(), Floats(), mask, 1, Unary{}))));
static_assert(may_write_its_mask(CALL(Not(Words(), Words(), mask, 1, Unary{}))));

static_assert(may_write_its_mask(CALL(Adds(Floats(), Floats(), 1.0f, mask, 1, Unary{}))));
static_assert(may_write_its_mask(CALL(Muls(Floats(), Floats(), 1.0f, mask, 1, Unary{}))));
static_assert(may_write_its_mask(CALL(Maxs(Floats(), Floats(), 1.0f, mask, 1, Unary{}))));
static_assert(may_write_its_mask(CALL(Mins(Floats(), Floats(), 1.0f, mask, 1, Unary{}))));
static_assert(may_write_its_mask(CALL(ShiftLeft(Words(), Words(), int16_t{1}, mask, 1, Unary{}))));
static_assert(may_write_its_mask(CALL(ShiftRight(Words(), Words(), int16_t{1}, mask, 1, Unary{}))));

static_assert(may_write_its_mask(CALL(Duplicate(Floats(), 1.0f, mask, 1, 1, 8))));
static_assert(may_write_its_mask(CALL(Select(
    Floats(), Bits(), Floats(), 1.0f, SELMODE::VSEL_TENSOR_SCALAR_MODE, mask, 1, Binary{}))));
static_assert(may_write_its_mask(CALL(Select(
    Floats(), Bits(), Floats(), Floats(), SELMODE::VSEL_TENSOR_TENSOR_MODE, mask, 1, Binary{}))));

static_assert(reads_its_mask(CALL(Cast(Words(), Floats(), RoundMode::CAST_RINT, mask, 1,
                                       Unary{}))));
static_assert(reads_its_mask(CALL(WholeReduceMax(Floats(), Floats(), mask, 1, 1, 1, 8))));
static_assert(reads_its_mask(CALL(WholeReduceMin(Floats(), Floats(), mask, 1, 1, 1, 8))));
static_assert(reads_its_mask(CALL(WholeReduceSum(Floats(), Floats(), mask, 1, 1, 1, 8))));
static_assert(reads_its_mask(CALL(BlockReduceMax(Floats(), Floats(), 1, mask, 1, 1, 8))));
static_assert(reads_its_mask(CALL(BlockReduceMin(Floats(), Floats(), 1, mask, 1, 1, 8))));
static_assert(reads_its_mask(CALL(BlockReduceSum(Floats(), Floats(), 1, mask, 1, 1, 8))));

// --- Scalars ---

// The scalar's type is the tensor's: a device's compiler deduces it from both.
constexpr auto adds = [](auto scalar) -> decltype(Adds(Floats(), Floats(), scalar, 8)) {
  Adds(Floats(), Floats(), scalar, 8);
};
static_assert(std::is_invocable_v<decltype(adds), float>);
static_assert(!std::is_invocable_v<decltype(adds), int> &&
              !std::is_invocable_v<decltype(adds), double>);

}  // namespace
