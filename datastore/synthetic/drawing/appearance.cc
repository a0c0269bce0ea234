#include "datastore/synthetic/drawing/appearance.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "datastore/synthetic/random_streams.h"

namespace muster::datastore {
namespace {

Colour from_rgb(double red, double green, double blue) {
  return Colour(static_cast<float>(blue), static_cast<float>(green), static_cast<float>(red));
}

// Dyes as shops sell them; each person's is a little off.
const std::array<Colour, 13>& dyes() {
  static const std::array<Colour, 13> colours = {
      from_rgb(0.10, 0.10, 0.11), from_rgb(0.88, 0.87, 0.84), from_rgb(0.45, 0.46, 0.48),
      from_rgb(0.12, 0.17, 0.42), from_rgb(0.72, 0.10, 0.12), from_rgb(0.13, 0.45, 0.22),
      from_rgb(0.85, 0.72, 0.18), from_rgb(0.20, 0.48, 0.78), from_rgb(0.48, 0.30, 0.17),
      from_rgb(0.80, 0.42, 0.55), from_rgb(0.42, 0.18, 0.48), from_rgb(0.86, 0.45, 0.12),
      from_rgb(0.68, 0.60, 0.46)};
  return colours;
}

// Trousers and skirts come in quieter colours than tops.
const std::array<Colour, 9>& lower_dyes() {
  static const std::array<Colour, 9> colours = {
      from_rgb(0.09, 0.09, 0.10), from_rgb(0.16, 0.22, 0.45), from_rgb(0.42, 0.54, 0.74),
      from_rgb(0.72, 0.64, 0.48), from_rgb(0.46, 0.47, 0.48), from_rgb(0.86, 0.85, 0.82),
      from_rgb(0.36, 0.22, 0.13), from_rgb(0.60, 0.12, 0.14), from_rgb(0.28, 0.36, 0.18)};
  return colours;
}

Colour varied(Colour colour, double amount, common::KeyedRandom& random) {
  for (int channel = 0; channel < 3; ++channel) {
    colour[channel] = std::clamp(
        colour[channel] + static_cast<float>(random.uniform(-amount, amount)), 0.03f, 0.95f);
  }
  return colour;
}

template <size_t kCount>
Colour drawn_from(const std::array<Colour, kCount>& colours, common::KeyedRandom& random) {
  return varied(colours[random.below(kCount)], 0.05, random);
}

// An accent that can be told from the base at a distance.
Colour contrasting(const Colour& base, common::KeyedRandom& random) {
  Colour best = base;
  double best_distance = -1;
  for (int attempt = 0; attempt < 4; ++attempt) {
    const Colour candidate = drawn_from(dyes(), random);
    const double distance = cv::norm(candidate - base);
    if (distance > best_distance) best = candidate, best_distance = distance;
  }
  return best;
}

Garment draw_upper(const Colour& dye, common::KeyedRandom& random) {
  Garment garment;
  garment.base = varied(dye, 0.05, random);
  garment.accent = contrasting(garment.base, random);
  constexpr std::array<Pattern, 10> kChoices = {Pattern::kPlain,
                                                Pattern::kPlain,
                                                Pattern::kPlain,
                                                Pattern::kHorizontalStripes,
                                                Pattern::kVerticalStripes,
                                                Pattern::kChecks,
                                                Pattern::kTwoTone,
                                                Pattern::kTwoTone,
                                                Pattern::kLogo,
                                                Pattern::kOpenFront};
  garment.pattern = kChoices[random.below(kChoices.size())];
  garment.repeats = static_cast<float>(2 + random.below(3));
  return garment;
}

Garment draw_lower(const Colour& dye, common::KeyedRandom& random) {
  Garment garment;
  garment.base = varied(dye, 0.05, random);
  garment.accent = contrasting(garment.base, random);
  constexpr std::array<Pattern, 8> kChoices = {Pattern::kPlain,  Pattern::kPlain,
                                               Pattern::kPlain,  Pattern::kPlain,
                                               Pattern::kPlain,  Pattern::kHorizontalStripes,
                                               Pattern::kChecks, Pattern::kVerticalStripes};
  garment.pattern = kChoices[random.below(kChoices.size())];
  garment.repeats = static_cast<float>(2 + random.below(2));
  return garment;
}

void draw_body(Appearance& person, common::KeyedRandom& random) {
  person.height = std::clamp(1.0 + 0.045 * random.normal(), 0.88, 1.1);
  person.build = std::clamp(1.0 + 0.14 * random.normal(), 0.75, 1.4);
  person.leg_share = random.uniform(0.475, 0.525);
  person.shoulder_share = random.uniform(0.105, 0.125);
  const double melanin = random.uniform();
  person.skin = from_rgb(0.86 - 0.5 * melanin, 0.68 - 0.46 * melanin, 0.56 - 0.42 * melanin);
  const std::array<Colour, 6> hair_colours = {
      from_rgb(0.07, 0.06, 0.06), from_rgb(0.16, 0.10, 0.07), from_rgb(0.35, 0.22, 0.12),
      from_rgb(0.78, 0.64, 0.36), from_rgb(0.62, 0.61, 0.60), from_rgb(0.50, 0.20, 0.10)};
  person.hair = varied(hair_colours[random.below(hair_colours.size())], 0.03, random);
  person.hair_length = random.chance(0.5) ? 0 : random.uniform(0.3, 1);
}

void draw_gait(Gait& gait, common::KeyedRandom& random) {
  gait.cycles_per_frame = random.uniform(0.034, 0.052);
  gait.stride_radians = random.uniform(0.32, 0.56);
  gait.arm_swing_radians = random.uniform(0.12, 0.65);
  gait.bob = random.uniform(0.003, 0.014);
}

// `outfit` numbers a pair of dyes.
Appearance dressed(size_t outfit, common::KeyedRandom random) {
  Appearance person;
  draw_body(person, random);
  person.upper = draw_upper(dyes()[outfit % dyes().size()], random);
  person.lower = draw_lower(lower_dyes()[outfit / dyes().size()], random);
  person.long_sleeves = random.chance(0.65);
  person.accent_sleeves = random.chance(0.2);
  const double kind = random.uniform();
  if (kind < 0.14) person.lower_kind = LowerGarment::kShorts;
  if (kind > 0.82) person.lower_kind = LowerGarment::kSkirt;
  if (random.chance(0.25)) person.coat_length = random.uniform(0.06, 0.17);
  person.shoes = drawn_from(lower_dyes(), random);
  constexpr std::array<Carried, 8> kLoads = {
      Carried::kNothing,     Carried::kNothing, Carried::kNothing, Carried::kNothing,
      Carried::kShoulderBag, Carried::kHandBag, Carried::kHandBag, Carried::kBackpack};
  person.carried = kLoads[random.below(kLoads.size())];
  person.carries_on_left = random.chance(0.5);
  person.bag = drawn_from(dyes(), random);
  draw_gait(person.gait, random);
  return person;
}

size_t outfit_count() { return dyes().size() * lower_dyes().size(); }

}  // namespace

Appearance draw_appearance(common::KeyedRandom random) {
  const size_t outfit = random.below(outfit_count());
  return dressed(outfit, random);
}

Appearance draw_member(uint64_t seed, uint64_t person) {
  std::vector<size_t> deck(outfit_count());
  std::iota(deck.begin(), deck.end(), size_t{0});
  random_stream(seed, 0, 0, 0, Purpose::kAppearance).shuffle(deck);
  return dressed(deck[person % deck.size()],
                 random_stream(seed, person, 0, 0, Purpose::kAppearance));
}

}  // namespace muster::datastore
